# SPDX-License-Identifier: MIT
"""Small inputs about which untrue things were once said, and what is true of each.

Texts of `perf script` in tests/golden/truth; programs in tests/targets/truth. The same, with every
source and interpreter, by the hundred: `scripts/bench truth`.
"""
import gzip
import json
import re
import shutil
import signal
import types

import harness
import pytest
from harness import HERE
from truth import conditions, plan, run as truth

TEXTS = HERE / "golden" / "truth"
MS = 10**6


def converted(path, folder, *options):
    """(summary, what was printed) of a text."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    output = folder / "x.json"
    run = harness.Run([harness.PERF2TRACE, "gil", *options, "-o", output], folder,
                      stdin=harness.subprocess.PIPE).finish(text)
    assert run.status == 0, run
    document = harness.read_json(output)
    harness.check_document(document)
    return document["giltracer"], run.err


def sentences(summary):
    return summary["findings"] + [row["sentence"] for row in summary["blockers"]]


def log_options(folder):
    """The agent's log of that run, which is of version 3."""
    shutil.unpack_archive(TEXTS / "short-rewait" / "agent-log.tar.gz", folder)
    return "--agent-log", folder / "agent"


@pytest.mark.parametrize("with_log", [False, True], ids=["text", "log"])
@pytest.mark.parametrize("name", ["right", "one-short-rewait"])
def test_a_short_rewait_is_no_switch_interval(name, with_log, folder):
    """Two pure-Python threads on a busy machine. A waiter that lost its CPU before it called waits
    again at once: that gap is not the interval, and nobody kept the GIL."""
    summary, printed = converted(TEXTS / "short-rewait" / (name + ".perf-script.txt.gz"), folder,
                                 *(log_options(folder) if with_log else ()))
    (load,) = summary["load"]
    assert load["switch_interval_source"] in ("gaps", "assumed"), load
    assert abs(load["switch_interval_ns"] - 5 * MS) < 0.2 * 5 * MS, load
    assert not [row for row in summary["blockers"] if row["kept_cause"]]
    assert not any("kept the GIL" in text for text in sentences(summary))
    assert "does not release" not in printed
    assert not [row for row in summary["potential"]["estimates"] if row["if"] == "function"]
    if with_log:
        assert summary["blockers"][0]["function"] == "spin", summary["blockers"]
        assert not summary["lost"] and "agent" not in printed, printed


@pytest.mark.parametrize("name", ["holder-exits-first", "waiter-exits-first"])
def test_a_deadlock_that_a_signal_ended(name, folder):
    """A native mutex against the GIL. Whoever's end is recorded first: the holder kept the GIL from
    the first request until it was ended."""
    summary, printed = converted(TEXTS / "killed-deadlock" / (name + ".perf-script.txt.gz"),
                                 folder)
    first = summary["blockers"][0]
    (row,) = [row for gil in summary["gils"] for row in gil["threads"]
              if row["label"] == first["function"]]
    assert row["tid"] == 12076 and first["kept_cause"] and first["deadlock"], first
    waited = max(row["wait_ns"] for gil in summary["gils"] for row in gil["threads"])
    # From the first request, an interval after the wait began, to the end of the program.
    assert abs(first["longest_kept_ns"] - (waited - 5 * MS)) < 2 * MS, (first, waited)
    assert "deadlock" in first["sentence"] and "deadlock" in printed


def test_waiting_is_unknown_without_the_returns_of_take_gil(folder):
    summary, printed = converted(
        TEXTS / "missing-returns" / "take-gil-without-returns.perf-script.txt", folder)
    for text in sentences(summary) + [printed]:
        assert "No thread ever waited" not in text and "Not GIL-bound" not in text, text


def prepared():
    options = types.SimpleNamespace(build=harness.BUILD, state=None, seed=0, runs=0, keep=False)
    return truth.prepared(options)


@pytest.mark.needs_perf
@pytest.mark.needs_root
@pytest.mark.parametrize("source, functions", [("uprobes", "--python-trace"),
                                               ("agent", "--python-trace"),
                                               ("agent", "--no-python-trace")])
