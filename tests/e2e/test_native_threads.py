# SPDX-License-Identifier: MIT
"""Threads that Python did not start, and that take the GIL by PyGILState_Ensure again and again."""
import subprocess

import harness
import pytest
from harness import target, trace

ALL_WAYS = "fresh,nested,detached,own,swapped"
OLD = [one for one in harness.interpreters() if not one.at_least(3, 12)]
HOOK = "sets the profile hook itself"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("native") / "callbacks.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(harness.TARGETS / "callbacks.c"), "-o", str(path),
                    "-lpthread"], check=True)
    return path


def run(library, folder, python, threads, calls, ways, *action, options=("--gil-source", "agent")):
    words = [target("callbacks"), str(library), str(threads), str(calls), ways, *action]
    return trace(words, folder, python, options)


def count(traced, name):
    return sum(event.get("name") == name for event in traced.document["traceEvents"])


def test_each_call_is_seen_whatever_thread_state_it_has(library, interpreter, folder):
    traced = run(library, folder, interpreter, 3, 8, ALL_WAYS)
    assert int(traced.run.out) == count(traced, "progress") == 3 * 8 * 5
    assert HOOK not in traced.run.err


@pytest.mark.parametrize("threads", [1, 40])
def test_few_and_many_threads(library, folder, threads):
    for python in OLD[:1] + OLD[-1:]:
        traced = run(library, folder, python, threads, 5, "fresh")
        assert count(traced, "progress") == threads * 5
        assert HOOK not in traced.run.err


@pytest.mark.needs_perf
@pytest.mark.timing
def test_blame_is_on_the_callback(library, folder):
    for python in OLD[-1:] + [harness.an_interpreter(3, 12)]:
        traced = run(library, folder, python, 4, 60, "fresh", options=())
        rows = traced.summary["blockers"]
        native = sum(row["waiting_ns"] for row in rows if row["kind"] == "native")
        assert rows[0]["function"] == "progress", rows[0]
        assert native < 0.2 * rows[0]["waiting_ns"], rows


@pytest.mark.parametrize("action, function", [("hook", "hooked"), ("profile", "profiled")])
@pytest.mark.timing
def test_a_hook_that_the_program_sets_is_told(library, folder, action, function):
    """Its calls up to the hook are known, none is left open, and it is said once a thread."""
    for python in OLD:
        traced = run(library, folder, python, 2, 6, "fresh,detached", action)
        assert count(traced, function) == 24
        assert count(traced, "progress") < 24
        assert traced.run.err.count(HOOK) >= 1
        calls = [event for event in traced.document["traceEvents"] if event.get("name") == function]
        assert max(event["dur"] for event in calls) < 1e5


def test_from_run_to_run_threads_of_one_name_are_one(library, folder):
    summary = folder / "summary.json"
    words = [target("callbacks"), str(library), "3", "10", "fresh"]
    run_ = harness.giltracer(["--repeat", "2", "--gil-source", "agent", "--python", OLD[-1].path,
                              "--summary", summary, "-o", folder / "x.json", *words], folder)
    assert run_.status == 0, run_
    document = harness.read_json(summary)
    (gil,) = document["gils"]
    workers = [row for row in gil["threads"] if not row["main"]]
    last = sum(row["hold_ns"] for row in workers) / sum(row["lifetime_ns"] for row in workers)
    (metric,) = [one for one in document["metrics"]["list"]
                 if one["name"] == "thread native-worker: hold"]
    assert 0 < metric["least"] <= last * 1.00001 and last * 0.99999 <= metric["greatest"] <= 1


def test_threads_of_one_name_are_told_apart(library, folder):
    traced = run(library, folder, OLD[-1], 3, 30, "fresh")
    rows = [row for row in traced.gil()["threads"] if not row["main"]]
    assert {row["label"] for row in rows} == {"native-worker"} and len(rows) == 3
    table, rest = traced.run.err.split("Blockers:")
    for row in rows:
        assert "native-worker (%d)" % row["tid"] in table
    for text in [rest, *[row["sentence"] for row in traced.summary["blockers"]]]:
        assert text.count("native-worker") == text.count("native-worker (")
