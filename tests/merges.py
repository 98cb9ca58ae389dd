# SPDX-License-Identifier: MIT
"""scripts/bench merge: many recordings on one timeline. Time and memory are those of their spans."""
import gzip
import json
import os
import subprocess

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "targets")
MIB = 1 << 20
EMPTY_MIB = 96


def give_other_clocks(run, number):
    """As of another machine, so that clocks must be aligned and pids kept apart."""
    run["clocks"]["boot_id"] = "boot-%d" % number
    for anchor in run["clocks"]["anchors"]:
        anchor["unix_ns"] += 1000 * number


def copy_recording(base, folder, number):
    (folder / "agent").mkdir(parents=True)
    kept = json.loads((base / "run.json").read_text())
    give_other_clocks(kept["run"], number)
    (folder / "run.json").write_text(json.dumps(kept))
    for name in ("control", "log"):
        os.link(str(base / "agent" / name), str(folder / "agent" / name))


def copy_report(document, path, number):
    give_other_clocks(document["giltracer"]["run"], number)
    with gzip.open(str(path), "wt", compresslevel=1) as file:
        json.dump(document, file)


def used(options, folder, paths):
    """Seconds of CPU, and bytes at the peak."""
    child = subprocess.Popen([str(options.build / "perf2trace"), "-q", "--summary",
                              str(folder / "all.summary.json"), "-o", str(folder / "all.folded"),
                              *map(str, paths)])
    _, status, rusage = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0
    return rusage.ru_utime + rusage.ru_stime, rusage.ru_maxrss * 1024


def measure(options, folder, table, what, paths, each_bytes):
    """Twice as many take twice as long, and the memory of each: its spans, threads and names."""
    before = None
    for count in (len(paths) // 8, len(paths) // 4, len(paths) // 2, len(paths)):
        seconds, peak = used(options, folder, paths[:count])
        limit = EMPTY_MIB * MIB + each_bytes * count
        ratio = seconds / before if before else 2
        table.row("%d %s" % (count, what), "%.2f s CPU" % seconds, "<= 2.4 × half",
                  ratio <= 2.4)
        table.row("  peak memory", "%.0f MiB" % (peak / MIB), "<= %.0f MiB" % (limit / MIB),
                  peak <= limit)
        before = seconds


def record(options, folder, name, *program):
    """The folder of the recording, and a report of it."""
    base = folder / name
    base.mkdir()
    report = folder / (name + ".json.gz")
    subprocess.run([str(options.build / "giltracer"), "-q", "--python", options.python,
                    "--gil-source", "agent", "--no-native", "--no-python-trace", "--keep", str(base),
                    "-o", str(report), *program], check=True, stdout=subprocess.DEVNULL)
    return base, report


def merge(options, folder, table):
    # Two events are one hold. (What this process has is counted as a child's, until it executes.)
    base, _ = record(options, folder, "long", os.path.join(ROOT, "gilloop.py"), "500000")
    for number in range(64):
        copy_recording(base, folder / "copies" / str(number), number)
    measure(options, folder, table, "recordings",
            [folder / "copies" / str(number) for number in range(64)], 24 * 500000)
    _, report = record(options, folder, "short", "-c", "import time; time.sleep(.1)")
    with gzip.open(str(report)) as file:
        document = json.loads(file.read())
    paths = [folder / ("%d.json.gz" % number) for number in range(1000)]
    for number, path in enumerate(paths):
        copy_report(document, path, number)
    measure(options, folder, table, "reports", paths, MIB // 8)
