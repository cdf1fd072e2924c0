# Sees to it that `new` does not run, now or later, and prints what is known.
# $1: the directory; $2: the token.
set -u
cd "$1" 2>/dev/null || exit 0
: >doomed || die 'the directory of the instance cannot be written to'
# Of the group that `new` was started in, what carries the token: ids are used again.
group() {
  for process in /proc/[0-9]*; do
    { IFS= read -r stat <"$process/stat"; } 2>/dev/null || continue
    set -- "$1" "$2" ${stat##*) }
    [ "$5" = "$1" ] && [ "$3" != Z ] || continue
    { tr '\0' '\n' <"$process/environ" | grep -qxF "RUNNER_TOKEN=$2"; } 2>/dev/null || continue
    printf '%s ' "${process#/proc/}"
  done
}
if [ -e pid ] && [ ! -e new.status ]; then
  read -r leader <pid
  tries=0
  while running=$(group "$leader" "$2") && [ -n "$running" ]; do
    case $tries in
    0) kill -s TERM $running 2>/dev/null ;;
    50) kill -s KILL $running 2>/dev/null ;;
    150) die '`new` is still running and cannot be ended' ;;
    esac
    tries=$((tries + 1))
    sleep 0.1
  done
fi
known
