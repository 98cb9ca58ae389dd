# SPDX-License-Identifier: MIT
"""perf that hangs or floods (tests/fake/perf), and signals while a recording is read: each wait has
an end, each flood a bound, and the report is of what was read and says so."""
import os
import re
import signal
import subprocess
import time

import harness
import pytest
from harness import FAKE_PERF, PERF2TRACE, target

pytestmark = pytest.mark.needs_perf

PATIENCE_S = 1
STARTED_S = 4  # in which the real perf begins to record, or gives its text, also on a busy machine
BOUND_S = 60
CUT = "Not all of the recording was read"


def fake(scenario, folder):
    """An environment with a perf that misbehaves, and as little patience as what works before allows."""
    at_once = scenario.startswith(("version", "probe", "removal", "evlist", "script-start"))
    return {"GILTRACER_PERF": FAKE_PERF, "GT_FAKE_PERF": scenario, "GT_FAKE_HANGS": folder / "hangs",
            "GILTRACER_PERF_TIMEOUT": PATIENCE_S if at_once else STARTED_S}


def findings(path):
    document = harness.read_json(path)
    harness.check_document(document)
    return document["giltracer"]["findings"]


def is_cut(path):
    return sum(CUT in line for line in findings(path)) == 1


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A perf.data of two workers."""
    folder = tmp_path_factory.mktemp("kept")
    harness.trace([target("two_workers"), "0.4"], folder, options=[
        "--gil-source", "uprobes", "--keep", folder / "kept", "--no-python-trace"])
    return folder / "kept" / "perf.data"


def perf2trace(argv, folder, **more):
    return harness.Run([PERF2TRACE, "-o", folder / "x.json", *argv], folder, **more)


def finished(run, folder, status, report):
    """The run has this status; nothing is left of it; there is a report, or not a trace of one."""
    run.finish(timeout=BOUND_S)
    assert run.status == status, run
    # A recording without a report is kept, and its place told.
    assert not [one for one in run.leftovers() if one.split()[-1] not in run.err], run
    assert [path.name for path in folder.glob("x.json*")] == (["x.json"] if report else []), run
    return run


# --- giltracer -----------------------------------------------------------------------------


def giltracer(scenario, folder, words=("--gil-source", "uprobes", "--no-python-trace"), **env):
    """A program that ends with status 7, of which perf alone records unless `words` say more."""
    if scenario.startswith("script"):
        env.setdefault("GILTRACER_PERF_TIMEOUT", str(STARTED_S))
    return harness.start(["-q", "-o", folder / "x.json", *words, target("exits"), "code", "7"],
                         folder, env=dict(fake(scenario, folder), **env))


@pytest.mark.parametrize("scenario, complaint", [
    ("version-hang", "did not end within 1 s"),
    pytest.param("version-flood", "did not stop writing", marks=pytest.mark.long),
    pytest.param("probe-stall", "did not end within 1 s", marks=pytest.mark.long),
    ("probe-flood", "did not stop writing"),
    ("record-flood", "perf record could not start")])
def test_perf_that_never_begins_is_given_up(scenario, complaint, folder):
    run = finished(giltracer(scenario, folder), folder, 125, False)
    assert complaint in harness.one_line_error(run, 125)


def test_signal_ends_the_wait_for_perf_before_the_program_runs(folder):
    run = giltracer("probe-hang", folder, GILTRACER_PERF_TIMEOUT="600")
    harness.wait_for(lambda: len(run.processes()) > 2, "perf probe was never started")
    os.kill(run.pid, signal.SIGTERM)
    finished(run, folder, 128 + signal.SIGTERM, False)


@pytest.mark.parametrize("scenario", [
    pytest.param("record-end-stall", marks=pytest.mark.long), "record-end-flood"])
def test_perf_record_that_does_not_end_is_ended(scenario, folder):
    """It has written all by then; the report is of that."""
    run = finished(giltracer(scenario, folder), folder, 7, True)
    assert not is_cut(folder / "x.json") and "perf record" in run.err, run


@pytest.mark.parametrize("scenario", [
    pytest.param("script-start-hang", marks=pytest.mark.long), "script-flood"])
def test_without_anything_read_there_is_no_report(scenario, folder):
    run = finished(giltracer(scenario, folder), folder, 7, False)
    assert "no report" in run.err, run


@pytest.mark.parametrize("scenario", [
    pytest.param("script-hang", marks=pytest.mark.long), "script-endless-events",
    pytest.param("script-endless-warnings", marks=pytest.mark.long)])
def test_report_of_what_was_read_before_perf_script_went_wrong(scenario, folder):
    run = finished(giltracer(scenario, folder), folder, 7, True)
    assert is_cut(folder / "x.json") and "was not read" in run.err, run


@pytest.mark.long
def test_both_recordings_are_given_up(folder):
    """The probes' and the other; the agent's log is whole."""
    run = finished(giltracer("script-hang", folder, words=()), folder, 7, True)
    assert is_cut(folder / "x.json"), run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_conversion_and_the_status_is_the_programs(number, folder):
    run = giltracer("script-hang", folder, GILTRACER_PERF_TIMEOUT="600")
    harness.wait_for((folder / "hangs").exists, "perf script never hung")
    os.kill(run.pid, number)
    finished(run, folder, 7, True)
    assert is_cut(folder / "x.json") and "interrupted" in run.err and "Ctrl-C" in run.err, run


def test_interrupts_while_perf_record_does_not_end(folder):
    """The first tells how to end without a report, the second does."""
    run = giltracer("record-end-stall", folder, GILTRACER_PERF_TIMEOUT="600")
    harness.wait_for(lambda: (folder / "hangs").exists(), "perf record never hung")
    os.kill(run.pid, signal.SIGINT)
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(run.process.stderr.fileno(), 4096)
    os.kill(run.pid, signal.SIGINT)
    finished(run, folder, 7, False)
    assert "no report" in run.err, run


def test_removal_of_probes_that_hangs_is_given_up(folder):
    run = giltracer("removal-hang", folder).finish(timeout=BOUND_S)
    left = [line for line in harness.probes() if harness.probe_is_of(line, run.pid)]
    for group in {re.search(r":(gt_[^/]+)/", line).group(1) for line in left}:
        subprocess.run(["perf", "probe", "-q", "-d", group + ":*"], check=True)
    assert run.status == 7 and (folder / "x.json").exists(), run
    assert left and "perf probe -d" in run.err, run


# --- perf2trace ----------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [
    "script-start-hang", pytest.param("script-start-stall", marks=pytest.mark.long), "script-flood"])
def test_perf_script_that_gives_nothing_is_given_up(scenario, kept, folder):
    run = finished(perf2trace([kept], folder, env=fake(scenario, folder)), folder, 125, False)
    assert "perf.data" in harness.one_line_error(run, 125)


@pytest.mark.parametrize("scenario", ["script-hang", "script-endless-line", *(
    pytest.param(name, marks=pytest.mark.long) for name in (
        "script-stall", "script-flood-later", "script-endless-warnings", "script-endless-events"))])
def test_report_of_what_perf_script_gave_before(scenario, kept, folder):
    run = finished(perf2trace(["-q", kept], folder, env=fake(scenario, folder)), folder, 0, True)
    assert is_cut(folder / "x.json"), run
    harness.one_line_error(run, 0)


@pytest.mark.parametrize("scenario", [
    "evlist-hang", pytest.param("evlist-flood", marks=pytest.mark.long)])
def test_perf_evlist_is_not_waited_for_for_ever(scenario, folder):
    """It is asked about a recording that was made through a pipe."""
    with open(str(folder / "piped.data"), "wb") as stream:
        subprocess.run(["perf", "record", "-q", "-N", "-B", "-e", "dummy:u", "-o", "-", "true"],
                       stdout=stream, stderr=subprocess.DEVNULL, check=True)
    finished(perf2trace(["-q", folder / "piped.data"], folder, env=fake(scenario, folder)), folder,
             0, True)


def test_a_whole_recording_is_not_called_cut(kept, folder):
    finished(perf2trace(["-q", kept], folder), folder, 0, True)
    assert not is_cut(folder / "x.json")


@pytest.mark.parametrize("scenario, number", [
    ("script-hang", signal.SIGINT), ("script-hang", signal.SIGTERM), ("script-hang", signal.SIGHUP),
    pytest.param("script-stall", signal.SIGINT, marks=pytest.mark.long)])
def test_signal_ends_reading_and_the_report_is_of_what_was_read(scenario, number, kept, folder):
    env = dict(fake(scenario, folder), GILTRACER_PERF_TIMEOUT="600")
    run = perf2trace(["-q", kept], folder, env=env)
    harness.wait_for((folder / "hangs").exists, "perf script never hung")
    os.kill(run.pid, number)
    finished(run, folder, 128 + number, True)
    assert is_cut(folder / "x.json"), run
    assert "Ctrl-C" in run.err and "interrupted" in run.err, run


def test_second_interrupt_ends_without_a_report(kept, folder):
    env = dict(fake("script-stall", folder), GILTRACER_PERF_TIMEOUT="600")
    run = perf2trace(["-q", kept], folder, env=env)
    harness.wait_for((folder / "hangs").exists, "perf script never hung")
    for _ in range(2):
        os.kill(run.pid, signal.SIGINT)
        time.sleep(0.2)  # two that come at once are one
    finished(run, folder, 130, False)
    assert "no report" in run.err, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_text_comes_through_a_pipe(number, kept, folder):
    """The writer goes on, and says nothing more."""
    text = harness.perf_script(kept)
    run = perf2trace(["-q"], folder, stdin=subprocess.PIPE)
    run.process.stdin.write(text[:len(text) // 2])
    run.process.stdin.flush()
    harness.wait_for(lambda: not unread(run), "the text was not read")
    os.kill(run.pid, number)
    run.process.wait(20)
    finished(run, folder, 128 + number, True)
    assert is_cut(folder / "x.json"), run


def unread(run):
    """Is perf2trace busy, with text in its standard input?"""
    with open("/proc/%d/stat" % run.pid) as stream:
        return stream.read().rsplit(")", 1)[1].split()[0] != "S"


def test_signal_before_anything_came(folder):
    run = perf2trace(["-q"], folder, stdin=subprocess.PIPE)
    harness.wait_for(lambda: run.has_opened_an_output() and not unread(run), "it did not begin")
    os.kill(run.pid, signal.SIGINT)
    run.process.wait(20)
    finished(run, folder, 130, False)


def test_endless_text_is_given_up(folder):
    """Nothing that perf script could have written, and no end."""
    yes = subprocess.Popen(["yes", "no event"], stdout=subprocess.PIPE)
    run = perf2trace([], folder, stdin=yes.stdout)
    yes.stdout.close()
    finished(run, folder, 125, False)
    yes.wait(20)
    harness.one_line_error(run, 125)


def test_interrupt_that_was_ignored_stays_ignored(kept, folder):
    """As for a shell's background job, or under nohup."""
    words = "trap '' INT HUP; exec \"$@\""
    env = dict(fake("script-hang", folder), GILTRACER_PERF_TIMEOUT="2")
    run = harness.Run(["sh", "-c", words, "sh", PERF2TRACE, "-q", "-o", folder / "x.json", kept],
                      folder, env=env)
    harness.wait_for((folder / "hangs").exists, "perf script never hung")
    os.kill(run.pid, signal.SIGINT)
    os.kill(run.pid, signal.SIGHUP)
    finished(run, folder, 0, True)
