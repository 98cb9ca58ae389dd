# SPDX-License-Identifier: MIT
"""Thread states: against the GIL's own events of the same run, and against known programs."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness
import recording
from harness import DEBIAN_PYTHON, Interpreter, an_interpreter, ask_version, giltracer, target, \
    trace
from recording import ON_CPU_OR_READY, gil_spans, length, named, overlap, states

pytestmark = pytest.mark.needs_perf

COINCIDE_NS = 100000
DEBIAN = Interpreter(DEBIAN_PYTHON, ask_version(DEBIAN_PYTHON))
STATES = ["--state-detect"]
FUTEX = ["--state-detect", "--no-gil-detect"]
STACKS = ["--state-detect", "--no-gil-detect", "--call-graph"]


def asleep_for_gil(document):
    """S(GIL) by tid, ns."""
    return {tid: length(named(spans, "S(GIL)")) for tid, spans in states(document).items()}


def check_states(document):
    """Spans of a thread follow one another within its life, and cover nearly all of it."""
    rows = {row["tid"]: row for row in document["giltracer"]["threads"]}
    for tid, spans in states(document).items():
        row = rows[tid]
        for one, two in zip(spans, spans[1:]):
            assert two[0] >= one[1] - 1, (tid, one, two)
        if not spans:
            continue
        assert spans[0][0] >= row["start_ns"] - 1 and spans[-1][1] <= row["end_ns"] + 1, row
        told = sum(state["ns"] for state in row["states"].values())
        assert abs(told - length(spans)) <= 2 * len(spans) + 2, row
        if row["saw_start"]:
            assert length(spans) >= 0.99 * (row["end_ns"] - row["start_ns"]) - 100000, row


@pytest.mark.parametrize("python", [DEBIAN, an_interpreter(3, 12)], ids=lambda one: one.name)
@pytest.mark.timing
def test_states_and_holds_agree(folder, python):
    document = trace([target("two_workers")], folder, python, STATES).document
    check_states(document)
    holds, waits = gil_spans(document, "GIL hold"), gil_spans(document, "GIL wait")
    running_while_holding = []
    for tid, spans in states(document).items():
        running = named(spans, "running")
        for start, end, _ in holds.get(tid, []):
            for since, until, _ in running:
                if since < end and until > start:
                    running_while_holding.append((max(since, start), min(until, end)))
        # A spinning holder runs or is ready to; it never sleeps for what it has.
        held = length(holds.get(tid, []))
        if held > 50e6 and tid != document["giltracer"]["run"]["root_pid"]:
            assert overlap(holds[tid], named(spans, *ON_CPU_OR_READY)) > 0.95 * held
        assert overlap(holds.get(tid, []), named(spans, "S(GIL)")) <= 1000 * len(spans)
        assert overlap(waits.get(tid, []), named(spans, "S(GIL)")) >= \
            0.99 * length(named(spans, "S(GIL)"))
    running_while_holding.sort()
    assert len(running_while_holding) > 20
    for one, two in zip(running_while_holding, running_while_holding[1:]):
        assert two[0] >= one[1] - 1, (one, two)  # 1 ns: rounding of ts + dur


def check_coincidence(probes, told, astray):
    """Sleeps that a source marked lie in waits, and leave little of the waits over. `astray`:
    the part of the sleeps that may not. Without probes sleeps for the GIL's mutex, before the
    first wait for its condition, count too."""
    waits, marked = gil_spans(probes, "GIL wait"), states(told)
    sleeps = stray = count = gaps = 0
    for tid, spans in marked.items():
        for start, end, _ in named(spans, "S(GIL)"):
            sleeps += 1
            stray += not any(start >= since - COINCIDE_NS and end <= until + COINCIDE_NS
                             for since, until, _ in waits.get(tid, []))
    for tid, spans in waits.items():
        for wait in spans:
            count += 1
            explained = overlap([wait], named(marked[tid], "S(GIL)", *ON_CPU_OR_READY))
            gaps += length([wait]) - explained > COINCIDE_NS
    assert sleeps > 20 and count > 10
    assert stray <= max(1, astray * sleeps), (stray, sleeps)
    assert gaps <= max(1, 0.01 * count), (gaps, count)


def check_total(probes, told):
    """S(GIL) is the wait but for the time when the waiter lacked only a CPU."""
    waits, marked = gil_spans(probes, "GIL wait"), states(told)
    expected = sum(length(spans) - overlap(spans, named(marked[tid], *ON_CPU_OR_READY))
                   for tid, spans in waits.items())
    total = sum(asleep_for_gil(told).values())
    assert expected > 100e6, harness.describe(probes["giltracer"])
    assert abs(total - expected) <= 0.1 * expected, (total, expected)


@pytest.mark.timing
def test_sleeps_for_the_gil_without_probes(folder, interpreter):
    """One run, three witnesses: libc probes, stacks, futex calls."""
    run = recording.record(folder, interpreter, [target("two_workers")], stacks=True)
    probes = recording.convert(run.text(futex=False, stacks=False), folder, "all")
    by_stack = recording.convert(run.text(futex=False, probes=False), folder, "sched")
    by_futex = recording.convert(run.text(probes=False, stacks=False), folder, "sched")
    blind = recording.convert(run.text(futex=False, probes=False, stacks=False), folder, "sched")
    check_coincidence(probes, probes, 0.01)
    for told in (by_stack, by_futex):
        assert told["giltracer"]["gils"] == []
        check_states(told)
        check_coincidence(probes, told, 0.05)
        check_total(probes, told)
    assert sum(asleep_for_gil(blind).values()) == 0
    one, two = asleep_for_gil(by_stack), asleep_for_gil(by_futex)
    for tid in one:
        assert abs(one[tid] - two[tid]) <= 0.02 * max(one[tid], two[tid]) + 1e6, (one, two)


@pytest.mark.timing
def test_launched_without_probes(folder, interpreter):
    done = trace([target("two_workers")], folder, interpreter, FUTEX)
    assert "uprobe" not in done.run.err and done.summary["gils"] == []
    assert done.summary["sched"]["reasons"] is True
    asleep = asleep_for_gil(done.document)
    workers = [row for row in done.summary["threads"] if not row["main"] and row["saw_start"]]
    assert len(workers) == 2
    for row in workers:
        life = row["end_ns"] - row["start_ns"]
        assert 0.05 * life < asleep[row["tid"]] < 0.8 * life, row["states"]
    header = "".join(re.findall(r"^TID.*$", done.run.err, re.M))
    for column in ("running%", "runnable%", "sleeping%", "gil wait%"):
        assert column in header


@pytest.mark.parametrize("python", [DEBIAN, an_interpreter(3, 10)], ids=lambda one: one.name)
@pytest.mark.timing
def test_launched_with_stacks(folder, python):
    done = trace([target("two_workers")], folder, python, STACKS)
    assert done.summary["sched"]["stacks"] is True
    assert 0 < done.summary["sched"]["distinct_stacks"] < 1000
    assert sum(asleep_for_gil(done.document).values()) > 100e6


@pytest.mark.parametrize("how, python", [
    *((FUTEX, one) for one in harness.interpreters()),
    *((STACKS, one) for one in harness.interpreters()
      if one.path == DEBIAN_PYTHON or one.version[:2] in ((3, 9), (3, 13)))],
    ids=lambda value: getattr(value, "name", "stacks" if value is STACKS else "futex"))
@pytest.mark.timing
def test_other_sleeps_are_not_for_the_gil(folder, python, how):
    done = trace([target("sleepers")], folder, python, how)
    asleep = asleep_for_gil(done.document)
    lives = sum(row["end_ns"] - row["start_ns"] for row in done.summary["threads"])
    slept = sum(length(named(spans, "S")) for spans in states(done.document).values())
    assert slept > 0.5 * lives
    # Short waits for the GIL are real, and grow when other programs take the CPUs.
    assert sum(asleep.values()) < 0.01 * lives, (asleep, lives)


@pytest.mark.timing
def test_had_the_gil_but_no_cpu(folder):
    done = trace([target("crowded")], folder, DEBIAN, STATES)
    check_states(done.document)
    gil = max(done.summary["gils"], key=lambda gil: gil["wait_ns"])
    workers = [row for row in gil["threads"] if not row["main"]]
    holds = gil_spans(done.document, "GIL hold")
    for row in workers:
        ready = named(states(done.document)[row["tid"]], *ON_CPU_OR_READY[1:])
        want = overlap(holds[row["tid"]], ready)
        assert abs(row["ready_holding_ns"] - want) <= 2000 * (row["ready_holding_count"] + 1)
        assert row["ready_holding_count"] > 3 and want > 50e6, row
    assert re.search(r"^The GIL's holder was off the CPU \d+ times? \([\d.]+ m?s\): too few CPUs\.",
                     done.run.err, re.M)


@pytest.mark.timing
def test_stopped(folder):
    done = trace([target("stopped")], folder, DEBIAN, STATES)
    truth = int(done.run.out)
    main = [row for row in done.summary["threads"]
            if row["tid"] == done.summary["run"]["root_pid"]]
    stopped = main[0]["states"]["stopped"]
    assert stopped["count"] >= 1
    assert 0.8 * truth <= stopped["ns"] <= 1.05 * truth, (stopped, truth)


def test_perfetto_states(folder):
    document = trace([target("two_workers"), "0.1"], folder, DEBIAN,
                     ["--state-detect", "--perfetto-states"]).document
    records = [event for event in document["traceEvents"] if event["ph"] == "T"]
    tids = {row["tid"] for row in document["giltracer"]["threads"]}
    assert {event["tid"] for event in records} <= tids and len(records) > 10
    assert {event["name"] for event in records} <= {"Running", "R", "R+", "S", "D", "T"}
    assert not [event for event in document["traceEvents"] if event.get("cat") == "sched"]


@pytest.fixture
def paranoid():
    """kernel.perf_event_paranoid is 2, its default."""
    path = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
    before = path.read_text()
    path.write_text("2")
    yield
    path.write_text(before)


@pytest.mark.needs_root
def test_as_an_ordinary_user(paranoid, public_folder):
    harness.require(None if shutil.which("runuser") else "runuser is not installed")
    shutil.copy(str(harness.BUILD / "giltracer-gate"), str(public_folder))
    output = public_folder / "out" / "report.json"
    output.parent.mkdir()
    output.parent.chmod(0o777)
    run = subprocess.run(
        ["runuser", "-u", "nobody", "--", str(public_folder / "giltracer"), *FUTEX, "--python",
         DEBIAN_PYTHON, "-o", str(output), str(public_folder / "targets" / "two_workers.py")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90,
        cwd=str(output.parent), env=dict(os.environ, HOME=str(output.parent)))
    text = run.stderr.decode()
    assert run.returncode == 0, text
    document = harness.read_json(output)
    check_states(document)
    summary = document["giltracer"]
    assert summary["sched"]["reasons"] is False
    names = {name for row in summary["threads"] for name in row["states"]}
    assert "running" in names and "off CPU" in names, names
    assert not names & {"S", "D", "S(GIL)", "stopped", "runnable (woken)"} or \
        names <= {"running", "off CPU", "runnable (preempted)", "runnable (woken)"}, names
    for row in summary["threads"]:
        if row["saw_start"] and not row["main"]:
            known = sum(state["ns"] for state in row["states"].values())
            assert known > 0.95 * (row["end_ns"] - row["start_ns"]), row
    assert "privilege" in text and "is missing" in text, text


def test_call_graph_needs_states(folder):
    run = giltracer(["--call-graph", target("single")], folder)
    assert "--state-detect" in harness.one_line_error(run, 125)
