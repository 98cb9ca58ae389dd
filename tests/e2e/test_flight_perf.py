# SPDX-License-Identifier: MIT
"""--keep-last where perf records: each report is of the last moments, whole, and of nothing before;
the recording goes on, and its files do not grow. What two sources saw is the same."""
import json
import os
import signal
import subprocess
import time

import pytest
from flights import KEEP, LATE, AttachedFlight, Flight
from harness import GILTRACER, check_document, giltracer, one_line_error, start, target, wait_for
from processes import resident_bytes

pytestmark = pytest.mark.needs_perf
SOURCES = {"uprobes": ["--gil-source", "uprobes", "--python-trace", "--no-c-calls"],
           "futex": ["--gil-source", "futex", "--python-trace", "--no-c-calls"],
           "states": ["--gil-source", "agent", "--state-detect", "--no-c-calls"],
           "both": ["--overhead-budget", "0", "--no-c-calls"]}

ENDS = 1.0  # within that a process that perf records has ended, and giltracer knows


def check_agreement(document):
    found = document["giltracer"]["sources"]
    assert found["agree"] and not found["differing"] and found["both"] > 100, found
    assert not found["agent_only"] and not found["probes_only"], found


@pytest.mark.timing
@pytest.mark.parametrize("source", SOURCES)
def test_reports_are_of_the_last_moments(source, tmp_path):
    with Flight(tmp_path, *SOURCES[source]) as flight:
        flight.wait_for_phase(14)  # what is of the first ones was taken out by then
        for number in (1, 2):
            asked = time.monotonic()
            subprocess.run([GILTRACER, "--snapshot", str(flight.program())], check=True)
            at_latest = time.monotonic() + LATE
            document = flight.report(number)
            flight.check(document, asked, at_latest)
            if source == "both":
                check_agreement(document)
        last, ended = flight.end()
        flight.check(last, ended, ended + ENDS, ENDS)
        if source == "both":
            check_agreement(last)


ATTACHED = {"agent": ["--gil-source", "agent", "--no-c-calls"], **SOURCES}


@pytest.mark.timing
@pytest.mark.parametrize("source", ["agent", "uprobes", "futex", "states"])
def test_of_what_runs_already(source, tmp_path):
    """By its number, and who asks names that."""
    with AttachedFlight(tmp_path, *ATTACHED[source]) as flight:
        wait_for(lambda: any(one > 3 for one in flight.began), "no phases")
        first = max(flight.began)
        flight.wait_for_phase(first + 14)
        for number in (1, 2):
            asked = time.monotonic()
            subprocess.run([GILTRACER, "--snapshot", str(flight.program())], check=True)
            flight.check(flight.report(number), asked, asked + LATE)
        last, ended = flight.end()
        flight.check(last, ended, ended + ENDS, ENDS)
        assert last["giltracer"]["run"]["exit_status"] is None


@pytest.mark.parametrize("source", ["agent", "uprobes"])
def test_the_recording_began_a_moment_ago(source, tmp_path):
    """It is all that there is."""
    with AttachedFlight(tmp_path, "--keep-last", "1m", *ATTACHED[source]) as flight:
        wait_for(lambda: flight.log() or flight.log("/perf.data"), "it does not begin")
        time.sleep(2)
        os.kill(flight.run.pid, signal.SIGUSR2)
        document = flight.report(1)
        check_document(document)
        assert 1.5e9 < document["giltracer"]["run"]["wall_ns"] < 20e9
        assert sum(row["holds"] for gil in document["giltracer"]["gils"] for row in gil["threads"]) > 10
        flight.end()


