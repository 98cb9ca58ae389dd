# SPDX-License-Identifier: MIT
"""scripts/bench native: what samples of native stacks cost at their default frequency, the program that
is traced, and the conversion of what was recorded."""
import pathlib
import statistics
import subprocess
import time

TARGETS = pathlib.Path(__file__).resolve().parent / "targets"
# Rounds of work.py, for some seconds, its threads, and how much longer it may take.
PROGRAMS = {"a program that computes": (60000, 1, 1.01), "64 threads": (1000, 64, 1.02)}


CYCLES = 520000


def run(words):
    """What it prints, as numbers, and how many seconds it took."""
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return [float(word) for word in done.stdout.split()], time.perf_counter() - start


def median_ratio(ones, others):
    return statistics.median(one / other for one, other in zip(ones, others))


def cost(options, folder, table, what):
    rounds, threads, limit = PROGRAMS[what]
    traced = [options.build / "giltracer", "-q", "--python", options.python, "-o", folder / "x.pb.gz"]
    ways = {"without": ["--no-native"], "with": []}
    taken = {name: [] for name in ways}
    for i in range(options.rounds):
        for name in list(ways)[::1 if i % 2 else -1]:  # neither is always the first
            taken[name].append(run([*traced, *ways[name], TARGETS / "work.py", rounds, threads])[0])
    wall, cpu = (median_ratio(*([each[i] for each in taken[name]] for name in ("with", "without")))
                 for i in (0, 1))
    table.row("%s: %.1f s" % (what, taken["without"][0][0] / 1e9), "%d pairs" % options.rounds)
    table.row("  with native samples / without, wall", "%.4f" % wall, "<= %.2f" % limit, wall <= limit)
    table.row("  its CPU time", "%.4f" % cpu)


def conversion(options, folder, table):
    """Of a million events, as for `convert`: what is recorded of little is read in no time, and perf that
    unwinds takes a third of a second to begin."""
    kept = folder / "kept"
    run([options.build / "giltracer", "-q", "--python", options.python, "--gil-source", "uprobes", "--keep",
         kept, "-o", folder / "x.pb.gz", TARGETS / "gilloop.py", CYCLES])
    files = {"--native": "native.data", "--probes": "probes.data", "--agent-log": "agent"}
    parts = {option: [option, kept / name] for option, name in files.items() if (kept / name).exists()}
    rest = [word for option in parts if option != "--native" for word in parts[option]]
    program = [options.build / "perf2trace", "-q", kept / "perf.data", "-o", folder / "y.json"]
    taken = {"with": [], "without": []}
    for _ in range(options.rounds):
        taken["without"].append(run([*program, *rest])[1])
        taken["with"].append(run([*program, *rest, *parts["--native"]])[1])
    ratio = median_ratio(taken["with"], taken["without"])
    table.row("conversion of a million events", "%.2f s" % statistics.median(taken["without"]))
    table.row("  with native samples / without", "%.3f" % ratio, "<= 1.30", ratio <= 1.3)


def native(options, folder, table):
    for what in PROGRAMS:
        cost(options, folder, table, what)
    conversion(options, folder, table)
