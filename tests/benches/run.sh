#!/usr/bin/env bash
# The figures: whole commands, bytes through run and cp, first use of a component, cycles per second. Each beside a floor that is
# measured in the same run; the ratio is what counts, not the milliseconds of one machine.
#
#   tests/benches/run.sh            builds the release profile first
#   PROFILE=dev tests/benches/run.sh    uses the development build (own code unoptimised)
#
# Not a test: nothing here passes or fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD

for tool in hyperfine python3; do
    command -v "$tool" > /dev/null || { echo "benches: $tool is missing (apt-get install $tool)" >&2; exit 1; }
done
profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-$PWD/target}
if [ "$profile" = release ]; then
    cargo build --quiet --release
    cargo build --quiet --release -p runner-tests --bench calls --bench fleet --bench http --bench languages
    binary=$target/release/runner
else
    cargo build --quiet
    binary=$target/debug/runner
fi
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export RUNNER_STATE_DIR=$scratch/state RUNNER_CACHE_DIR=$scratch/cache RUNNER_CONFIG_DIR=$scratch/config
export RUNNER_DATA_DIR=$scratch/data
mkdir -p "$scratch/config/sources/many"
printf 'type = "local"\nmaximum = 64\nconcurrency = 8\n' > "$scratch/config/sources/many/source.toml"
cd "$scratch"

