# Puts what comes on standard input where a path says: HOW PATH NAME TOKEN KEEP.
#
# archive: a parcel, unpacked into a directory beside the destination and moved into place when it is complete.
# prepare, commit: the two halves of that, for a provider that unpacks by itself. stream: the bytes of one
# file, left beside the destination; keep: moves them into place. abandon: removes what an earlier call left.
#
# NAME is the source's last component, or empty when its contents are copied. TOKEN makes the directory's name unique.
# KEEP is not empty when owners are to be kept.
how=$1
plain "$2"
path=$plain
name=$3
token=$4
keep=$5

# Which directory does it go into, under which name? An empty name: into the directory itself.
only_directory=
case $path in
*/ | */. | */..) only_directory=1 ;;
esac
special=
if [ -d "$path" ]; then
    case $how in
    stream | keep) fail 92 "$path is a directory" ;;
    esac
    parent=$path
elif [ -e "$path" ]; then
    [ -z "$only_directory" ] || fail 91 "$path is not a directory"
    if [ ! -f "$path" ]; then
        special=1
    elif [ -L "$path" ]; then
        # To where it leads. The x keeps newlines at the end of the name.
        real=$(readlink -f "$path" && echo x)
        [ -z "$real" ] || path=${real%?x}
    fi
    name=${path##*/}
    parent=${path%/*}/
elif [ -L "$path" ]; then
    fail 98 "$path leads nowhere"
else
    bare=$path
    while :; do
        case $bare in
        */) bare=${bare%/} ;;
        *) break ;;
        esac
    done
    name=${bare##*/}
    parent=${bare%/*}/
    [ -d "$parent" ] || missing "$parent"
    case $how in
    stream | keep) [ -z "$only_directory" ] || fail 91 "$path is not a directory" ;;
    esac
fi
# Absolute, because merging changes directories.
if [ -z "$special" ]; then
    parent=$(cd "$parent" && pwd -P && echo x) || fail 93 "$parent: Permission denied"
    parent=${parent%?x}
    [ "$parent" != / ] || parent=
    [ -w "$parent/" ] && [ -x "$parent/" ] || fail 93 "$parent/: cannot be written: Permission denied"
fi
tmp=$parent/.runner-$token
target=$parent/$name

clean() {
    rm -rf "$tmp" 2>/dev/null && return
    chmod -R u+rwx "$tmp" 2>/dev/null
    rm -rf "$tmp"
}

clean_at_exit() {
    trap clean EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM
}

make_tmp() {
    (umask 077 && mkdir "$tmp") || exit 99
}

mode_of() {
    stat -c %a "$1" 2>/dev/null || stat -f %Lp "$1" 2>/dev/null
}

is_directory() {
    [ -d "$1" ] && [ ! -L "$1" ]
}

is_there() {
    [ -e "$1" ] || [ -L "$1" ]
}

# Moves a directory that even its owner may not write.
move_closed() { # FROM TO, a directory or a new name in one
    mode=$(mode_of "$1")
    chmod u+rwx "$1" && mv -f "$1" "$2" || exit 99
    [ -z "$mode" ] || chmod "$mode" "$3" || exit 99
}

# Moves what is in one directory into another that exists. Files replace files; directories are merged.
depth=0
merge() ( # FROM TO
    to=$2
    depth=$((depth + 1))
    stamp=$tmp/stamp-$depth
    mode=$(mode_of "$1")
    touch -r "$1" "$stamp" || exit 99
    [ -w "$1" ] && [ -r "$1" ] && [ -x "$1" ] || chmod u+rwx "$1" || exit 99
    cd "$1" || exit 99
    from=$1
    set --
    for each in * .[!.]* ..?*; do
        is_there "$each" || continue
        if is_directory "./$each"; then
            if is_directory "$to/$each"; then
                merge "$from/$each" "$to/$each" || exit
                continue
            fi
            ! is_there "$to/$each" || fail 95 "$to/$each is in the way of a directory"
            if [ ! -w "./$each" ]; then
                move_closed "./$each" "$to/" "$to/$each"
                continue
            fi
        else
            ! is_directory "$to/$each" || fail 95 "$to/$each is a directory in the way of a file"
        fi
        # Many at a time.
        set -- "$@" "./$each"
        if [ $# -ge 200 ]; then
            mv -f "$@" "$to/" || exit 99
            set --
        fi
    done
    [ $# -eq 0 ] || mv -f "$@" "$to/" || exit 99
    # The directory of a copy of contents stays as it is; and one that belongs to somebody else has to.
    [ "$to" != "$parent/" ] || exit 0
    touch -r "$stamp" "$to" 2>/dev/null
    [ -z "$mode" ] || chmod "$mode" "$to" 2>/dev/null
    exit 0
)

# Gives what was unpacked its name.
commit() {
    data=$tmp/data
    [ -f "$tmp/done" ] && is_there "$data" || fail 97 'the archive is not complete'
    if is_directory "$data"; then
        if [ -z "$name" ]; then
            merge "$data" "$parent/" || exit
            return
        elif is_directory "$target"; then
            merge "$data" "$target" || exit
            return
        fi
        ! is_there "$target" || fail 95 "$target is in the way of a directory"
    else
        [ -n "$name" ] || fail 92 "$parent/ is a directory"
        [ -z "$only_directory" ] || [ -d "$path" ] || fail 91 "$path is not a directory"
        ! is_directory "$target" || fail 95 "$target is a directory in the way of a file"
        if [ -e "$target" ] && [ ! -f "$target" ] && [ ! -L "$target" ]; then
            fail 96 "$target is a device, fifo or socket"
        fi
    fi
    # First its name, then its place: moving to a name that is a link to a directory would go there.
    mkdir "$tmp/out" || exit 99
    if is_directory "$data" && [ ! -w "$data" ]; then
        move_closed "$data" "$tmp/out/$name" "$tmp/out/$name"
        move_closed "$tmp/out/$name" "$parent/" "$target"
    else
        mv -f "$data" "$tmp/out/$name" && mv -f "$tmp/out/$name" "$parent/" || exit 99
    fi
}

case $how in
archive)
    [ -z "$special" ] || fail 96 "$path is a device, fifo or socket"
    find_tar
    clean_at_exit
    make_tmp
    if [ -n "$gnu" ]; then
        echo ready gnu
        set -- -b 512 --warning=no-timestamp
    else
        echo ready other
        set --
    fi
    if [ -n "$keep" ]; then
        set -- "$@" --numeric-owner
    else
        set -- "$@" -o
    fi
    # busybox as an ordinary user sets no modes, but makes everything with the right one when nothing is masked. Nobody
    # else can look into the directory.
    (cd "$tmp" && umask 0 && exec tar -x -p "$@" -f -) || exit 99
    commit
    ;;
prepare)
    [ -z "$special" ] || fail 96 "$path is a device, fifo or socket"
    make_tmp
    printf %s "$tmp"
    ;;
commit)
    clean_at_exit
    commit
    ;;
stream)
    if [ -n "$special" ]; then
        exec cat >"$path"
    fi
    clean_at_exit
    make_tmp
    cat >"$tmp/data" || exit 99
    trap - EXIT
    ;;
keep)
    [ -z "$special" ] || exit 0
    clean_at_exit
    [ -f "$tmp/data" ] || fail 97 'the file is not complete'
    if [ -f "$target" ]; then
        # Replaced, but as before in all but its contents.
        mode=$(mode_of "$target")
        owner=$(stat -c %u:%g "$target" 2>/dev/null) && chown "$owner" "$tmp/data" 2>/dev/null
        [ -z "$mode" ] || chmod "$mode" "$tmp/data" || exit 99
    fi
    mkdir "$tmp/out" && mv -f "$tmp/data" "$tmp/out/$name" && mv -f "$tmp/out/$name" "$parent/" || exit 99
    ;;
abandon)
    [ -z "$special" ] || exit 0
    clean
    ;;
esac
