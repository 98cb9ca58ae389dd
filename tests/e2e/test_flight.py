# SPDX-License-Identifier: MIT
"""--keep-last: each report is of the last moments before it was asked for, whole, and of nothing
before; the recording goes on, and its log does not grow."""
import json
import os
import re
import signal
import subprocess
import time

import harness
import pytest
from flights import KEEP, LATE, Flight
from harness import (GILTRACER, ROOT, calls, check_document, giltracer, one_line_error,
                     start, target, wait_for)
from processes import resident_bytes


@pytest.mark.timing
def test_reports_are_of_the_last_moments(tmp_path):
    with Flight(tmp_path, "--gil-source", "agent", "--no-c-calls") as flight:
        flight.wait_for_phase(14)  # what is of the first ones was taken out by then
        for number in range(1, 4):
            asked = time.monotonic()
            if number == 2:
                os.kill(flight.run.pid, signal.SIGUSR2)
            else:
                subprocess.run([GILTRACER, "--snapshot", str(flight.program())], check=True)
            at_latest = time.monotonic() + LATE
            document = flight.report(number)
            flight.check(document, asked, at_latest)
            assert document["giltracer"]["run"]["exit_status"] is None
            # It was called before, and goes on: what it called is inside it.
            outer = [call for call in calls(document, "outer")]
            assert outer and outer[0]["dur"] > (KEEP - 0.2) * 1e6, outer
        last, ended = flight.end()
        flight.check(last, ended, ended + LATE)
        assert re.findall(r"wrote (\S+)", flight.run.err) == ["r-1.json", "r-2.json", "r-3.json",
                                                             "r.json"], flight.run


# The main thread takes and drops the GIL, in calls that are recorded, too: some 20 MB/s.
CYCLES = """
import os
print("0 0", flush=True)
zero = os.open("/dev/zero", os.O_RDONLY)
while True: os.read(zero, 1)
"""


def test_the_log_does_not_grow_beyond_its_bound(tmp_path):
    """What is kept is shorter then, and the recording goes on."""
    (tmp_path / "phases.py").write_text(CYCLES)
    with Flight(tmp_path, "--gil-source", "agent", "--max-log-size", "64M", "--overhead-budget", "0",
                program=tmp_path / "phases.py") as flight:
        flight.wait_for_phase(0)
        sizes = []
        for _ in range(50):
            time.sleep(0.1)
            sizes.append(flight.log_bytes())
        assert 32 << 20 < max(sizes) < 64 << 20, sizes
        last, _ = flight.end()
    check_document(last)
    gil, = last["giltracer"]["gils"]
    assert not last["giltracer"]["lost"] and not last["giltracer"]["quality"]["lost_ns"]
    assert sum(row["holds"] for row in gil["threads"]) > 100000


@pytest.mark.timing
def test_many_reports(tmp_path):
    """They are whole, and the newest ones stay."""
    with Flight(tmp_path, "--no-python-trace", seconds=0.2) as flight:
        flight.wait_for_phase(1)
        for number in range(1, 26):
            asked = time.monotonic()
            os.kill(flight.run.pid, signal.SIGUSR2)
            at_latest = time.monotonic() + LATE
            document = flight.report(number)
            check_document(document)
        flight.check(document, asked, at_latest)
        names = {name for name in os.listdir(tmp_path) if name.startswith("r-")}
        assert names == {"r-%d.json" % number for number in range(6, 26)}
        flight.end()


# Threads and processes that come and go: one that ends, one that is killed.
COMINGS = """
import os, signal, threading, time
print("0 0", flush=True)
while True:
    threads = [threading.Thread(target=sum, args=(range(10),)) for _ in range(8)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    time.sleep(0.05)
    for kill in (False, True):
        child = os.fork()
        if not child:
            sum(range(10))
            if kill: os.kill(os.getpid(), signal.SIGKILL)
            os._exit(0)
        os.waitpid(child, 0)
"""


