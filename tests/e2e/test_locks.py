# SPDX-License-Identifier: MIT
"""Locks: how long threads waited, for which lock, and what had it. The programs know it
themselves (targets/locks.py)."""
import collections
import json
import subprocess

import harness
import pytest
from harness import target, trace
from test_profiles import Pprof

PYTHONS = sorted((one for one in harness.interpreters() if (3, 7) <= one.version[:2]),
                 key=lambda one: one.version)
some = pytest.mark.parametrize(
    "python", [PYTHONS[0], PYTHONS[-1]], ids=[PYTHONS[0].name, PYTHONS[-1].name])


def run(what, folder, python, *options):
    traced = trace([target("locks"), what], folder, python=python,
                   options=("--gil-source", "agent", *options))
    locks = traced.summary.get("locks", {"rows": []})
    for row in locks["rows"]:
        assert row["charged_ns"] + row["handover_ns"] + row["unknown_ns"] == row["wait_ns"]
        assert sum(holder["ns"] for holder in row["holders"]) <= row["charged_ns"]
    return traced, locks["rows"], json.loads(traced.run.out)


@some
@pytest.mark.parametrize("what", ["held", "rlock"])
@pytest.mark.timing
def test_waits_are_as_long_as_the_program_measured(what, python, folder):
    traced, rows, truth = run(what, folder, python)
    row, waited = rows[0], sum(truth.values())
    # Threads that begin and end pass on locks of their own for a moment, too.
    assert row["locks"] == 1 and sum(one["wait_ns"] for one in rows[1:]) < 0.03 * waited, rows
    assert abs(row["wait_ns"] - waited) < 0.03 * waited, (row["wait_ns"], waited)
    for waiter in row["waiters"]:
        measured = truth[waiter["label"]]
        assert abs(waiter["ns"] - measured) < 0.03 * measured + 2e6, (waiter, measured)
    assert row["function"] == "timed" and row["file"].endswith("locks.py")
    assert row["unknown_ns"] < 0.1 * row["wait_ns"]
    first = row["holders"][0]
    assert first["function"] == "time.sleep" and first["caller"] == "keep_it"
    assert first["ns"] > 0.9 * row["wait_ns"]
    assert traced.summary["locks"]["matter"]
    assert "Locks:\n" in traced.run.err and "lock wait%" in traced.run.err
    assert any("the lock taken in timed" in finding for finding in traced.summary["findings"])


@some
def test_each_wait_is_in_trace_and_profiles(python, folder):
    traced, rows, _ = run("held", folder, python, "-o", folder / "x.folded", "-o",
                          folder / "x.pb.gz")
    label_of = {thread["thread"]: f"{thread['label']} ({thread['tid']})"
                for thread in traced.summary["threads"]}
    events = traced.document["traceEvents"]
    tracks = {(event["pid"], event["tid"]): event["args"]["name"] for event in events
              if event["ph"] == "M" and event["name"] == "thread_name"}
    waits = [event for event in events if event.get("cat") == "lock"]
    assert len(waits) == sum(row["waits"] for row in traced.summary["locks"]["rows"])
    waited, had_by = collections.Counter(), collections.Counter()
    for wait in waits:
        waited[tracks[wait["pid"], wait["tid"]]] += wait["dur"]
        if wait["args"]["lock"] == waits[-1]["args"]["lock"]:
            had_by[wait["args"].get("had_by")] += 1
    for waiter in rows[0]["waiters"]:
        assert abs(waited[waiter["label"] + " locks"] - waiter["ns"] / 1000) < 1
    assert set(had_by) == {label_of[pair["holder"]] for pair in rows[0]["pairs"]
                           if pair["ns"] > 15e6}, (had_by, rows[0]["pairs"])
    total = traced.summary["locks"]["wait_ns"]
    profile = Pprof(folder / "x.pb.gz")
    assert profile.types[3] == ("lock", "nanoseconds")
    assert sum(values[3] for _, values, _ in profile.samples) == total
    lines = [line for line in (folder / "x.folded").read_text().splitlines()
             if ";[lock wait] " in line]
    folded = sum(int(line.rsplit(" ", 1)[1]) for line in lines)
    assert 0 <= folded - total / 1000 <= len(lines)
    assert any(";keep_it;timed;" in line for line in lines), lines


