# Signals a command's process group. Arguments: the instance's directory, the command's id, the signal's number. The
# command may still be on its way to start.
tries=0
until { read -r pid start <"$1/note-$2" && [ -n "$start" ]; } 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -le 20 ] || exit 0
  sleep 0.1
done
alive "$pid" "$start" || exit 0
kill -"$3" -"$pid" 2>/dev/null || ! alive "$pid" "$start"
