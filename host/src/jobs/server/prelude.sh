# What every script can call. Comments are taken out before it is sent.
# Each function stands for itself: projects write what `type MATCH` prints into a program of that name.
# They say something to whoever runs the script: on the last line, with a status that says to look there.
REBOOT() {
  { set +x; } 2> /dev/null
  local IFS=' '
  printf '<REBOOT%s>\n' "${1+ $*}"
  exit 213
}
ERROR() {
  { set +x; } 2> /dev/null
  local IFS=' '
  printf '<ERROR%s>\n' "${1+ $*}"
  exit 213
}
# Subshells: options of the script do not count here, and what is set here does not there.
MATCH() (
  { set +xeuo pipefail; } 2> /dev/null
  if [ $# -eq 0 ]; then
    echo 'error: missing regexp argument'
    exit 1
  fi
  input=$(cat)
  printf '%s\n' "$input" | grep -E -q "$@"
  found=$?
  [ $found != 0 ] || exit 0
  printf 'grep error: pattern not found, got:\n%s\n' "$input" >&2
  [ $found = 1 ] || echo "unexpected grep exit status: $found" >&2
  exit 1
)
NOMATCH() (
  { set +xeuo pipefail; } 2> /dev/null
  if [ $# -eq 0 ]; then
    echo 'error: missing regexp argument'
    exit 1
  fi
  input=$(cat)
  printf '%s\n' "$input" | grep -E -q "$@" || exit 0
  IFS=' '
  printf "NOMATCH pattern='%s' found in:\n%s\n" "$*" "$input" >&2
  exit 1
)
export DEBIAN_FRONTEND=noninteractive
export DEBIAN_PRIORITY=critical
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
