# Makes an instance. $0: the marker with the token; then: source, name, its directory, `keep` or `none` for the
# network, `rootfs` or `tarball`, its path, the script of process 1, the id of the state that it is made for.
# Ends with 64 (invalid), 77 (denied) or 1, and the reason on standard error.
set -eu
source=$1 name=$2 work=$3 network=$4 kind=$5 lower=$6 init=$7 state=$8
die() { printf '%s\n' "$2" >&2; exit "$1"; }

[ "$(id -u)" = 0 ] || die 77 'a chroot needs root'
for program in unshare nsenter mount chroot setsid setpriv; do
  command -v "$program" >/dev/null || die 64 "\`$program\` is not installed here"
done
cd "$work"
if [ -e holder ] && read -r pid start <holder && alive "$pid" "$start"; then exit 0; fi
case $kind in
rootfs) [ -d "$lower" ] || die 64 "there is no directory \`$lower\`" ;;
tarball)
  [ -f "$lower" ] || die 64 "there is no file \`$lower\`"
  # Unpacked once. Each instance holds a shared lock on the directory that it uses; others are removed.
  cache=${RUNNER_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/runner}/chroot
  mkdir -p -m 700 "$cache"
  unpacked=$cache/$source@$(stat -Lc %d-%i-%s-%Y -- "$lower")
  exec 8>"$cache/$source.lock"
  flock 8
  if [ ! -d "$unpacked" ]; then
    rm -rf "$cache/$source@"*.new
    mkdir -m 755 "$unpacked.new"
    tar -xpf "$lower" -C "$unpacked.new" --numeric-owner || { rm -rf "$unpacked.new"; die 64 "cannot unpack \`$lower\`"; }
    mv -T "$unpacked.new" "$unpacked"
  fi
  exec 9<"$unpacked"
  flock -s 9
  for other in "$cache/$source@"*; do
    [ "$other" = "$unpacked" ] || flock -n "$other" rm -rf "$other" || :
  done
  exec 8>&-
  lower=$unpacked
  ;;
esac

# By relative names: then nothing in a path can be taken for a mount option.
rm -rf upper over root lower holder
mkdir upper over root
ln -s "$lower" lower
chmod "$(stat -Lc %a "$lower")" upper
printf '%s\n' "$init" >init
case $network in keep) new= ;; *) new=--net ;; esac
{
  setsid unshare --mount --propagation slave --uts --ipc --pid --fork $new -- \
    sh init "$0" "$source" "$state" "$name" "$network" </dev/null 2>log &
} | {
  # The end of file comes when all of it has died.
  read -r answer || :
  [ "${answer-}" = ready ] || die 1 "$(tail -n 1 log)"
}