@pytest.mark.timing
def test_what_comes_and_goes_leaves_nothing(tmp_path):
    """Nor do those who write wait for a disk that is busy, as it is taken out: it is in memory."""
    (tmp_path / "phases.py").write_text(COMINGS)
    with Flight(tmp_path, "--gil-source", "agent", program=tmp_path / "phases.py",
                env={"TMPDIR": None}) as flight:
        flight.wait_for_phase(0)
        sizes, folder = [], flight.log()
        assert re.fullmatch(r"/dev/shm/giltracer-\w{6}/agent/log", folder), folder
        for _ in range(14):
            time.sleep(1)
            sizes.append((flight.log_bytes(), resident_bytes(flight.run.pid)))
        log, memory = zip(*sizes)
        assert log[9] > 1 << 20, "nothing was written"
        assert max(log[11:]) < 1.3 * max(log[7:10]), log
        assert max(memory) < 64 << 20, memory
        last, _ = flight.end()
        check_document(last)
        assert len(last["giltracer"]["gils"]) > 1
        assert not os.path.exists(os.path.dirname(os.path.dirname(folder)))
        # Of those that were killed before, nothing is told.
        assert sum(one["start_ns"] == 0 for one in last["giltracer"]["lost"]) < 20, last["giltracer"]["lost"]


CALM, CONTENDED, WINDOW = 6.0, 2.4, 4.0


@pytest.mark.timing
def test_a_report_when_a_condition_becomes_true(tmp_path):
    """One of each contention, none of the calm. By construction three threads wait two thirds of it,
    and a fourth, which may not be seen, does nothing: the condition holds where contention fills from
    1.5 or 2 s on of a window, so for 2.4 to 3.4 s. There are looks each 2 s: one or two of them."""
    run = start(["--keep-last", "%gs" % WINDOW, "--when", "wait > 99%", "--when", "wait > 25%",
                 "--fail-if", "wait < 10%", "--no-python-trace", "-o", "r.json",
                 target("bouts"), CALM, CONTENDED, 2], tmp_path)
    starts = [float(run.process.stdout.readline().split()[1]) for _ in range(2)]
    for number, contended in enumerate(starts, 1):
        path = tmp_path / ("r-%d.json" % number)
        wait_for(path.exists, "no %s" % path, 30)
        assert 0.35 * WINDOW < time.monotonic() - contended < CONTENDED + WINDOW
        document = json.loads(path.read_text())
        check_document(document)
        gil, = document["giltracer"]["gils"]
        held = sum(row["hold_ns"] for row in gil["threads"] if row["label"].startswith("worker")) / 1e9
        assert 0.33 * WINDOW < held <= CONTENDED
    run.finish()
    # The last moments are calm.
    assert run.status == 3 and "breached: wait < 10%" in run.err, run
    assert re.findall(r"wrote (\S+)(?: because (.*): it is )?", run.err) == [
        ("r-1.json", "wait > 25%"), ("r-2.json", "wait > 25%"), ("r.json", "")], run
    assert not run.leftovers()


