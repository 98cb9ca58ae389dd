# SPDX-License-Identifier: MIT
"""Counters: page faults by the count, charged to holding, waiting or neither."""
import re

import pytest

import harness
from harness import DEBIAN_PYTHON, Interpreter, ask_version, giltracer, target, trace

pytestmark = pytest.mark.needs_perf

PAGES = 20000
DEBIAN = Interpreter(DEBIAN_PYTHON, ask_version(DEBIAN_PYTHON))


def counter(summary, name):
    (found,) = [one for one in summary["counters"] if one["name"] == name]
    return found


@pytest.mark.parametrize("mode, where", [("hold", "holding"), ("release", "free")])
def test_page_faults_are_charged(folder, mode, where):
    done = trace([target("faults"), mode, PAGES], folder, DEBIAN, ["-e", "page-faults", "--no-python-trace"])
    rows = counter(done.summary, "page-faults")["threads"]
    row = max(rows, key=lambda row: row["total"])
    assert row["label"] != "main"
    # Page faults are recorded one by one; the thread has some of its own.
    assert PAGES <= row["total"] <= PAGES + 200, row
    assert row[where] >= PAGES, row
    assert row["holding"] + row["waiting"] + row["free"] == row["total"]
    member = next(one for one in done.gil()["threads"] if one["tid"] == row["tid"])
    time_ns = member["hold_ns" if where == "holding" else "free_ns"]
    assert abs(row[where + "_per_s"] - row[where] * 1e9 / time_ns) <= 0.01 * row[where + "_per_s"]


BURSTS = """import os, threading, time
def work(count):
    for i in range(count):
        os.write(3, b"x")
        if i % 10 == 0:
            time.sleep(0.001)
os.open("/dev/null", os.O_WRONLY) == 3 or os.dup2(os.open("/dev/null", os.O_WRONLY), 3)
threads = [threading.Thread(target=work, args=(count,)) for count in (100, 150)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_tracepoints_are_counted(folder):
    """Those that giltracer records itself, too, and what never happened."""
    done = trace(["-c", BURSTS], folder, DEBIAN,
                 ["-e", "syscalls:sys_enter_write", "-e", "sched:sched_switch", "-e",
                  "emulation-faults", "--state-detect", "--no-python-trace"])
    totals = {row["label"]: row["total"]
              for row in counter(done.summary, "syscalls:sys_enter_write")["threads"]}
    workers = sorted(set(totals) - {"main"})  # CPython 3.14 tells the kernel their names
    assert [totals[label] for label in workers] == [100, 150], totals
    slept = {row["label"]: row["total"]
             for row in counter(done.summary, "sched:sched_switch")["threads"]}
    left = {row["label"]: sum(state["count"] for name, state in row["states"].items()
                              if name != "running") for row in done.summary["threads"]}
    for label in workers:
        assert 10 <= slept[label] <= left[label] + 1, (slept, left)
    never = counter(done.summary, "emulation-faults")
    assert never["samples"] == 0 and never["threads"] == []
    assert "Counts of emulation-faults:" in done.run.err


def test_tracks_and_table(folder):
    done = trace([target("faults"), "hold", PAGES], folder, DEBIAN,
                 ["-e", "page-faults", "-e", "context-switches:u", "-F", "499",
                  "--no-python-trace"])
    tracks = {}
    for event in done.document["traceEvents"]:
        if event["ph"] == "C":
            tracks.setdefault((event["name"], event["pid"]), []).append(event)
    pid = done.summary["run"]["root_pid"]
    events = tracks["page-faults", pid]
    totals = {row["tid"]: row["total"]
              for row in counter(done.summary, "page-faults")["threads"]}
    for tid, total in totals.items():
        values = [value for event in events for name, value in event["args"].items()
                  if name.endswith("(%d)" % tid)]
        assert values == sorted(values) and values[-1] == total, (tid, total)
    whole = [event["args"]["process"] for event in events]
    assert whole == sorted(whole) and whole[-1] == sum(totals.values())
    assert "Counts of page-faults:" in done.run.err
    (row,) = re.findall(r"^\d+.*(?:thread 2|Thread-1 \(touch\))$",
                        done.run.err.split("Counts of page-faults:")[1], re.M)[:1]
    assert re.match(r"\d+\s+[\d.]+k\s+[\d.]+k\s+[\d.]+[kM]?/s\s+", row), row


def test_with_states_and_futex(folder):
    """The frequency is each counter's own: tracepoints still come one by one."""
    done = trace([target("two_workers"), "0.2"], folder, DEBIAN,
                 ["-e", "page-faults", "--state-detect", "--gil-source", "futex"])
    assert counter(done.summary, "page-faults")["samples"] > 0
    for row in done.summary["threads"]:
        if row["saw_start"] and not row["main"]:
            known = sum(state["ns"] for state in row["states"].values())
            assert known > 0.95 * (row["end_ns"] - row["start_ns"]), row


@pytest.mark.parametrize("words, says", [
    (["-e", "no-such-event"], "no-such-event"),
    (["-e", "page-faults,cycles"], "page-faults,cycles"),
    (["-e", ""], "empty"),
    (["-e", "-x"], "-x"),
    (["-e", "syscalls:*"], "syscalls:*"),
    (["-e", "{page-faults}"], "{page-faults}"),
    (["-e", "duration_time"], "duration_time"),
    (["-e", "page-faults", "-F", "0"], "-F"),
    (["-e", "page-faults", "-F", "many"], "many"),
])
def test_bad_events(folder, words, says):
    run = giltracer([*words, "--python", DEBIAN_PYTHON, "-c", "print('ran')"], folder)
    assert says in harness.one_line_error(run, 125)
    assert run.out == b""  # before the target runs