@pytest.mark.timing
def test_a_deadlock_ends_with_its_process(source, functions, folder):
    output = folder / "summary.json"
    run = harness.giltracer(
        ["--gil-source", source, functions, "--summary", output, "-o", folder / "x.folded",
         truth.PROGRAMS, "deadlock", "--ext", prepared().ext, "--log", folder / "log"], folder)
    assert run.status == 128 + signal.SIGALRM, run
    summary = json.loads(output.read_text())
    first = summary["blockers"][0]
    name = "second" if functions == "--no-python-trace" else "truthext.locked_call"
    assert first["function"] == name and first["kept_cause"] and first["deadlock"], first
    # From 0.05 s on, and an interval later somebody had asked; until 1 s, in the mutex.
    assert 0.7e9 < first["longest_kept_ns"] < 1.1e9, first
    assert first["kept_known"] and first["kept_asleep_ns"] > 0.8 * first["kept_ns"], first
    assert "deadlock" in first["sentence"] and "deadlock" in run.err, run


@pytest.mark.needs_perf
@pytest.mark.needs_root
@pytest.mark.parametrize("source", ["uprobes", "agent"])
@pytest.mark.timing
def test_a_call_that_releases_mostly(source, folder):
    """zlib.compress beside a thread that computes: both parts of its time are told."""
    output = folder / "summary.json"
    run = harness.giltracer(["--gil-source", source, "--summary", output, "-o", folder / "x.folded",
                             truth.PROGRAMS, "releases", "--ext", prepared().ext, "--log",
                             folder / "log"], folder)
    assert run.status == 0, run
    (row,) = [row for row in json.loads(output.read_text())["blockers"]
              if row["function"] == "zlib.compress"]
    assert row["kept_cause"] is None and row["retakes"] > 10, row
    assert row["retake_away_ns"] > 4 * row["total_hold_ns"], row
    assert re.match(r"zlib\.compress gave the GIL up for \S+ m?s of its time and held it for ",
                    row["sentence"]), row
    assert "zlib.compress kept" not in run.err, run


# --- live: one run each of the plan's kind --------------------------------------------------

PYTHONS = {one.version[:2]: one for one in harness.interpreters()}
NEWEST, OLDEST = max(PYTHONS), min(PYTHONS)
MIDDLE = (3, 11) if (3, 11) in PYTHONS else NEWEST


def entry(*levels, hole=None):
    """Program, condition, source, variant, version, and what goes wrong with the log."""
    return plan.Entry(0, *levels, hole=hole, interval=None, debian=False, version2=False)


LIVE = [entry(*levels, hole=hole) for *levels, hole in (
    ("five", "quota20", "uprobes", "functions", MIDDLE, None),  # accused-without-cpu
    ("smallc", "busy", "agent", "functions", MIDDLE, None),
    ("five", "busy", "futex", "plain", OLDEST, None),
    ("smallc", "quota20", "agent", "plain", NEWEST, None),
    ("extension", "busy", "uprobes", "functions", MIDDLE, None),  # kept-without-cpu
    ("extension", "busy", "agent", "functions", OLDEST, None),
    ("extension", "quota20", "agent", "plain", NEWEST, None),
    ("native", "calm", "agent", "functions", MIDDLE, None),  # gilstate-callbacks
    ("releases", "calm", "uprobes", "functions", NEWEST, None),  # releases-mostly
    ("asleep", "crowd", "agent", "functions", MIDDLE, None),
    ("pool", "quota150", "functions", "states", NEWEST, None),
    ("python", "hole", "agent", "functions", MIDDLE, "setuid"),  # log-cannot-grow
    ("regex", "hole", "agent", "functions", MIDDLE, "tmpfs"),
)]


@pytest.mark.needs_perf
@pytest.mark.needs_root
@pytest.mark.parametrize("entry", filter(plan.interpreter, LIVE), ids=lambda entry: "-".join(
    map(str, (entry.program, entry.condition, entry.source, entry.variant))))
@pytest.mark.timing
def test_what_is_said_of_a_known_program(entry, folder):
    """No false mark, no false sentence, and no culprit without its mark."""
    if entry.condition.startswith("quota"):
        harness.require(conditions.why_no_quota())
    outcome = truth.one(entry, prepared(), folder)
    assert not outcome.complaints, json.dumps(outcome.as_json(), indent=1)
    assert outcome.culprit == (entry.program in plan.CULPRITS), outcome.as_json()
    if entry.condition != "hole":
        assert outcome.marked == outcome.culprit, outcome.as_json()
