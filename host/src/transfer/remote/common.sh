LC_ALL=C
export LC_ALL
unset TAR_OPTIONS
# Apple's tar would add files of its own.
COPYFILE_DISABLE=1
export COPYFILE_DISABLE

fail() { # CODE MESSAGE
    code=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$code"
}

# A path that no program takes for an option, in $plain.
plain() {
    case $1 in
    /* | ./*) plain=$1 ;;
    *) plain=./$1 ;;
    esac
}

# Why is there nothing? Not found, or no permission to look.
missing() {
    why=$(ls -d "$1" 2>&1 >/dev/null)
    case $why in
    *'ermission denied'*) fail 93 "$why" ;;
    *'ot a directory'*) fail 91 "$why" ;;
    *) fail 90 "$why" ;;
    esac
}

find_tar() {
    command -v tar >/dev/null 2>&1 || fail 94 'tar: not found'
    gnu=
    case $(tar --version 2>/dev/null </dev/null) in
    *'GNU tar'*) gnu=1 ;;
    esac
}