@some
@pytest.mark.timing
def test_woken_waiters_wait_for_the_notifier(python, folder):
    """Not for the news that it brought."""
    _, rows, _ = run("condition", folder, python)
    assert rows[0]["waits"] >= 3 and sum(one["wait_ns"] for one in rows[1:]) < 5e6, rows
    assert abs(rows[0]["wait_ns"] - 300e6) < 30e6
    assert rows[0]["holders"][0]["caller"] == "notify"
    assert {waiter["label"] for waiter in rows[0]["waiters"]} == {f"worker-{i}" for i in range(3)}


@some
@pytest.mark.parametrize("what", ["queue", "join", "event", "own"])
def test_who_waits_for_news_waits_for_no_lock(what, python, folder):
    traced, rows, _ = run(what, folder, python)
    lives = sum(thread["end_ns"] - thread["start_ns"] for thread in traced.summary["threads"])
    assert sum(row["wait_ns"] for row in rows) < 0.005 * lives, rows
    assert "Locks:\n" not in traced.run.err


@pytest.mark.parametrize("functions", ["--python-trace", "--no-python-trace"])
@pytest.mark.parametrize("python", PYTHONS, ids=lambda one: one.name)
def test_who_has_nothing_to_do_waits_for_no_lock(python, functions, folder):
    """Threads of a pool get jobs from a queue, and give each other what they wait for there."""
    traced, rows, _ = run("idle", folder, python, functions)
    lives = sum(thread["end_ns"] - thread["start_ns"] for thread in traced.summary["threads"])
    assert lives > 3e9
    assert sum(row["wait_ns"] for row in rows) < 0.01 * lives, rows
    assert not any("ock-bound" in finding for finding in traced.summary["findings"])


@pytest.mark.timing
def test_locks_that_are_given_up_and_addresses_that_are_used_anew(folder):
    _, rows, truth = run("timeout", folder, PYTHONS[-1])
    assert rows[0]["gave_up"] == 4
    assert abs(rows[0]["charged_ns"] - truth["worker-0"]) < 0.05 * truth["worker-0"]
    _, rows, _ = run("reused", folder, PYTHONS[-1])
    assert rows[0]["locks"] == 5 and rows[0]["waits"] == 5


def test_without_functions_a_join_is_no_lock_either(folder):
    _, rows, _ = run("join", folder, PYTHONS[0], "--no-python-trace")
    assert not rows
    _, rows, _ = run("held", folder, PYTHONS[0], "--no-python-trace")
    assert len(rows) == 1
    assert all(holder["kind"] == "native" for holder in rows[0]["holders"])


def test_conditions_on_locks(folder):
    """In CI: waits that are too long fail the run, where it is known that there are any."""
    def judged(*conditions, source="agent"):
        return harness.giltracer(
            ["--no-output", "--gil-source", source,
             *(word for one in conditions for word in ("--fail-if", one)), target("locks"), "held"],
            folder)
    run = judged("lock_wait > 5%", 'lock("timed") > 2%', 'lock("locks.timed") > 10s')
    assert run.status == 3 and "breached: lock_wait > 5%: it is " in run.err, run
    assert 'breached: lock("timed") > 2%' in run.err and "10s: it is" not in run.err


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("mutexes") / "mutexes.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(harness.TARGETS / "mutexes.c"), "-o", str(path),
                    "-lpthread"], check=True)
    return path


@pytest.mark.parametrize("how", ["without", "with"])
@pytest.mark.timing
def test_a_mutex_of_an_extension(how, library, folder):
    traced = trace([target("mutexes"), library, how], folder, python=PYTHONS[-1],
                   options=("--gil-source", "agent"))
    row, = (row for row in traced.summary["locks"]["rows"] if row["wait_ns"] > 50e6)
    assert row["kind"] == "native" and row["function"] == "wait_for_it"
    assert abs(row["wait_ns"] - 150e6) < 30e6
    assert row["charged_ns"] > 0.9 * row["wait_ns"]
    assert row["holders"][0]["function"] == "keep_it", row["holders"]
    assert (row["with_gil"] == 1) == (how == "with")
    assert ("a thread that had the GIL waited for" in traced.run.err) == (how == "with")


@pytest.mark.timing
def test_a_deadlock_of_the_gil_and_a_mutex_is_named(library, folder):
    traced = trace([target("mutexes"), library, "deadlock"], folder, python=PYTHONS[-1],
                   options=("--gil-source", "agent"), status=128 + 14)
    finding, = (one for one in traced.summary["findings"] if one.startswith("Deadlock: "))
    assert finding.startswith("Deadlock: waiter had the GIL and waited for a mutex of C's in "
                              "wait_for_it")
    assert finding.endswith("that owner had, which waited for the GIL, until the end.")
