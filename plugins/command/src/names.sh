# Prints source, token and name of every instance that any source of this plugin has, a line each.
set -u
[ -n "${RUNNER_WORK_DIR-}" ] || die 'this version of runner does not tell where the instances are'
for file in "$RUNNER_WORK_DIR"/*/state; do
  # Nothing there, or just removed.
  { IFS= read -r source && IFS= read -r token && IFS= read -r name; } 2>/dev/null <"$file" || continue
  printf '%s %s %s\n' "$source" "$token" "$name"
done
