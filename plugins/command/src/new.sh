# Runs `new`. What later calls need is on the disk before: a call after a crash knows nothing but the directory.
# Prints `ended CODE`, and then the beginning of what `new` printed.
# $1: the directory; $2: the command; $3: the source; $4: the token; $5: the name; $6: the slot; then the counters.
set -u
run=$2 source=$3 token=$4 name=$5 slot=$6
cd "$1" || die 'the directory of the instance cannot be entered'
shift 6
umask 077
finish() {
  read -r code <new.status
  printf 'ended %s\n' "$code"
  head -c 4096 new.out
  tail -c 4096 new.err >&2
  exit 0
}
if [ -e state ]; then
  [ ! -e new.status ] || finish
  die '`new` was started before, and nobody knows what came of it'
fi

: >counters || die 'the directory of the instance cannot be written to'
if [ $# -gt 0 ]; then
  # The numbers in use are those in the directories of what exists; one process at a time takes new ones.
  { exec 9<.. && flock 9; } || die 'counters need the program `flock`'
  for counter; do
    value=0
    while grep -qsxF -- "$counter $value" ../*/counters; do value=$((value + 1)); done
    printf '%s %s\n' "$counter" "$value" >>counters || die 'the directory of the instance cannot be written to'
    export "RESALLOC_NAMED_COUNTER_$counter=$value"
  done
  exec 9<&-
fi
printf '%s\n' "$source" "$token" "$name" "$slot" >state.part && mv state.part state ||
  die 'the directory of the instance cannot be written to'
sync counters state . .. 2>/dev/null || sync

# This shell leads the group of everything that `new` starts.
echo "$$" >pid || die 'the directory of the instance cannot be written to'
[ ! -e doomed ] || die 'the instance was given up before `new` was started'
unset RESALLOC_RESOURCE_DATA RUNNER_WORK_DIR
(cd / && exec /bin/sh -c "$run") </dev/null >new.out 2>new.err
echo "$?" >status.part && mv status.part new.status || die 'the directory of the instance cannot be written to'
finish
