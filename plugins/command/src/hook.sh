# Runs a command of the operator's, and prints the end of what it says on standard error.
# $1: the command; $2: a file for what it says, or nothing; $3: `list` when its standard output is wanted;
# $4: `data` when `RESALLOC_RESOURCE_DATA` is set by the plugin.
log=$2
if [ -z "$log" ]; then
  log=$(mktemp) || die 'there is no room for a temporary file'
  trap 'rm -f "$log"' EXIT
fi
case $log in /*) ;; *) log=$PWD/$log ;; esac
[ "$4" = data ] || unset RESALLOC_RESOURCE_DATA
unset RUNNER_WORK_DIR
cd / || exit
# Into a file, and not through a pipe that a program left behind could keep open.
case $3 in
list) /bin/sh -c "$1" </dev/null 2>"$log" ;;
*) /bin/sh -c "$1" </dev/null >"$log" 2>&1 ;;
esac
code=$?
tail -c 4096 "$log" >&2
exit "$code"
