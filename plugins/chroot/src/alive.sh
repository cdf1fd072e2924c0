# The process that was noted is still there: by its start time and the machine's boot, because ids are used again.
alive() {
  { read -r stat <"/proc/$1/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || return 1
  noted=$2
  set -- ${stat##*) }
  [ "$noted" = "${20}@$boot" ] && [ "$1" != Z ]
}
# Prints what `alive` needs of this very shell.
noted() {
  read -r stat </proc/self/stat
  read -r boot </proc/sys/kernel/random/boot_id
  pid=${stat%% *}
  set -- ${stat##*) }
  echo "$pid ${20}@$boot"
}
