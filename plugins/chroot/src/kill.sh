# Kills what carries the token, until nothing does. Arguments: the token, the instance's directory or nothing. With
# process 1 of its namespace everything in the namespace dies, and what was mounted there is gone.
dying=
if [ -n "$2" ] && { read -r pid start <"$2/holder"; } 2>/dev/null; then dying="$pid:$start"; fi
tries=0
while :; do
  # The pattern does not match the `grep` itself.
  for file in $(grep -lsxzE "runner-chroot[:]$1" /proc/[0-9]*/cmdline); do
    pid=${file#/proc/}
    pid=${pid%/cmdline}
    { read -r stat <"/proc/$pid/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || continue
    dying="$dying $pid:$(set -- ${stat##*) } && echo "${20}@$boot")"
    kill -9 "$pid" 2>/dev/null
  done
  # A process loses its command line before its namespaces are gone.
  left=
  for process in $dying; do
    if alive "${process%:*}" "${process#*:}"; then left="$left $process"; fi
  done
  [ -n "$left" ] || break
  dying=$left
  tries=$((tries + 1))
  if [ "$tries" -gt 500 ]; then
    echo "process${left%:*} does not die" >&2
    exit 1
  fi
  sleep 0.01
done
