# Writes what a path leads to on standard output: archive PATH, or stream PATH.
how=$1
plain "$2"
path=$plain
[ -e "$path" ] || [ -L "$path" ] || missing "$path"

if [ "$how" = stream ]; then
    [ ! -d "$path" ] || fail 92 "$path is a directory"
    [ -r "$path" ] || fail 93 "$path: Permission denied"
    exec cat "$path"
fi

find_tar
case $path in
*/ | */. | */..)
    # The contents of a directory.
    [ -d "$path" ] || fail 91 "$path is not a directory"
    base=.
    ;;
*)
    base=./${path##*/}
    path=${path%/*}/
    ;;
esac
cd "$path" || fail 93 "$path: Permission denied"

if [ -n "$gnu" ]; then
    # Large records save system calls, but the last one is padded: not for what is small.
    records=512
    [ -z "$(find "$base" -prune -type f -size -2048 2>/dev/null)" ] || records=20
    tar -c -f - -b "$records" --format=posix --pax-option=delete=atime,delete=ctime --sparse \
        --numeric-owner "$base"
    status=$?
    # Something changed while it was read; it has said so.
    [ "$status" -ne 1 ] || status=0
else
    tar -c -f - "$base"
    status=$?
fi
[ "$status" -eq 0 ] || exit 99
