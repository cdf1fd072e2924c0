ADDRESS() {
  { set +x; } 2> /dev/null
  if (($# != 1)) || [[ ! $1 || $1 == *[[:space:]]* ]]; then
    FATAL 'ADDRESS takes one address, without blanks'
  fi
  # For a discard that never heard how this ended.
  printf '%s\n' "$1" > "$RUNNER_ADDRESS_FILE"
  printf '<ADDRESS %s>\n' "$1"
}
ERROR() {
  { set +x; } 2> /dev/null
  printf '<ERROR %s>\n' "$*"
  exit 213
}
FATAL() {
  { set +x; } 2> /dev/null
  printf '<FATAL %s>\n' "$*"
  exit 213
}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
exec 2>&1 < /dev/null
set -x