def test_a_summary_alone(tmp_path):
    """A line for each report, by a signal or a condition."""
    run = start(["--keep-last", "1s", "--when", "hold >= 0%", "--no-python-trace", "--no-output", "--summary",
                 "s.jsonl", target("bouts"), 0.2, 3, 1], tmp_path)
    run.process.stdout.readline()
    os.kill(run.pid, signal.SIGUSR2)
    run.finish()
    assert run.status == 0 and "no report" not in run.err, run
    lines = [json.loads(line)["run"] for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len(lines) >= 3 and "because" not in lines[-1], lines
    assert {bool(line.get("because")) for line in lines[:-1]} == {False, True}, lines


def test_a_condition_that_is_never_true(tmp_path):
    """Who asks meanwhile has a report."""
    run = start(["--keep-last", "1s", "--when", "wait > 99%", "-o", "r.json", target("bouts"), 0.2, 4, 1],
                tmp_path)
    run.process.stdout.readline()
    for number in range(1, 4):
        os.kill(run.pid, signal.SIGUSR2)
        wait_for((tmp_path / ("r-%d.json" % number)).exists, "no report %d" % number)
    run.finish()
    assert run.status == 0, run
    assert re.findall(r"wrote (.*)", run.err) == ["r-1.json", "r-2.json", "r-3.json", "r.json"], run


def test_many_reports_by_a_condition_and_by_a_signal(tmp_path):
    """None is lost, and the newest ones stay."""
    run = start(["--keep-last", "1s", "--when", "hold >= 0%", "--no-python-trace", "-o", "r.json",
                 target("bouts"), 0, 60, 1], tmp_path)
    for number in range(1, 26):
        wait_for((tmp_path / ("r-%d.json" % number)).exists, "no report %d" % number, 30)
        if number % 3:
            os.kill(run.pid, signal.SIGUSR2)
    program = int(subprocess.run(["pgrep", "-f", "-P", str(run.pid), "bouts.py"], capture_output=True,
                                 text=True, check=True).stdout.split()[0])
    os.kill(program, signal.SIGTERM)
    run.finish()
    wrote = re.findall(r"wrote r-(\d+).json( because hold >= 0%)?", run.err)
    last = len(wrote)
    assert [int(number) for number, _ in wrote] == list(range(1, last + 1)) and last >= 25, run
    assert sum(bool(because) for _, because in wrote) >= 8, run
    assert sum(not because for _, because in wrote) >= 8, run
    names = {name for name in os.listdir(tmp_path) if name.startswith("r-")}
    assert names == {"r-%d.json" % number for number in range(last - 19, last + 1)}
    for number, because in wrote[-20:]:
        document = json.loads((tmp_path / ("r-%s.json" % number)).read_text())
        check_document(document)
        assert document["giltracer"]["run"].get("because", "").startswith("hold >= 0%: it is ") == bool(because)


def test_what_is_not_known_is_not_true(tmp_path):
    """No Python ran: zero would be less than half. It is told once."""
    run = giltracer(["--keep-last", "1s", "--when", "wait < 50%", "-o", "r.json", "--", "sleep", "4"],
                    tmp_path)
    assert run.status == 0 and run.err.count("--when: cannot be judged") == 1, run
    assert not list(tmp_path.glob("r-*")), run


@pytest.mark.parametrize("options, said", [
    (["--when", "wait > 20%"], "--keep-last"),
    (["--keep-last", "2s", "--when", "wait >"], "--when: a number is expected here"),
    (["--keep-last", "2s", "--when", "latency > 2s"], "--when: wait, hold, "),
])
def test_what_is_no_condition(tmp_path, options, said):
    run = giltracer([*options, "-c", "print('ran')"], tmp_path)
    assert run.status == 125 and said in run.err and run.out == b"", run


@pytest.mark.parametrize("options, said", [
    (["--metrics", ":0"], "--metrics"),
    (["--repeat", "2"], "--repeat"),
    (["--state-detect", "--call-graph"], "--call-graph"),
    (["-e", "page-faults"], "-e"),
    (["--native-freq", "99"], "--native-freq"),
    (["--duration", "2s"], "--duration"),
    (["-o", "-"], "-o -"),
    (["--keep", "there"], "--keep"),
    (["--keep-last", "1ms"], "a second"),
    (["--max-log-size", "8M"], "64M"),
])
def test_what_does_not_go_with_it(tmp_path, options, said):
    run = giltracer(["--keep-last", "2s", *options, "-c", "pass"], tmp_path)
    assert said in one_line_error(run, 125)


def test_who_is_not_recorded_is_not_asked(tmp_path):
    """The signal would end a process that does not expect it."""
    run = giltracer(["--snapshot", os.getpid()], tmp_path)
    assert "is not recorded" in one_line_error(run, 125)


SNAPSHOT = """
import giltracer, os, sys, time
sum(range(1000))
if sys.argv[1:]: time.sleep(0.5)
try:
    giltracer.snapshot()
except giltracer.TraceError as error:
    print(error)
while sys.argv[1:] and not os.path.exists("r-1.json"): time.sleep(0.01)
"""


def test_the_program_asks(tmp_path):
    """Where it is recorded so; elsewhere it is told that it is not."""
    env = {"PYTHONPATH": str(ROOT / "scripts" / "python"), "GILTRACER": str(GILTRACER)}
    run = giltracer(["--keep-last", "2s", "-o", "r.json", "-c", SNAPSHOT, "wait"], tmp_path, env=env)
    assert run.status == 0 and run.out == b"", run
    check_document(json.loads((tmp_path / "r-1.json").read_text()))
    run = giltracer(["--gil-source", "agent", "-o", "other.json", "-c", SNAPSHOT], tmp_path, env=env)
    assert run.status == 0 and b"is not recorded by" in run.out, run


TWO_WORKERS = """
import threading
def work():
    for _ in range(60):
        for _ in range(1000000): pass
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_estimates_are_not_said_to_be_of_the_run(folder):
    run = giltracer(["--python", harness.an_interpreter(3, 12).path, "--verbose", "--gil-source",
                     "agent", "--keep-last", "1s", "--no-output", "-c", TWO_WORKERS], folder)
    assert run.status == 0, run
    assert re.search(r"^Estimated length of the (recorded|traced) part of the run \(", run.err,
                     re.M), run.err
