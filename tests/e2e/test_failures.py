# SPDX-License-Identifier: MIT
"""perf that dies, stalls and answers nonsense, at each stage (tests/fake/perf)."""
import time

import harness
import pytest
from harness import FAKE_PERF, giltracer, one_line_error, target

pytestmark = pytest.mark.needs_perf


def fake(scenario):
    """An environment in which perf is the fake one, and patience is short."""
    return {"GILTRACER_PERF": FAKE_PERF, "GT_FAKE_PERF": scenario, "GILTRACER_PERF_TIMEOUT": "4"}


def with_fake(scenario, folder, arguments=("two_workers", "0.4"), **more):
    name, *words = arguments
    return giltracer(["--gil-source", "uprobes", "-o", folder / "x.json", target(name), *words],
                     folder, env=fake(scenario), **more)


def test_the_fake_itself_passes_through(folder):
    run = with_fake("pass", folder)
    assert run.status == 0, run
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    assert len(document["giltracer"]["gils"]) == 1


# Before the target runs: it never does, giltracer ends with 125 and one line.
@pytest.mark.parametrize("scenario, words", [
    ("probe-denied", ("Permission denied",)),
    ("probe-no-symbol", ("pthread_cond_signal",)),
    ("probe-no-tracefs", ("tracefs",)),
    ("probe-crash", ("perf",)),
    ("record-dies", ("Operation not permitted",)),
    ("record-denied", ("Access to performance monitoring",)),
    ("record-no-libtraceevent", ("libtraceevent",)),
    ("record-crash", ("perf",)),
    ("record-nonsense", ("perf",)),
    ("version-old", ("perf", "4.9")),
    ("exec-format", ("perf",)),
])
def test_refused_before_the_target_runs(scenario, words, folder):
    proof = folder / "ran"
    run = giltracer(["--gil-source", "uprobes", "-o", folder / "x.json",
                     "-c", "open(%r, 'w')" % str(proof)], folder,
                    env=fake(scenario))
    line = one_line_error(run, 125)
    for word in words:
        assert word in line, line
    assert not proof.exists(), "the target ran"
    assert not list(folder.glob("x.json*"))


def test_probes_that_perf_only_says_it_installed(folder):
    """perf probe succeeds and does nothing: recording cannot begin, nor can they be removed."""
    run = with_fake("probe-nothing", folder)
    assert run.status == 125 and "Traceback" not in run.err
    assert all(line.startswith("giltracer: ") for line in run.err.splitlines()), run
    assert "could not start" in run.err and not list(folder.glob("x.json*"))


@pytest.mark.parametrize("scenario", ["probe-hang", "record-never-acks", "record-stall"])
def test_stalling_perf_is_given_up(scenario, folder):
    proof = folder / "ran"
    began = time.monotonic()
    run = giltracer(["--gil-source", "uprobes", "-o", folder / "x.json",
                     "-c", "open(%r, 'w')" % str(proof)], folder, timeout=80,
                    env=fake(scenario))
    one_line_error(run, 125)
    assert time.monotonic() - began < 45
    assert not proof.exists()


@pytest.mark.parametrize("scenario", ["record-acks-and-dies", "record-killed"])
def test_recorder_that_dies_does_not_touch_the_target(scenario, folder):
    """The program, which runs until the recorder dies, runs on; giltracer says what is missing."""
    runs = folder / "runs"
    code = ("import os, time; open(%r, 'w').close(); end = time.time() + 20\n"
            "while os.path.exists(%r) and time.time() < end: time.sleep(0.01)\n"
            "print('done', os.path.exists(%r)); raise SystemExit(5)" % ((str(runs),) * 3))
    run = giltracer(["--gil-source", "uprobes", "-o", folder / "x.json", "-c", code], folder,
                    env=dict(fake(scenario), GT_FAKE_TARGET=runs))
    assert run.out == b"done False\n", run
    assert run.status == 5, run
    assert any(line.startswith("giltracer:") and "perf" in line for line in run.err.splitlines())


@pytest.mark.parametrize("scenario", ["script-fails", "script-crash", "script-silent",
                                      "script-garbage"])
def test_recording_that_cannot_be_read(scenario, folder):
    """No report is better than a wrong one; the exit status stays the program's."""
    run = with_fake(scenario, folder, ("exits", "code", "7"))
    line = one_line_error(run, 7)
    assert "no report" in line and line.isprintable(), run
    assert not list(folder.glob("x.json*"))
    kept, = run.tmp.iterdir()
    assert "kept in %s" % kept in line and (kept / "perf.data").stat().st_size > 0
    made = harness.Run([harness.PERF2TRACE, kept / "perf.data", "-o", folder / "x.json"],
                       folder).finish()
    assert made.status == 0, made
    giltracer(["-o", folder / "y.json", target("exits"), "code", "0"], folder,
              env={"TMPDIR": run.tmp})
    assert kept.exists(), "the next run took it for abandoned"


def test_recording_that_is_cut_short(folder):
    """What was read until then is shown, and that it is not all is said."""
    run = with_fake("script-cut", folder, ("many", "8", "0.4"))
    said = [line for line in run.err.splitlines() if line.startswith("giltracer:")]
    assert said, run
    if (folder / "x.json").exists():
        harness.check_document(harness.read_json(folder / "x.json"))
    else:
        assert run.status == 125, run


@pytest.mark.parametrize("scenario", ["record-noisy", "script-noisy", "probe-garbage",
                                      "version-garbage"])
def test_noise_is_survived(scenario, folder):
    run = with_fake(scenario, folder)
    assert len(run.err) < 20000, "perf's noise went through"
    if scenario.endswith("noisy"):
        assert run.status == 0, run
    else:
        assert run.status in (0, 125), run
    if run.status == 0:
        document = harness.read_json(folder / "x.json")
        harness.check_document(document)
        assert len(document["giltracer"]["gils"]) == 1, run
