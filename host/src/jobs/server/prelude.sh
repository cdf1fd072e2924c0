# What every script can call. Comments are taken out before it is sent.
REBOOT() {
  { set +x; } 2> /dev/null
  if (($#)); then printf '<REBOOT %s>\n' "$*"; else printf '<REBOOT>\n'; fi
  exit 213
}
ERROR() {
  { set +x; } 2> /dev/null
  if (($#)); then printf '<ERROR %s>\n' "$*"; else printf '<ERROR>\n'; fi
  exit 213
}
MATCH() (
  { set +eux; } 2> /dev/null
  if (($# == 0)); then
    printf 'error: missing regexp argument\n'
    exit 1
  fi
  text=$(cat)
  printf '%s\n' "$text" | grep -q -E "$@"
  code=${PIPESTATUS[1]}
  ((code == 0)) && exit 0
  printf 'grep error: pattern not found, got:\n%s\n' "$text" >&2
  ((code == 1)) || printf 'unexpected grep exit status: %s\n' "$code"
  exit 1
)
NOMATCH() (
  { set +eux; } 2> /dev/null
  if (($# == 0)); then
    printf 'error: missing regexp argument\n'
    exit 1
  fi
  text=$(cat)
  printf '%s\n' "$text" | grep -q -E "$@"
  ((PIPESTATUS[1] == 0)) || exit 0
  printf "NOMATCH pattern='%s' found in:\n%s\n" "$*" "$text" >&2
  exit 1
)
export DEBIAN_FRONTEND=noninteractive
export DEBIAN_PRIORITY=critical
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
