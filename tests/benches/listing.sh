#!/usr/bin/env bash
# Listing a large spread project: 1,000 tasks x 20 systems x 7 or 8 variants, 150,000 jobs. Beside it the floor, which is the same
# 1,000 files with one system and no variants: what remains above it is the matrix and the filter.
#
#   tests/benches/listing.sh BINARY     aims: all of it in 1 s and 150 MiB; a filter that means 6 jobs 0.1 s above the floor
set -euo pipefail
binary=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

"$python" - "$scratch" <<'PY'
import os, sys
top = sys.argv[1]
systems = ", ".join(f"sys-{n}" for n in range(20))
shared = "".join(f"    VARIABLE_{n}: value $VARIABLE_{n - 1} of {n}\n" for n in range(1, 60))
def project(where, systems, variants):
    os.makedirs(where)
    suites = ""
    for suite, count in (("one", 7), ("two", 8)):
        keys = "".join(f"            V/v{n}: {n}\n" for n in range(count)) if variants else ""
        suites += f"    tests/{suite}/:\n        summary: S\n" + (f"        environment:\n{keys}" if keys else "")
    with open(f"{where}/spread.yaml", "w") as file:
        file.write(f"project: p\npath: /r/p\nenvironment:\n    VARIABLE_0: x\n{shared}backends:\n    adhoc:\n"
                   f"        allocate: ADDRESS x\n        systems: [{systems}]\nsuites:\n{suites}")
project(f"{top}/large", systems, True)
project(f"{top}/floor", "sys-1", False)
line = "    snap install --dangerous \"$SNAP\" | MATCH 'installed: [0-9]+' # as the store would\n"
for suite in ("one", "two"):
    for n in range(500):
        where = f"{top}/large/tests/{suite}/task-{n}"
        os.makedirs(where)
        with open(f"{where}/task.yaml", "w") as file:
            file.write(f"summary: task {n}\ndetails: |\n" + line * 5 + "environment:\n    OWN: 1\n    OTHER: \"$OWN\"\n"
                       + "prepare: |\n" + line * 10 + "execute: |\n" + line * 20 + "restore: |\n" + line * 5)
os.symlink("../large/tests", f"{top}/floor/tests")
PY

"$python" - "$binary" "$scratch" <<'PY'
import os, re, resource, statistics, subprocess, sys, time
binary, top = sys.argv[1:]
environment = {"PATH": os.environ["PATH"], "HOME": top}
def measure(label, where, *words, rounds=7):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        out = subprocess.run([binary, "test", "-list", *words], cwd=f"{top}/{where}", env=environment, check=True, stdout=subprocess.PIPE).stdout
        times.append(time.perf_counter() - start)
    median, jobs = statistics.median(times), out.count(b"\n")
    timed = subprocess.run(["/usr/bin/env", "python3", "-c", "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
                            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)", binary, "test", "-list", *words],
                           cwd=f"{top}/{where}", env=environment, check=True, stdout=subprocess.PIPE)
    memory = int(timed.stdout) / 1024
    print(f"{label:<34} {jobs:7d} jobs   {median * 1e3:8.1f} ms   best {min(times) * 1e3:8.1f} ms   {memory:6.1f} MiB")
    return median
floor = measure("floor: the same files, one system", "floor")
everything = measure("all", "large")
six = measure("a filter", "large", "sys-7:tests/(one|two)/task-123:(v1|v2|v3)")
print(f"above the floor: all {1e3 * (everything - floor):.1f} ms, the filter {1e3 * (six - floor):.1f} ms")
PY
