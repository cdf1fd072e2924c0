# In the directory of an instance: prints what is known of it. Name, slot, the exit code of `new` (or `-`), a counter and
# its value per line, an empty line, and where `new` succeeded the beginning of what it printed. Nothing at all when `new`
# was never started.
known() {
  [ -e state ] || return 0
  sed -n '3,4p' state
  code=-
  if [ -e new.status ]; then read -r code <new.status; fi
  printf '%s\n' "$code"
  cat counters
  echo
  if [ "$code" = 0 ]; then head -c 4096 new.out; fi
}
die() {
  printf '%s\n' "$1" >&2
  exit 1
}
