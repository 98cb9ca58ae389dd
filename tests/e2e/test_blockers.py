# SPDX-License-Identifier: MIT
"""Blame: the right function, with its place, and as much waiting as there was."""
import harness
import pytest
from harness import target, trace

pytestmark = pytest.mark.needs_perf

CULPRITS = {  # what: (function, file, its line has this text, kind, kept_cause)
    "hold": ("hold", "culprits.py", "def hold", "python", "operation"),
    "regex": ("Pattern.match", "culprits.py", "def regex", "c", "call"),
    "json": ("JSONDecoder.raw_decode", "json/decoder.py", "def raw_decode", "python", "operation"),
    "sort": ("sorted", "culprits.py", "def sort", "c", "call"),
    "collect": ("gc.collect", "culprits.py", "def collect", "gc", "gc"),
    "import": ("import in load", "culprits.py", "def load", "python", "import"),
}
PYTHONS = [one for one in harness.interpreters() if one.version[:2] in ((3, 8), (3, 11), (3, 12))]


def line_of(blocker):
    with open(blocker["file"]) as stream:
        return stream.read().splitlines()[blocker["line"] - 1]


def culprit(name, folder, python, *options):
    traced = trace([target("culprits"), name], folder, python=python,
                   options=("--python-trace", *options))
    return traced.summary, int(traced.run.out)


def check_sums(summary):
    """Blockers and gaps are all the waiting there was."""
    for gil in summary["gils"]:
        rows = [row for row in summary["blockers"] if row["gil"] == gil["index"]]
        gaps = summary["load"][gil["index"]]["gaps"]
        assert len(rows) < 200
        assert sum(row["waiting_ns"] for row in rows) + sum(gaps.values()) == gil["wait_ns"]


@pytest.mark.parametrize("python", PYTHONS, ids=[one.name for one in PYTHONS])
@pytest.mark.parametrize("name", CULPRITS)
@pytest.mark.timing
def test_culprit_is_ranked_first(name, python, folder):
    function, path, line, kind, cause = CULPRITS[name]
    summary, truth_ns = culprit(name, folder, python)
    check_sums(summary)
    first = summary["blockers"][0]
    assert function in first["function"] and first["file"].endswith(path), first
    assert line in line_of(first), first
    assert first["kind"] == kind and first["kept_cause"] == cause, first
    assert abs(first["waiting_ns"] - truth_ns) < 0.1 * truth_ns, (first, truth_ns)
    assert first["waiters"][0]["ns"] >= 0.95 * first["waiting_ns"], first
    assert any(first["sentence"] == finding for finding in summary["findings"])


@pytest.mark.parametrize("python", PYTHONS, ids=[one.name for one in PYTHONS])
@pytest.mark.timing
def test_a_culprit_in_which_the_collector_runs(python, folder):
    """Up to 3.11 that is in the midst of the operation, hundreds of times: it goes on afterwards."""
    traced = trace([target("culprits"), "json", "collecting"], folder, python=python,
                   options=("--python-trace",))
    truth_ns = int(traced.run.out)
    check_sums(traced.summary)
    rows = traced.summary["blockers"]
    row = next(row for row in rows if "JSONDecoder.raw_decode" in row["function"])
    collector = sum(one["waiting_ns"] for one in rows if one["kind"] == "gc")
    assert row["kept_cause"] == "operation" and row["kept"] == 2, row
    assert abs(row["waiting_ns"] + collector - truth_ns) < 0.1 * truth_ns, (row, collector, truth_ns)
    assert row["kept_ns"] < row["waiting_ns"] * 1.02, row
    assert any("JSONDecoder.raw_decode kept the GIL" in text for text in traced.summary["findings"])


@pytest.mark.timing
def test_a_call_that_releases_is_not_blamed(folder):
    summary, _ = culprit("release", folder, None)
    check_sums(summary)
    assert sum(gil["wait_ns"] for gil in summary["gils"]) < 0.05 * 500e6
    assert not [row for row in summary["blockers"] if row["kept_cause"]]


def test_nothing_is_blamed_without_contention(folder):
    traced = trace([target("single"), "2000"], folder, options=("--python-trace",))
    summary = traced.summary
    assert summary["blockers"] == [] and summary["load"][0]["contended"] == 0
    assert "Blockers:" not in traced.run.err
    assert any(finding.startswith("No thread ever waited") for finding in summary["findings"])


@pytest.mark.timing
def test_without_functions_the_thread_is_blamed(folder):
    traced = trace([target("culprits"), "hold"], folder, options=("--no-python-trace",))
    check_sums(traced.summary)
    first = traced.summary["blockers"][0]
    assert first["kind"] == "native" and first["function"] == "main", first
    assert abs(first["waiting_ns"] - int(traced.run.out)) < 0.1 * int(traced.run.out)


@pytest.mark.timing
def test_convoy_is_named(folder):
    summary = trace([target("convoy")], folder, options=("--python-trace",)).summary
    check_sums(summary)
    first, load = summary["blockers"][0], summary["load"][0]
    assert first["function"] == "compute" and "def compute" in line_of(first), first
    assert load["convoy"].startswith("Convoy: transfer waits"), load["convoy"]
    assert load["convoy"] in summary["findings"]
    assert load["held"] > 0.5 and load["contended"] > 0.1
    latency = load["handover_latency"]
    assert 0 < latency["p50_ns"] <= latency["p90_ns"] <= latency["p99_ns"] <= latency["max_ns"]
    slices = load["slices"]
    assert all(0 <= share <= 1.000001 for share in slices["held"] + slices["contended"])


