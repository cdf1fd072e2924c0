# What every script can call. Comments are taken out before it is sent.

# Says something to whoever runs the script: on the last line, with a status that says to look there.
_tell() {
  local IFS=' '
  printf '<%s>\n' "$*"
  exit 213
}
REBOOT() { { set +x; } 2> /dev/null; _tell REBOOT "$@"; }
ERROR() { { set +x; } 2> /dev/null; _tell ERROR "$@"; }

# $1: the status of grep that is hoped for (0 found, 1 not found); the rest is for grep. Its callers are subshells: options
# of the script do not count here, and what is set here does not there.
_sift() {
  set +eu +o pipefail
  local hoped=$1 input found
  shift
  if [ $# -eq 0 ]; then
    echo 'error: missing regexp argument'
    exit 1
  fi
  input=$(cat)
  printf '%s\n' "$input" | grep -E -q "$@"
  found=$?
  case $hoped$found in
    00 | 1[!0]*) exit 0 ;;
    10) printf "NOMATCH pattern='%s' found in:\n%s\n" "$*" "$input" >&2 ;;
    *) printf 'grep error: pattern not found, got:\n%s\n' "$input" >&2 ;;
  esac
  case $hoped$found in
    0[!01]*) echo "unexpected grep exit status: $found" >&2 ;;
  esac
  exit 1
}
MATCH() ( { set +x; } 2> /dev/null; _sift 0 "$@" )
NOMATCH() ( { set +x; } 2> /dev/null; _sift 1 "$@" )

export DEBIAN_FRONTEND=noninteractive
export DEBIAN_PRIORITY=critical
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
