# SPDX-License-Identifier: MIT
"""scripts/bench flight: a flight recorder for minutes, of a program that takes and drops the GIL at a
known rate; is each report of the last moments whole, and what do the log and giltracer take?"""
import bisect
import glob
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import harness
from processes import descendants, resident_bytes, words_of

RATES = {"agent": 100000, "uprobes": 10000}  # by source
KEEP, REPORTS = 30, 100
SETTLED = KEEP + 15  # until then the recording grows: what is kept, and what is not yet taken out
MOST_GROWTH = 1.1
BURSTS = 100  # in a second; both threads count after one
TAKEN_AWAY = 200  # times in a second, at most: each 5 ms a thread that waits asks for it
MOST_OFF_S = 0.5  # by when the signal comes, and the last thing happened


class Program(threading.Thread):
    """What the program says of itself."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.moments, self.counts = stream, [], []
        self.start()

    def run(self):
        for line in self.stream:
            moment, count = line.split()
            self.counts.append(int(count))
            self.moments.append(float(moment))

    def counts_at(self, moment):
        """At least and at most: what the lines around it say."""
        after = bisect.bisect_left(self.moments, moment)
        return self.counts[max(after - 1, 0)], self.counts[min(after, len(self.counts) - 1)]


def folder_bytes(pid):
    """What the recording takes of the disk."""
    found = (re.match(r".*/giltracer-\w{6}(?=/)", os.path.realpath(path))
             for path in glob.glob("/proc/%d/fd/*" % pid))
    total = 0
    for place in {match.group() for match in found if match}:
        for path in pathlib.Path(place).rglob("*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue  # it went just now
    return total


def what_lacks(summary, program, rate):
    """Is it of the moments that were to be kept, and is all there that the program did in them? None, or
    what is wrong."""
    harness.check_summary(summary)
    began = summary["run"]["start_ns"] / 1e9
    ended = began + summary["run"]["wall_ns"] / 1e9
    holds = sum(row["holds"] for gil in summary["gils"] for row in gil["threads"])
    first, last = program.counts_at(began), program.counts_at(ended)
    least = last[0] - first[1] - rate // BURSTS
    most = last[1] - first[0] + rate // BURSTS + KEEP * TAKEN_AWAY
    if summary["lost"]:
        return "%s" % summary["lost"]
    if abs(ended - began - KEEP) > MOST_OFF_S:
        return "it is of %.3f s" % (ended - began)
    if not least <= holds <= most:
        return "%d acquisitions, and the program says %d to %d" % (holds, least, most)
    return None


def reports_of(path):
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []


def flight(options, folder, table):
    for source, rate in RATES.items():
        if options.gil_source in ("auto", source):
            record(options, folder / (source + ".jsonl"), table, source, rate)


def record(options, path, table, source, rate):
    recorder = subprocess.Popen(
        [str(word) for word in (options.build / "giltracer", "-q", "--keep-last", "%ds" % KEEP,
                                "--gil-source", source, "--no-python-trace", "--no-output",
                                "--overhead-budget", "0", "--summary", path, "--python",
                                options.python, harness.target("paced"), rate)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    program, sizes = Program(recorder.stdout), []
    try:
        time.sleep(SETTLED)
        until = time.monotonic() + 60 * (options.minutes or 10) - SETTLED
        while time.monotonic() < until:
            time.sleep(1)
            sizes.append((folder_bytes(recorder.pid), resident_bytes(recorder.pid)))
        for number in range(1, REPORTS + 1):
            os.kill(recorder.pid, signal.SIGUSR2)
            harness.wait_for(lambda wanted=number: len(reports_of(path)) >= wanted, "no report", 60)
    finally:
        for pid in descendants(recorder.pid):
            if any(word.endswith("paced.py") for word in words_of(pid)):
                os.kill(pid, signal.SIGTERM)
        recorder.wait()
    program.join()
    show(table, source, program, rate, reports_of(path), list(zip(*sizes)))


def show(table, source, program, rate, reports, sizes):
    seconds = program.moments[-1] - program.moments[0]
    faults = [fault for fault in (what_lacks(one, program, rate) for one in reports) if fault]
    table.row("%s: cycles of the GIL in a second, for %.0f s" % (source, seconds),
              "%.0f" % (program.counts[-1] / seconds))
    table.row("%s: reports with each cycle of their time" % source, "%d of %d" % (
        len(reports) - len(faults), REPORTS + 1), "%d" % (REPORTS + 1),
              not faults and len(reports) == REPORTS + 1)
    for fault in faults[:5]:
        print("  " + fault)
    for name, taken in zip(("the recording", "giltracer's memory"), sizes):
        third = len(taken) // 3
        growth = max(taken[-third:]) / max(taken[:third])
        table.row("%s: %s, at most" % (source, name), "%.1f MB" % (max(taken) / 1e6))
        table.row("  the last third / the first", "%.3f" % growth, "<= %.1f" % MOST_GROWTH,
                  growth <= MOST_GROWTH)
