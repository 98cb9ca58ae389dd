# SPDX-License-Identifier: MIT
"""perf is killed, or its disk is full, while the program runs: what it recorded until then is in the
report, what came later is not known, and an agent that records the same goes on."""
import os
import pathlib
import signal
import subprocess
import time

import harness
import pytest
from harness import wait_for

pytestmark = pytest.mark.needs_perf

# Four seconds, in which the GIL changes hands all the time, or now and then.
PROGRAM = """
import sys, threading, time
def work(end, pause):
    while time.monotonic() < end:
        for _ in range(20): time.sleep(pause)
        sum(range(1000))
open(sys.argv[1], 'w').close()
end = time.monotonic() + float(sys.argv[2])
threads = [threading.Thread(target=work, args=(end, float(sys.argv[3]))) for _ in range(2)]
[one.start() for one in threads]
[one.join() for one in threads]
raise SystemExit(5)
"""
BUSY, IDLE = "0", "0.001"


def perfs_of(run):
    """Its perf records, by pid: the events that each records."""
    children = pathlib.Path("/proc/%d/task/%d/children" % (run.pid, run.pid)).read_text().split()
    commands = {int(pid): harness.command_of(pid=int(pid)) for pid in children}
    return {pid: words for pid, words in commands.items() if " record " in words}


def die(folder, options, which, after_s, life_s, pace=BUSY):
    """Kill the perf records that have `which` among their arguments. The run, and the report."""
    running, output = folder / "running", folder / "report.json"
    run = harness.start([*options, "-o", output, "-c", PROGRAM, running, life_s, pace], folder)
    wait_for(running.exists, "the program never ran")
    time.sleep(after_s)
    victims = [pid for pid, words in perfs_of(run).items() if which(words)]
    assert victims, perfs_of(run)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    run.finish()
    assert run.status == 5 and not run.leftovers(), run
    assert "perf record ended while the program ran - signal 9 ended it" in run.err, run
    document = harness.read_json(output)
    harness.check_document(document)
    return run, document


def last_use_s(document):
    """When the GIL was last held, from its first use on."""
    spans = [(event["ts"], event["ts"] + event["dur"])
             for event in harness.gil_spans(document, "GIL hold")]
    return (max(end for _, end in spans) - min(start for start, _ in spans)) / 1e6


@pytest.mark.timing
@pytest.mark.parametrize("pace", [BUSY, IDLE])
def test_what_perf_recorded_until_it_was_killed_is_in_the_report(pace, folder):
    run, document = die(folder, ["--gil-source", "uprobes", "--no-python-trace"],
                        lambda words: True, 2, 4, pace)
    assert 1.9 < last_use_s(document) < 3, run
    assert "The recording ended at" in run.err, run
    summary = document["giltracer"]
    for row in summary["gils"][0]["threads"]:
        known_s = (row["lifetime_ns"] - row["unknown_ns"]) / 1e9
        assert 1.7 < known_s < 3 and row["unknown_ns"] > 1e9, harness.describe(summary)


@pytest.mark.timing
@pytest.mark.parametrize("which", [lambda words: "gt_" in words,
                                   lambda words: "gt_" not in words, lambda words: True],
                         ids=["probes", "rest", "both"])
def test_the_agent_goes_on_where_perf_ends(which, folder):
    run, document = die(folder, ["--overhead-budget", 0], which, 0.8, 2)
    assert "from there on the agent alone recorded the GIL" in run.err, run
    assert last_use_s(document) > 1.9, run
    sources = document["giltracer"]["sources"]
    assert sources["perf_died"] and sources["agree"], sources
    assert 0.3e9 < sources["probes_out_ns"] < 2e9, sources
    for row in document["giltracer"]["gils"][0]["threads"]:
        assert row["unknown_ns"] == 0, harness.describe(document["giltracer"])


@pytest.mark.timing
def test_states_are_known_until_perf_ends_and_the_gil_to_the_end(folder):
    """The agent's log is whole, so only what perf alone records is unknown."""
    run, document = die(folder, ["--overhead-budget", 0, "--state-detect"],
                        lambda words: "gt_" not in words, 0.8, 2)
    assert "neither states nor counters are known" in run.err, run
    assert last_use_s(document) > 1.9, run
    summary = document["giltracer"]
    out_ns = summary["sources"]["probes_out_ns"]
    for row in summary["gils"][0]["threads"]:
        assert row["unknown_ns"] == 0, harness.describe(summary)
    workers = [thread for thread in summary["threads"] if not thread["main"]]
    assert len(workers) == 2, workers
    for thread in workers:
        known_ns = sum(state["ns"] for state in thread["states"].values())
        assert 0.2e9 < known_ns <= out_ns - thread["start_ns"], (thread, out_ns)


@pytest.mark.needs_root
def test_a_full_disk_ends_perf_and_not_the_report(small_disk, folder):
    subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)
    output = folder / "report.json"
    run = harness.giltracer(["--gil-source", "uprobes", "--no-python-trace", "-o", output, "-c",
                             PROGRAM, folder / "running", 2, BUSY], folder,
                            env={"TMPDIR": small_disk})
    assert run.status == 5 and "No space left" in run.err and "TMPDIR" in run.err, run
    assert "The recording ended at" in run.err, run
    document = harness.read_json(output)
    harness.check_document(document)
    assert list(harness.gil_spans(document)), run
    assert not list(small_disk.iterdir())


def test_what_is_kept_of_a_perf_that_died_can_be_read(folder):
    kept = folder / "kept"
    run, document = die(folder, ["--keep", kept, "--overhead-budget", 0], lambda words: True, 0.8,
                        1.6)
    text = subprocess.run(["perf", "script", "-i", str(kept / "probes.data")], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
    assert text.count(b":signal") > 100
    again = folder / "again.json"
    made = harness.Run([harness.PERF2TRACE, kept / "perf.data", "--agent-log", kept / "agent",
                        "--probes", kept / "probes.data", "-o", again], folder).finish()
    assert made.status == 0, made
    assert "perf was ended after" in made.err and last_use_s(harness.read_json(again)) > 1.4
