#!/usr/bin/env bash
# Everything that says whether this tree is good: format, lints, build, all suites.
#
#   tests/run.sh               all of it
#   tests/run.sh crash::       only the tests whose name contains `crash::` (formats and lints are left out)
#
# As root on Debian or Ubuntu it installs what is missing (openssh-server, podman, busybox, ...) and nothing may be skipped.
# Elsewhere it says loudly what is left out. It leaves no daemon, mount or container behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

filter=("$@")
started=$SECONDS
scratch=$(mktemp -d /tmp/runner-tests.XXXXXX)
export RUNNER_TESTS_SKIPS=$scratch/skips
: > "$RUNNER_TESTS_SKIPS"
# One profile for everything: a second one would build 400 dependencies twice.
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto} CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
target=${CARGO_TARGET_DIR:-$PWD/target}

say() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - started)); }
note() { printf 'run.sh: %s\n' "$*" >&2; }

# What a killed test could not clean up itself: everything of the suites lies in /tmp/rt-*. Only what is ours is touched:
# directories that were not there when we began.
find /tmp -maxdepth 1 -name 'rt-*' > "$scratch/before" 2> /dev/null || true
clean_up() {
    local code=$? directory pid
    trap - EXIT
    while read -r directory; do
        grep -qxF "$directory" "$scratch/before" && continue
        [ -n "${RUNNER_TESTS_KEEP:-}" ] && { note "kept: $directory"; continue; }
        for pid in $(grep -lsa "TMPDIR=$directory/" /proc/[0-9]*/environ | cut -d/ -f3); do
            kill -9 "$pid" 2> /dev/null || true
        done
        grep -o " $directory[^ ]*" /proc/self/mountinfo | sort -ru | xargs -r umount -l 2> /dev/null || true
        rm -rf "$directory" 2> /dev/null || true
    done < <(find /tmp -maxdepth 1 -name 'rt-*' 2> /dev/null)
    # runc's containers get a group of their own at the top of each hierarchy, and podman leaves the parent.
    find /sys/fs/cgroup -maxdepth 3 -type d -name libpod_parent 2> /dev/null | while read -r directory; do
        find "$directory" -depth -type d -exec rmdir {} + 2> /dev/null || true
    done
    rm -rf "$scratch"
    exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

have() { command -v "$1" > /dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

say "tools"
if ! have cargo; then
    note "there is no cargo: install Rust (https://rustup.rs), then run this again"
    exit 1
fi
# rust-toolchain.toml names the toolchain, the WebAssembly target and the components. rustup fetches what is missing by itself,
# unless it was told not to.
rustc --version
if command -v rustup > /dev/null; then
    rustup target list --installed | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2
    rustup component list --installed | grep -q '^clippy' || rustup component add clippy
    rustup component list --installed | grep -q '^rustfmt' || rustup component add rustfmt
fi
missing=()
need() { have "$1" || missing+=("$2"); }
need git git
need cc gcc
need sshd openssh-server
need ssh openssh-client
need ssh-keygen openssh-client
need podman podman
need runc runc
need newuidmap uidmap
need fuse-overlayfs fuse-overlayfs
need busybox busybox-static
need setsid util-linux
need sudo sudo
need perl perl-base
need shellcheck shellcheck
need tar tar
need gzip gzip
need python3 python3-venv
need docker-registry docker-registry
need dropbear dropbear-bin
need lz4 lz4
need mke2fs e2fsprogs
need openssl openssl
need make make
need curl curl
need kubectl kubernetes-client
# Debian 12 has them, but too old, in its backports; see `backports` below.
newer=()
newer() { [ -e "$1" ] || have "$1" || newer+=("$2"); }
newer qemu-system-x86_64 qemu-system-x86
newer qemu-img qemu-utils
newer incus incus-client
newer /usr/libexec/incus/incusd incus-base
# apt-get, preferring the backports of Debian 12 without making them a source of this machine. Elsewhere just apt-get.
backports() {
    local lists=$scratch/apt release mirror
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    if [ "$release" != bookworm ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
        return
    fi
    mkdir -p "$lists/parts" "$lists/lists/partial"
    cp /etc/apt/sources.list.d/* "$lists/parts/" 2> /dev/null || true
    [ ! -s /etc/apt/sources.list ] || cp /etc/apt/sources.list "$lists/parts/main.list"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Release: bookworm' | head -n 1)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm-backports main" > "$lists/parts/backports.list"
    local options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$lists/parts" -o "Dir::State::lists=$lists/lists")
    apt-get "${options[@]}" update -qq
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" -t bookworm-backports "$@"
}
debian=
if [ "$(id -u)" = 0 ] && have apt-get; then
    debian=yes
    # A test that does not run tells nothing: on a machine where everything can be had, leaving one out is a failure.
    export RUNNER_TESTS_NO_SKIP=1
    if [ ${#missing[@]} -gt 0 ]; then
        note "installing: ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" > /dev/null
    fi
    if [ ${#newer[@]} -gt 0 ]; then
        note "installing: ${newer[*]}"
        backports install -qq -y --no-install-recommends "${newer[@]}" > /dev/null
    fi
elif [ ${#missing[@]} -gt 0 ] || [ ${#newer[@]} -gt 0 ]; then
    note "SKIPPING what needs (as root on Debian this installs them): ${missing[*]} ${newer[*]}"
fi

# The client that nobody here wrote. Kept beside the build, so that the second run needs no network.
testr=$target/testrepository-0.0.22
if [ ! -x "$testr/bin/testr" ]; then
    rm -rf "$testr"
    if { python3 -m venv "$testr" || { [ -n "$debian" ] && apt-get install -qq -y python3-venv > /dev/null && python3 -m venv "$testr"; }; } \
        && "$testr/bin/pip" install --quiet --disable-pip-version-check testrepository==0.0.22; then
        :
    else
        rm -rf "$testr"
        note "SKIPPING testrepository: it could not be installed"
    fi
fi
[ -x "$testr/bin/testr" ] && export RUNNER_TESTS_TESTR=$testr/bin

# What builds plugins in other languages.
if toolchains=$(tests/toolchains.sh "$target/toolchains"); then
    export RUNNER_TESTS_TOOLCHAINS=$toolchains
else
    note "SKIPPING plugins in Python, JavaScript and C: their toolchains could not be installed"
fi

# An emulator of EC2, likewise kept; one that is there already will do.
moto=$target/moto-5.2.1
if python3 -c 'import moto.ec2, moto.server, werkzeug' 2> /dev/null; then
    RUNNER_TESTS_MOTO=$(python3 -c 'import sys; print(sys.executable)')
    export RUNNER_TESTS_MOTO
else
    if [ ! -e "$moto/complete" ]; then
        rm -rf "$moto"
        if python3 -m venv "$moto" && "$moto/bin/pip" install --quiet --disable-pip-version-check 'moto[ec2,server]==5.2.1'; then
            touch "$moto/complete"
        else
            note "SKIPPING moto: it could not be installed"
        fi
    fi
    [ -e "$moto/complete" ] && export RUNNER_TESTS_MOTO=$moto/bin/python3
fi

# The machine for QEMU, likewise kept.
if [ -n "$debian" ]; then
    tests/vm.sh "$target/tiny-vm" && export RUNNER_TESTS_VM=$target/tiny-vm
fi

if [ ${#filter[@]} -eq 0 ]; then
    say "format"
    cargo fmt --all --check
    # Lints and build are one pass: clippy's driver is the compiler with more lints. As two passes (`cargo clippy`, `cargo build`)
    # every crate of ours would be compiled twice, which is minutes of two cores. Plugins and guests are linted as the test runner
    # builds them.
    RUSTC_WORKSPACE_WRAPPER=$(rustup which clippy-driver 2> /dev/null || command -v clippy-driver)
    export RUSTC_WORKSPACE_WRAPPER CLIPPY_ARGS='-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__'
    say "lints and build"
    cargo build --quiet --workspace --all-targets --exclude 'runner-plugin-*' --exclude 'runner-guest-*'
else
    say "build"
    cargo build --quiet
fi
export RUNNER_BIN=$target/debug/runner

say "tests"
code=0
if cargo nextest --version > /dev/null 2>&1; then
    cargo nextest run --config-file tests/nextest.toml --workspace --status-level fail --final-status-level flaky \
        --hide-progress-bar "${filter[@]}" || code=$?
else
    note "cargo-nextest is not there; \`cargo install --locked cargo-nextest\` makes this faster"
    cargo test --workspace --no-fail-fast "${filter[@]}" || code=$?
fi
if [ ${#filter[@]} -eq 0 ]; then
    say "documentation examples"
    cargo test --quiet --doc -p runner-sdk || code=$?
fi

if [ -s "$RUNNER_TESTS_SKIPS" ]; then
    say "left out: $(wc -l < "$RUNNER_TESTS_SKIPS") tests"
    sort -u "$RUNNER_TESTS_SKIPS"
fi
say "$([ $code = 0 ] && echo "all is well" || echo "something failed")"
exit $code
