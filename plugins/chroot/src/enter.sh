# Becomes a command in the instance. Arguments: its directory, the command's id, `--ctty` with a terminal, then variables
# as NAME=VALUE and the chroot command. Ends with 125 when the instance is not there.
work=$1 id=$2 terminal=$3
shift 3
if ! { read -r pid start <"$work/holder"; } 2>/dev/null || ! alive "$pid" "$start"; then
  echo 'the instance is not running' >&2
  exit 125
fi
# A session of its own: signals are meant for the command, and the `nsenter` that waits for it must outlive them. The
# command's process id, as the host sees it, is noted for them. It dies with its `nsenter`.
exec nsenter -t "$pid" -m -u -i -p -n -- \
  setsid $terminal setpriv --pdeathsig KILL sh -c '
    note=$1; read -r stat </proc/self/stat; read -r boot </proc/sys/kernel/random/boot_id
    shift; begun() { pid=${stat%% *}; set -- ${stat##*) }; echo "$pid ${20}@$boot"; }
    begun >"$note"; exec "$@"' note "$work/note-$id" \
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  HOME=/root USER=root LOGNAME=root SHELL=/bin/sh TERM="${TERM:-dumb}" "$@"