# Median seconds of a command over 30 runs.
median() {
    hyperfine --shell=none --warmup 3 --runs 30 --export-json "$scratch/h.json" "$@" > /dev/null 2>&1
    "$python" -c 'import json,sys; print(json.load(open(sys.argv[1]))["results"][0]["median"])' "$scratch/h.json"
}
row() { "$python" -c 'import sys; n,s,a,b=sys.argv[1:]; s,a,b=float(s),float(a),float(b)
print(f"{n:<28} {s*1e3:8.2f} ms   {s/a:6.2f} x sh   {s/b:6.2f} x python")' "$@"; }

echo "== whole commands on \`local\`, warm cache (aim: half of python3 -c pass)"
"$binary" exec -- true
sh=$(median "sh -c true")
py=$(median "$python -c pass")
row "sh -c true" "$sh" "$sh" "$py"
row "python3 -c pass" "$py" "$sh" "$py"
id=$("$binary" acquire -s many)
row "run ID true" "$(median "$binary run $id true")" "$sh" "$py"
row "status" "$(median "$binary status")" "$sh" "$py"
row "exec -- true" "$(median "$binary exec -- true")" "$sh" "$py"
cat > cycle.py <<'PY'
import subprocess, sys, time, statistics
binary, count = sys.argv[1], int(sys.argv[2])
acquire, release = [], []
for _ in range(count):
    t = time.perf_counter(); name = subprocess.check_output([binary, "acquire", "-s", "many"]).decode().strip()
    acquire.append(time.perf_counter() - t)
    t = time.perf_counter(); subprocess.check_call([binary, "release", name]); release.append(time.perf_counter() - t)
print(statistics.median(acquire), statistics.median(release))
PY
read -r acquire release < <("$python" cycle.py "$binary" 30)
row "acquire (from a script)" "$acquire" "$sh" "$py"
row "release (from a script)" "$release" "$sh" "$py"
"$python" - "$binary" "$id" <<'PY'
import resource, subprocess, sys
for words in (["run", sys.argv[2], "true"], ["status"], ["exec", "--", "true"]):
    subprocess.run([sys.argv[1], *words], stdout=subprocess.DEVNULL, check=True)
print(f"peak memory of the largest: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.1f} MiB (aim: under 40)")
PY

echo "== bytes, 1 GiB (aim: at least 0.9 of a plain pipe)"
head -c 1073741824 /dev/zero | tr '\0' 'x' > big
"$python" - "$binary" "$id" <<'PY'
import os, subprocess, sys, time
binary, name = sys.argv[1:]
def best(label, floor, *stages):
    times = []
    for _ in range(3):
        t = time.perf_counter(); subprocess.check_call(["sh", "-c", *stages]); times.append(time.perf_counter() - t)
    rate = 1.073741824 / min(times)
    print(f"{label:<28} {rate:6.2f} GB/s" + (f"   {rate / floor:5.2f} of the pipe" if floor else ""))
    return rate
pipe = best("cat big | cat > /dev/null", None, "cat big | cat > /dev/null")
best("run, stdin", pipe, f"cat big | {binary} run {name} sh -c 'cat > /dev/null'")
best("run, stdout", pipe, f"{binary} run {name} cat {os.getcwd()}/big | cat > /dev/null")
disk = best("cat big | cat > copy", None, "cat big | cat > copy")
best("cp to the instance", disk, f"{binary} cp big {name}:big")
best("cp from the instance", disk, f"{binary} cp {name}:big back")
PY
rm -f big copy back

echo "== first use of a component, compile included (aim: 1 s for 1 MiB)"
"$python" - "$binary" <<'PY'
import os, shutil, subprocess, sys, time
t = time.perf_counter(); subprocess.check_call([sys.argv[1], "exec", "--", "true"]); warm = time.perf_counter() - t
shutil.rmtree(os.environ["RUNNER_CACHE_DIR"])
t = time.perf_counter(); subprocess.check_call([sys.argv[1], "exec", "--", "true"]); cold = time.perf_counter() - t
print(f"exec with an empty cache      {cold * 1e3:7.1f} ms   warm {warm * 1e3:7.1f} ms")
PY

echo "== acquire + release cycles per second, durable commits"
"$python" - "$binary" <<'PY'
import concurrent.futures, os, sqlite3, subprocess, sys, time
binary = sys.argv[1]
db = sqlite3.connect("floor.db", isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL"); db.execute("CREATE TABLE t (x)")
t = time.perf_counter()
for n in range(200): db.execute("INSERT INTO t VALUES (?)", (n,))
commit = (time.perf_counter() - t) / 200
print(f"one durable SQLite commit     {commit * 1e3:7.2f} ms")
def cycles(count):
    for _ in range(count):
        name = subprocess.check_output([binary, "acquire", "-s", "many", "--wait"]).decode().strip()
        subprocess.check_call([binary, "release", name])
for workers in (1, 16):
    each = 40 if workers == 1 else 10
    t = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool: list(pool.map(cycles, [each] * workers))
    rate = workers * each / (time.perf_counter() - t)
    print(f"{workers:>2} at a time                  {rate:7.1f} cycles/s   {1 / rate / commit:6.1f} commits' time each")
PY
"$binary" release "$id"

if [ "$profile" = release ]; then
    echo "== calls in one process (aims: whole operation 100 us)"
    (cd "$root" && cargo bench --quiet -p runner-tests --bench calls)
fi

if [ "$profile" = release ]; then
    echo "== a provider in each language, as \`plugin new\` writes it (aims: Python compiles in 10 s, starts from the cache in 100 ms)"
    toolchains=$("$root/tests/toolchains.sh" "$target/toolchains")
    components=()
    for language in rust python js c; do
        "$binary" plugin new "bench-$language" --lang "$language" > /dev/null
        cd "bench-$language"
        ln -s "$toolchains/venv" .venv
        ln -s "$toolchains/js/node_modules" node_modules
        touch .venv/ready
        component=$PWD/bench-$language.wasm
        PATH=$(dirname "$binary"):$toolchains/venv/bin:$PATH
        case $language in
            rust) cargo build --quiet --release --target wasm32-wasip2; component=$PWD/target/wasm32-wasip2/release/plugin.wasm ;;
            js) npm run --silent build > /dev/null ;;
            *) make --silent > /dev/null ;;
        esac
        components+=("$language=$component")
        cd "$scratch"
    done
    (cd "$root" && cargo bench --quiet -p runner-tests --bench languages -- "${components[@]}")
fi

if [ "$profile" = release ]; then
    echo "== provider calls over HTTP on loopback (aim: within 15 % of the same request made natively)"
    (cd "$root" && cargo bench --quiet -p runner-tests --bench http)
fi

if [ "$profile" = release ]; then
    echo "== a fleet: tickets, bursts, planning, recovery (aims: p50 under 5 ms, 500 cycles/s with 50 clients, 50 ms a round, 1 s)"
    (cd "$root" && cargo bench --quiet -p runner-tests --bench fleet)
fi

if [ "$profile" = release ]; then
    echo "== 100,000 leases in virtual time, with failures, lost replies and kills (aim: no problem)"
    (cd "$root" && cargo bench --quiet -p runner-sim --bench leases)
fi

echo "== listing a spread project of 150,000 jobs (aims: 1 s and 150 MiB; a filter 0.1 s above the floor)"
"$OLDPWD/tests/benches/listing.sh" "$binary"
