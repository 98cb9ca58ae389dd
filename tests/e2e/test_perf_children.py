# SPDX-License-Identifier: MIT
"""perf that hangs or floods (tests/fake/perf), and signals while a recording is read: each wait has
an end, each flood a bound, and the report is of what was read and says so."""
import os
import signal
import subprocess
import time

import harness
import pytest
from harness import FAKE_PERF, PERF2TRACE, target

pytestmark = pytest.mark.needs_perf

PATIENCE_S = 1
BOUND_S = 25  # of a run with a perf that hangs in one place: less than perf's time-out without a word
CUT = "Not all of the recording was read"


def fake(scenario, folder):
    return {"GILTRACER_PERF": FAKE_PERF, "GT_FAKE_PERF": scenario, "GT_FAKE_HANGS": folder / "hangs",
            "GILTRACER_PERF_TIMEOUT": PATIENCE_S}


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
    assert not run.leftovers(), run
    assert [path.name for path in folder.glob("x.json*")] == (["x.json"] if report else []), run
    return run


# --- perf2trace ----------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["script-start-hang", "script-start-stall", "script-flood"])
def test_perf_script_that_gives_nothing_is_given_up(scenario, kept, folder):
    run = finished(perf2trace([kept], folder, env=fake(scenario, folder)), folder, 125, False)
    assert "perf.data" in harness.one_line_error(run, 125)


@pytest.mark.parametrize("scenario", ["script-hang", "script-stall", "script-flood-later",
                                      "script-endless-line", "script-endless-warnings",
                                      "script-endless-events"])
def test_report_of_what_perf_script_gave_before(scenario, kept, folder):
    run = finished(perf2trace(["-q", kept], folder, env=fake(scenario, folder)), folder, 0, True)
    assert is_cut(folder / "x.json"), run
    harness.one_line_error(run, 0)


@pytest.mark.parametrize("scenario", ["evlist-hang", "evlist-flood"])
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
    ("script-stall", signal.SIGINT)])
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