@pytest.mark.parametrize("source", ["agent", "uprobes"])
def test_what_runs_already_ends(source, tmp_path):
    """Its exit status is not giltracer's; the last report is of its end."""
    with AttachedFlight(tmp_path, *ATTACHED[source]) as flight:
        wait_for(lambda: flight.log() or flight.log("/perf.data"), "it does not begin")
        wait_for(lambda: flight.began, "no phase was told of")
        flight.wait_for_phase(max(flight.began) + 5)
        flight.process.terminate()
        flight.run.finish()
        assert flight.run.status == 0 and not flight.run.leftovers(), flight.run
        document = json.loads((tmp_path / "r.json").read_text())
        check_document(document)
        assert (KEEP - ENDS) * 1e9 < document["giltracer"]["run"]["wall_ns"] <= KEEP * 1e9 + 1e6


class Holds:
    """A run of spans.py, whose holds are known."""

    def __init__(self, tmp_path, options, keep):
        self.keep, self.folder = keep, tmp_path
        self.run = start(["--keep-last", "%gs" % keep, *options, "-o", "r.json", target("spans")], tmp_path)
        self.known = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.run.process.poll() is None:
            self.run.end_processes()

    def read(self, seconds):
        """What the program does in that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.known.append(tuple(map(float, self.run.process.stdout.readline().split())))

    def program(self):
        return int(subprocess.run(["pgrep", "-f", "-P", str(self.run.pid), "spans.py"],
                                  capture_output=True, text=True, check=True).stdout.split()[0])

    def report(self, number):
        path = self.folder / ("r-%d.json" % number)
        wait_for(path.exists, "no %s" % path, 60)
        return json.loads(path.read_text())

    def check(self, document, begins_late=0.0, shorter=0.2):
        """Each hold that lies in the report is found there, as long as it was, and no other. One that
        is seen from when somebody waits for it begins later by so much at most."""
        check_document(document)
        start_s = document["giltracer"]["run"]["start_ns"] / 1e9
        end_s = start_s + document["giltracer"]["run"]["wall_ns"] / 1e9
        assert self.keep - shorter < end_s - start_s <= self.keep + 0.001
        holds = sorted((start_s + event["ts"] / 1e6, start_s + (event["ts"] + event["dur"]) / 1e6)
                       for event in document["traceEvents"]
                       if event.get("name") == "GIL hold" and event["dur"] > 15000)
        inside = [one for one in self.known if one[0] > start_s + 0.001 and one[1] < end_s]
        across = [one for one in self.known if one[0] < end_s and one[1] > start_s]
        assert len(inside) <= len(holds) <= len(across) and len(inside) > 2 * self.keep, (inside, holds)
        for began, ended, length in inside:  # it may let go of it before and behind the call
            found = [one for one in holds if one[0] < ended and one[1] > began]
            assert len(found) == 1, (began, ended, holds)
            (first, last), = found
            assert length - 0.0003 < last - first + begins_late and last - first < ended - began + 0.01, found
            assert began - 0.01 < first and began + length - 0.0003 < last < ended + 0.01, (found, began, ended)


@pytest.mark.timing
@pytest.mark.parametrize("source", ["uprobes", "futex", "both"])
def test_known_holds_are_found_exactly(source, tmp_path):
    """In the midst, where the program is asked again at once, and in the end."""
    late = 0.018 if source == "futex" else 0
    with Holds(tmp_path, SOURCES[source], 3.0) as holds:
        holds.read(11)
        for number in (1, 2):
            os.kill(holds.run.pid, signal.SIGUSR2)
            holds.read(1.5)
            holds.check(holds.report(number), late)
        os.kill(holds.program(), signal.SIGTERM)
        rest = holds.run.process.stdout.read().splitlines()
        holds.known += [tuple(map(float, line.split())) for line in rest]
        holds.run.finish()
        assert holds.run.status == 128 + signal.SIGTERM and not holds.run.leftovers(), holds.run
        holds.check(json.loads((tmp_path / "r.json").read_text()), late, ENDS)


# The main thread takes and drops the GIL as fast as it can.
CYCLES = """
import os
print("0 0", flush=True)
zero = os.open("/dev/zero", os.O_RDONLY)
while True: os.read(zero, 1)
"""


def children(pid, name):
    found = subprocess.run(["pgrep", "-x", "-P", str(pid), name], capture_output=True, text=True, check=False)
    return [int(one) for one in found.stdout.split()]


@pytest.mark.timing
def test_its_file_does_not_grow(tmp_path):
    """What is older than 2 and some 6 s is taken out; giltracer and perf take no more memory."""
    (tmp_path / "phases.py").write_text(CYCLES)
    with Flight(tmp_path, "--gil-source", "uprobes", "--no-python-trace",
                program=tmp_path / "phases.py", env={"TMPDIR": None}) as flight:
        flight.wait_for_phase(0)
        file = flight.log("/perf.data")
        assert file.startswith("/dev/shm/giltracer-"), file
        perf, = children(flight.run.pid, "perf")
        sizes = []
        for number in range(1, 19):
            time.sleep(1)
            sizes.append((flight.log_bytes("/perf.data"), resident_bytes(flight.run.pid),
                          resident_bytes(perf)))
            if number in (8, 16):
                os.kill(flight.run.pid, signal.SIGUSR2)
        written = os.stat(file).st_size
        disk, own, others = zip(*sizes)
        assert written > 1.5 * max(disk) > 3e6, sizes
        assert max(disk[13:]) < 1.4 * max(disk[7:11]), disk
        assert max(own) < 64 << 20 and max(own[13:]) < 1.2 * max(own[7:11]), own
        assert max(others[13:]) < 1.1 * max(others[7:11]), others
        for number in (1, 2):
            document = flight.report(number)
            check_document(document)
            gil, = document["giltracer"]["gils"]
            row, = [row for row in gil["threads"] if row["holds"] > 1000]
            assert KEEP - 0.1 < row["lifetime_ns"] / 1e9 <= KEEP
            assert not document["giltracer"]["lost"], document["giltracer"]["lost"]
        last, _ = flight.end()
        check_document(last)
        assert not os.path.exists(os.path.dirname(file))


# Threads and processes that come and go; one process is there from before what is kept.
COMINGS = """
import os, threading, time
print("0 0", flush=True)
child = os.fork()
if not child:
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.05)
        threading.Thread(target=sum, args=(range(10),)).start()
    os._exit(0)
