#!/bin/sh
# Searches for inputs that a parser does not survive: `tests/fuzz.sh SECONDS [TARGET…]`, so many seconds for each target.
# Guided by coverage: libFuzzer, with our own crates instrumented by flags that stable rustc knows.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:?usage: tests/fuzz.sh SECONDS [TARGET…]}
shift
[ $# -gt 0 ] || set -- $(ls tests/fuzz/corpus)

# Only members of the workspace: what they depend on stays as the ordinary build made it.
wrapper=$PWD/target/fuzz/rustc
mkdir -p target/fuzz
cat >"$wrapper" <<'WRAPPER'
#!/bin/sh
# Not what runs during the build, nor what runs in the sandbox.
case " $* " in
*' build_script_build '* | *wasm32*) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
WRAPPER
chmod +x "$wrapper"
RUSTC_WORKSPACE_WRAPPER=$wrapper CARGO_INCREMENTAL=0 \
    cargo build -p runner -p runner-tests --features runner-tests/fuzz --bin fuzz

# Archives are unpacked again and again: not onto a disk.
[ -d /dev/shm ] && export TMPDIR=/dev/shm

for target in "$@"; do
    found=target/fuzz/$target
    mkdir -p "$found/corpus" "$found/crashes"
    echo "fuzz: $target for $seconds s"
    FUZZ_TARGET=$target target/debug/fuzz "$found/corpus" "tests/fuzz/corpus/$target" \
        -artifact_prefix="$found/crashes/" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0
done
