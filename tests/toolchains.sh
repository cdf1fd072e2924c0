#!/usr/bin/env bash
# Installs what builds plugins in Python, JavaScript and C, in the versions that the templates pin, and prints the place.
#
#   tests/toolchains.sh DIRECTORY
#
# componentize-py and zig come from PyPI, componentize-qjs from npm; node too comes from PyPI where there is none. A second call with
# the same versions does nothing and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
directory=$1

templates=sdk/templates
requirements=("$templates/python/requirements.txt" "$templates/c/requirements.txt")
if ! command -v npm > /dev/null; then
    requirements+=(tests/node-requirements.txt)
fi
wanted=$(cat "${requirements[@]}" "$templates/js/package.json" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$directory/versions" 2> /dev/null)" != "$wanted" ]; then
    rm -rf "$directory"
    mkdir -p "$directory/js"
    python3 -m venv "$directory/venv"
    "$directory/venv/bin/pip" install --quiet --disable-pip-version-check "${requirements[@]/#/-r}"
    cp "$templates/js/package.json" "$directory/js"
    PATH=$directory/venv/bin:$PATH npm install --prefix "$directory/js" --silent --no-audit --no-fund --no-update-notifier
    printf '%s' "$wanted" > "$directory/versions"
fi
printf '%s\n' "$directory"