print("1 %d" % child, flush=True)
while True:
    threads = [threading.Thread(target=sum, args=(range(10),)) for _ in range(4)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    time.sleep(0.05)
    child = os.fork()
    if not child:
        sum(range(10))
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.timing
@pytest.mark.parametrize("source", ["uprobes", "both"])
def test_who_was_there_before_is_known(source, tmp_path):
    """Both processes are, all the time; of those that ended nothing is told."""
    (tmp_path / "phases.py").write_text(COMINGS)
    with Flight(tmp_path, *SOURCES[source], program=tmp_path / "phases.py") as flight:
        flight.wait_for_phase(1)
        time.sleep(10)
        os.kill(flight.run.pid, signal.SIGUSR2)
        document = flight.report(1)
        check_document(document)
        gils = document["giltracer"]["gils"]
        for pid in (flight.program(), int(flight.began[1])):
            gil, = [gil for gil in gils if gil["pid"] == pid]
            main, = [row for row in gil["threads"] if row["tid"] == pid]
            assert main["label"] == "main" and main["lifetime_ns"] > (KEEP - 0.2) * 1e9, main
            assert "python" in gil["process"], gil
        assert len(gils) < 2 + 20 * KEEP
        last, _ = flight.end()
        check_document(last)


@pytest.mark.timing
@pytest.mark.parametrize("source", ["uprobes", "both"])
def test_perf_is_ended(source, tmp_path):
    """By somebody. What agents see goes on; where there is nothing, that is said, not shown."""
    with Flight(tmp_path, *SOURCES[source]) as flight:
        flight.wait_for_phase(3)
        for perf in children(flight.run.pid, "perf"):
            os.kill(perf, signal.SIGKILL)
        flight.wait_for_phase(14)
        asked = time.monotonic()
        os.kill(flight.run.pid, signal.SIGUSR2)
        if source == "uprobes":
            time.sleep(2)
        else:
            document = flight.report(1)
            flight.check(document, asked, time.monotonic() + LATE)
            assert document["giltracer"]["run"]["gil_source"] == "agent"
        last, ended = flight.end()
        assert "perf record ended while the program ran" in flight.run.err, flight.run
        if source == "both":
            flight.check(last, ended, ended + ENDS, ENDS)
        else:
            assert "no report of the last moments: perf record ended before" in flight.run.err
            assert "The recording ended at 0 ns, before the program" in flight.run.err, flight.run
            assert not sum(row["holds"] for gil in last["giltracer"]["gils"] for row in gil["threads"])


def test_perf_does_not_answer(tmp_path):
    """It is stopped for longer than is waited for it: the report ends where it is known to be whole."""
    with Flight(tmp_path, *SOURCES["uprobes"]) as flight:
        flight.wait_for_phase(4)
        perf, = children(flight.run.pid, "perf")
        os.kill(perf, signal.SIGSTOP)
        stopped = time.monotonic()
        time.sleep(0.5)
        os.kill(flight.run.pid, signal.SIGUSR2)
        time.sleep(6)
        os.kill(perf, signal.SIGCONT)
        flight.wait_for_phase(16)
        os.kill(flight.run.pid, signal.SIGUSR2)
        asked = time.monotonic()
        wait_for(lambda: list(tmp_path.glob("r-*.json")), "no report at all", 30)
        last, _ = flight.end()
        run = last["giltracer"]["run"]
        assert (run["start_ns"] + run["wall_ns"]) / 1e9 > asked > stopped
        assert "perf record does not answer" in flight.run.err, flight.run


def test_giltracer_is_killed(tmp_path):
    """Neither perf, nor its files, nor probes stay; the program goes on."""
    with Flight(tmp_path, *SOURCES["uprobes"]) as flight:
        flight.wait_for_phase(2)
        program, folder = flight.program(), os.path.dirname(flight.log("/perf.data"))
        perf, = children(flight.run.pid, "perf")
        os.kill(flight.run.pid, signal.SIGKILL)
        flight.run.process.wait()
        try:
            wait_for(lambda: not os.path.exists(folder), "%s stays" % folder)
            wait_for(lambda: not os.path.exists("/proc/%d" % perf), "perf stays")
            wait_for(lambda: "gil" not in subprocess.run(["perf", "probe", "-l"], capture_output=True,
                                                         text=True, check=False).stdout, "probes stay")
            assert os.path.exists("/proc/%d" % program)
        finally:
            os.kill(program, signal.SIGKILL)


def test_a_report_when_a_condition_becomes_true(tmp_path):
    """By probes alone: none of the calm, one of the contention."""
    run = start(["--keep-last", "3s", "--when", "wait > 25%", "--gil-source", "uprobes", "--no-python-trace",
                 "-o", "r.json", target("bouts"), 5, 9, 1], tmp_path)
    contended = float(run.process.stdout.readline().split()[1])
    wait_for((tmp_path / "r-1.json").exists, "no report", 30)
    assert time.monotonic() > contended
    run.finish()
    assert run.status == 0 and "wrote r-1.json because wait > 25%" in run.err, run
    check_document(json.loads((tmp_path / "r-1.json").read_text()))
    document = json.loads((tmp_path / "r.json").read_text())
    check_document(document)
    assert not run.leftovers()


def test_what_perf_script_reads_does_not_go_with_it(tmp_path):
    run = giltracer(["--keep-last", "2s", "--state-detect", "--call-graph", "-c", "pass"], tmp_path)
    assert "--call-graph" in one_line_error(run, 125)
