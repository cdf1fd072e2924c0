#!/usr/bin/env bash
# The main job in a minute: lease an instance from a third party's .wasm file, run commands in it, copy files in and out,
# give it back. Prints each command before it runs it. Builds what is needed first, and leaves nothing behind: the
# state goes into a temporary directory.
#
#   examples/quickstart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo > /dev/null; then
    echo "quickstart: there is no cargo; install Rust first (https://rustup.rs)" >&2
    exit 1
fi
if [ "$(uname -s)" != Linux ] || ! command -v unshare > /dev/null; then
    echo "quickstart: the example provider isolates with unshare(1), which is util-linux on Linux" >&2
    exit 1
fi

target=${CARGO_TARGET_DIR:-$PWD/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
say() { printf '\n# %s\n' "$*"; }
# Shows a command as it could be typed, and runs it.
show() {
    printf '$'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

say "Building runner (the first time this takes some minutes: a WebAssembly compiler is inside)"
# rust-toolchain.toml names the toolchain and the wasm32-wasip2 target. rustup fetches what is missing by itself, unless it was
# told not to.
if command -v rustup > /dev/null && ! rustup target list --installed | grep -qx wasm32-wasip2; then
    show rustup target add wasm32-wasip2
fi
show cargo build --quiet --target-dir "$target"

say "Building the third party's provider: a crate of its own that knows nothing but the public SDK"
show cargo build --quiet --release --target wasm32-wasip2 --target-dir "$target/examples" \
    --manifest-path examples/airgap-provider/Cargo.toml

scratch=$(mktemp -d)
export RUNNER_STATE_DIR=$scratch/state RUNNER_CACHE_DIR=$scratch/cache RUNNER_CONFIG_DIR=$scratch/config
export RUNNER_DATA_DIR=$scratch/data
export PATH=$target/debug:$PATH
id=
clean_up() {
    [ -z "$id" ] || runner discard "$id" || true
    rm -rf "$scratch"
}
trap clean_up EXIT
cp "$target/examples/wasm32-wasip2/release/airgap_provider.wasm" "$scratch/airgap.wasm"
cd "$scratch"

say "Which plugin is this, and what does it ask for? (It is not run for that.)"
show runner plugin inspect ./airgap.wasm

say "Nothing is given without your word. On a terminal the first use would ask; a script says it beforehand:"
show runner plugin grant --source ./airgap.wasm

say "Lease an instance. Only its id is on stdout"
echo '$ id=$(runner acquire --source ./airgap.wasm)'
id=$(runner acquire --source ./airgap.wasm)
echo "$id"

say "Run commands in it: streams, arguments and exit code are the command's own"
show runner run "$id" -- sh -c 'echo "hello from $(pwd)"; tail -n +3 /proc/net/dev | cut -d: -f1'
echo 'some input' | show runner run "$id" -- tr a-z A-Z
printf '$ runner run %s -- sh -c %s; echo $?\n' "$id" "'exit 42'"
runner run "$id" -- sh -c 'exit 42' || echo $?

say "Copy files in and out"
echo 'int main(void) { return 0; }' > main.c
show runner cp main.c "$id:src.c"
show runner run "$id" -- sh -c 'wc -c < src.c > size'
show runner cp "$id:size" -
show runner cp "$id:size" ./size.txt

say "Who has what, and who did what"
show runner status -v
show runner log

say "Give it back"
show runner release "$id"
id=
show runner status

say "Done. Next: README.md, runner help, and examples/airgap-provider to write a provider of your own"
