# What there is on this machine, a line for each thing: a word, a tab, what tells it from others, a tab, what may change about it.
# The directories to look at are the arguments. Only bash and find are needed.
set +eu
LC_ALL=C
for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    # Neither ourselves nor what we start.
    [[ $pid == "$$" || $pid == "$BASHPID" ]] && continue
    { IFS= read -r stat < "$directory/stat"; } 2> /dev/null || continue
    rest=${stat##*) }
    set -f; fields=($rest); set +f
    # It has ended, and nobody has asked how.
    [[ ${fields[0]} == Z ]] && continue
    # What serves us is made anew for each script; and the kernel's own.
    [[ ${fields[1]} == "$BASHPID" || ${fields[1]} == "$PPID" || ${fields[1]} == 2 || $pid == 2 ]] && continue
    words=()
    { mapfile -d '' -t words < "$directory/cmdline"; } 2> /dev/null
    name=${stat#*(}; name=${name%)*}
    line=${words[*]:-[$name]}
    line=${line//[$'\n\t']/ }
    # A number may be used again; with the start it is not.
    printf 'process\t%s %s\t\n' "${fields[19]}/$pid" "${line:0:200}"
done
while IFS=' ' read -r device place kind options rest; do
    printf 'mount\t%s (%s)\t%s\n' "$place" "$kind" "$device $options"
done < /proc/self/mounts
for protocol in tcp tcp6 udp udp6; do
    [[ -r /proc/net/$protocol ]] || continue
    while read -r number local remote state rest; do
        # 0A: listening; a datagram socket that is bound is 07.
        [[ $protocol == tcp* && $state == 0A || $protocol == udp* && $state == 07 ]] || continue
        printf 'socket\t%s port %d\t\n' "$protocol" "$((16#${local##*:}))"
    done < /proc/net/$protocol
done
while read -r number count protocol flags type state inode path; do
    [[ $flags == 00010000 && $path == /* ]] && printf 'socket\tunix %s\t\n' "$path"
done < /proc/net/unix
# The times of a directory say no more than what is in it.
(($#)) && find "$@" -xdev ! -name $'*\n*' ! -name $'*\t*' \( -type d -printf 'file\t%p/\t%m\n' -o -printf 'file\t%p\t%y %m %s %T@\n' \) 2> /dev/null
exit 0