@pytest.mark.timing
def test_switch_interval_is_inferred(folder):
    code = ("import sys, threading; sys.setswitchinterval(0.02)\n"
            "until = __import__('time').monotonic() + 0.8\n"
            "def spin():\n    while __import__('time').monotonic() < until: pass\n"
            "threads = [threading.Thread(target=spin) for _ in range(2)]\n"
            "[one.start() for one in threads]\n")
    load = trace(["-c", code], folder).summary["load"][0]
    assert load["switch_interval_seen"] and 19e6 < load["switch_interval_ns"] < 24e6, load


# --- whose the function is, and what its holder did ---

KEEPER = """
import sys
import threading
import time
sys.path.insert(0, sys.argv[1])
import keepext
def beat():
    for _ in range(60):
        time.sleep(0.005)
def work():
    for _ in range(3):
        getattr(keepext, sys.argv[2])(150.0)
threads = [threading.Thread(target=one, name=one.__name__) for one in (beat, work)]
[one.start() for one in threads], [one.join() for one in threads]
"""


def sentence_about_extension(folder, what, place="", maker=None, options=()):
    where = folder / place
    where.mkdir(parents=True, exist_ok=True)
    python = harness.an_interpreter(3, 8)
    if not harness.build_extension(python.path, harness.TARGETS / "keepext.c",
                                   where / "keepext.so",
                                   ["-DMAKER=\"%s\"" % maker] if maker else []):
        harness.require("headers of the interpreter, and a compiler")
    summary = trace(["-c", KEEPER, where, what], folder, python=python,
                    options=("--python-trace", *options)).summary
    row = next(row for row in summary["blockers"] if row["function"] == "keepext." + what)
    assert row["kept_cause"] == "call" and row["kept_known"], row
    return row


@pytest.mark.parametrize("maker,way", [(None, "Py_BEGIN_ALLOW_THREADS"),
                                       ("__pyx_capi__", "Cython's `with nogil`"),
                                       ("pybind11", "pybind11's `gil_scoped_release`")])
@pytest.mark.timing
def test_the_programs_own_extension_is_told_how_to_release(maker, way, folder):
    row = sentence_about_extension(folder, "keep", maker=maker,
                                   options=("--gil-source", "agent"))
    assert "an extension of the program's own: release the GIL around the work (%s)" % way in \
        row["sentence"], row
    assert row["kept_cpu_ns"] > 300e6 and row["kept_asleep_ns"] < 20e6, row


@pytest.mark.timing
def test_of_an_installed_package_the_call_is_to_be_moved(folder):
    row = sentence_about_extension(folder, "keep", "site-packages")
    assert "It belongs to the package keepext: give it less per call, or move the call in work" \
        in row["sentence"] and "ALLOW_THREADS" not in row["sentence"], row


def test_of_python_itself_nothing_is_to_be_released(folder):
    summary, _ = culprit("sort", folder, None)
    assert "It is a part of Python: give it less" in summary["blockers"][0]["sentence"]


PARTLY = """
import itertools, threading, time
ended = threading.Event()
def beat():
    while not ended.is_set():
        for _ in range(1000): pass
def work():
    for _ in range(3):
        any(itertools.chain(map(time.sleep, [0.01] * 5), itertools.repeat(0, 30000000)))
    ended.set()
threads = [threading.Thread(target=one, name=one.__name__) for one in (beat, work)]
[one.start() for one in threads], [one.join() for one in threads]
"""


def test_a_call_that_releases_a_part_of_the_time_is_not_said_to_release_never(folder):
    summary = trace(["-c", PARTLY], folder, python=harness.an_interpreter(3, 8),
                    options=["--gil-source", "agent"]).summary
    row = next(row for row in summary["blockers"] if row["function"] == "any")
    assert row["kept_cause"] == "call" and row["retakes"] == 15, row
    assert "It does not release the GIL for a part of what it does." in row["sentence"], row


@pytest.mark.parametrize("source", ["agent", "uprobes"])
@pytest.mark.timing
def test_who_sleeps_with_the_gil_is_said_to_sleep_and_in_what(source, folder):
    row = sentence_about_extension(folder, "nap", options=("--gil-source", source))
    assert "It slept with the GIL, in poll." in row["sentence"], row
    assert "release the GIL around the wait" in row["sentence"], row
    assert row["kept_asleep_ns"] > 300e6 and row["kept_cpu_ns"] < 50e6, row


@pytest.mark.parametrize("source", ["agent", "uprobes", "functions", "futex"])
@pytest.mark.timing
def test_the_switch_interval_is_told_where_it_is_not_the_default(source, folder):
    code = "import sys; sys.setswitchinterval(0.02)\n" + KEEPER.replace("import keepext\n", "") \
        .replace("getattr(keepext, sys.argv[2])(150.0)", "sum(range(6000000))")
    summary = trace(["-c", code, "."], folder, options=("--gil-source", source)).summary
    load = summary["load"][0]
    assert load["switch_interval_source"] == "deadlines", load
    assert 19.6e6 < load["switch_interval_ns"] < 20.4e6, load
    assert any("the switch interval is 20.0 ms: this program set sys.setswitchinterval(0.02)" in one
               for one in summary["findings"]), summary["findings"]
