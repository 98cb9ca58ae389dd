# SPDX-License-Identifier: MIT
"""Locks by probes alone, without the agent: how long threads waited, for which lock, and which thread
had it. The programs know it themselves (targets/locks.py, parallel.py)."""
import json
import subprocess

import harness
import pytest
from harness import giltracer, target, trace

pytestmark = pytest.mark.needs_perf
PROBES = ("--gil-source", "uprobes", "--no-python-trace")
PYTHONS = sorted((one for one in harness.interpreters() if (3, 7) <= one.version[:2]),
                 key=lambda one: one.version)
FREE = "without a GIL"
some = pytest.mark.parametrize("which", [PYTHONS[0].name, PYTHONS[-1].name, FREE])
each = pytest.mark.parametrize("which", [one.name for one in PYTHONS] + [FREE])


def python_of(which):
    return harness.free_threaded() if which == FREE else next(
        one for one in PYTHONS if one.name == which)


def lives_ns(traced):
    return sum(thread["end_ns"] - thread["start_ns"] for thread in traced.summary["threads"])


def run(words, folder, which, *options, **more):
    traced = trace(words, folder, python=python_of(which), options=(*PROBES, *options), **more)
    assert not traced.summary["functions"], traced.run
    rows = traced.summary.get("locks", {"rows": []})["rows"]
    for row in rows:
        assert row["charged_ns"] + row["handover_ns"] + row["unknown_ns"] == row["wait_ns"]
        assert sum(holder["ns"] for holder in row["holders"]) <= row["charged_ns"]
        assert all(holder["kind"] == "native" for holder in row["holders"]), row["holders"]
    return traced, rows


@some
@pytest.mark.parametrize("what", ["held", "rlock"])
@pytest.mark.timing
def test_waits_are_as_long_as_the_program_measured(what, which, folder):
    traced, rows = run([target("locks"), what], folder, which)
    truth = sorted(json.loads(traced.run.out).values())
    row = rows[0]
    assert sum(one["wait_ns"] for one in rows[1:]) < 0.03 * sum(truth), rows
    assert abs(row["wait_ns"] - sum(truth)) < 0.03 * sum(truth), (row, truth)
    for waiter, measured in zip(sorted(one["ns"] for one in row["waiters"]), truth):
        assert abs(waiter - measured) < 0.03 * measured + 2e6, (row["waiters"], truth)
    assert row["charged_ns"] > 0.9 * row["wait_ns"], row
    assert len(row["holders"]) == 4 and row["holders"][-1]["ns"] > 0.05 * row["wait_ns"], row
    assert all(pair["thread"] != pair["holder"] for pair in row["pairs"]), row["pairs"]
    assert "Locks:\n" in traced.run.err and "lock wait%" in traced.run.err
    assert any("ock-bound" in finding for finding in traced.summary["findings"])


@some
@pytest.mark.timing
def test_woken_waiters_wait_for_the_notifier(which, folder):
    """Not for the news that it brought."""
    _, rows = run([target("locks"), "condition"], folder, which)
    row = max(rows, key=lambda one: one["wait_ns"])
    assert row["waits"] >= 3 and len(row["waiters"]) == 3, rows
    assert abs(row["wait_ns"] - 300e6) < 30e6
    assert row["holders"][0]["ns"] > 0.9 * row["wait_ns"], row


@each
@pytest.mark.parametrize("what", ["queue", "join", "event", "own", "idle"])
def test_who_waits_for_news_waits_for_no_lock(what, which, folder):
    traced, rows = run([target("locks"), what], folder, which)
    assert sum(row["wait_ns"] for row in rows) < 0.005 * lives_ns(traced), rows
    assert not any("ock-bound" in finding for finding in traced.summary["findings"])


POOL = """
import concurrent.futures, queue, threading, time
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for _ in range(60):
        list(pool.map(time.sleep, [0.001] * 8))
one, other = queue.Queue(), queue.Queue()
def answer():
    for _ in range(200):
        other.put(one.get())
thread = threading.Thread(target=answer)
thread.start()
for number in range(200):
    one.put(number)
    other.get()
thread.join()
"""


@each
def test_who_is_given_work_all_the_time_waits_for_no_lock(which, folder):
    """Threads of a pool pass on that there are more jobs; two threads answer each other, each time by a
    lock of the same address."""
    traced, rows = run(["-c", POOL], folder, which)
    assert sum(row["wait_ns"] for row in rows) < 0.02 * lives_ns(traced), rows


FOREIGN = """
import ctypes, multiprocessing, threading, time
libc = ctypes.CDLL(None)
one = (ctypes.c_char * 64)()
assert libc.sem_init(one, 0, 1) == 0
shared = multiprocessing.get_context("fork").Lock()
def foreign():
    for _ in range(5):
        libc.sem_wait(one); time.sleep(0.01); libc.sem_post(one)
        with shared: time.sleep(0.01)
threads = [threading.Thread(target=foreign) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@some
def test_semaphores_of_others_are_no_locks(which, folder):
    traced, rows = run(["-c", FOREIGN], folder, which)
    assert sum(row["wait_ns"] for row in rows) < 0.005 * lives_ns(traced), rows


@pytest.mark.parametrize("kind", ["list", "dict"])
@pytest.mark.timing
def test_who_had_an_object_of_all_threads_is_known(kind, folder):
    traced, rows = run([target("parallel"), kind, "0.4"], folder, FREE)
    row = rows[0]
    assert row["kind"] == "mutex" and row["type"] == kind, row
    assert row["wait_ns"] > 0 and row["unknown_ns"] <= 0.1 * row["wait_ns"], row
    assert "(%s)" % kind in traced.run.err or not traced.summary["locks"]["matter"]
    parallel = traced.summary["parallel"]
    assert parallel["locked_ns"] == sum(one["wait_ns"] for one in rows)
    assert parallel["stopped_ns"] is None
    assert "lock wait%" in traced.run.err and "stopped%" not in traced.run.err


@pytest.mark.parametrize("mode", ["own", "collect"])
@pytest.mark.timing
def test_threads_with_lists_of_their_own_wait_for_no_lock(mode, folder):
    traced, _ = run([target("parallel"), mode, "0.5"], folder, FREE)
    assert traced.summary["parallel"]["locked_ns"] <= 0.005 * lives_ns(traced)


def test_what_a_thread_does_for_its_own_locks_is_not_recorded(folder):
    """It parks, and has given the lock itself: it does not come to where one waits."""
    traced, rows = run([target("parallel"), "read", "2000"], folder, FREE)
    assert not rows and traced.summary["parallel"]["spins"] is None


def test_conditions_on_locks_are_judged(folder):
    def judged(*conditions):
        return giltracer([*PROBES, "--no-output",
                          *(word for one in conditions for word in ("--fail-if", one)),
                          target("locks"), "held"], folder)
    run = judged("lock_wait > 5%")
    assert run.status == 3 and "breached: lock_wait > 5%: it is " in run.err, run
    run = judged("stopped > 1%")
    assert "waits for locks were not recorded: stopped > 1%" in run.err, run


def test_a_recording_that_is_kept_tells_the_same(folder):
    traced, rows = run([target("locks"), "held"], folder, PYTHONS[-1].name, "--keep",
                       folder / "kept")
    done = subprocess.run([str(harness.PERF2TRACE), "-o", str(folder / "again.json"),
                           str(folder / "kept")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done
    again = harness.read_json(folder / "again.json")["giltracer"]["locks"]
    assert again["rows"] == rows and rows, traced.run


def test_where_the_agent_is_there_are_no_such_probes(folder):
    """It records the same, and more."""
    by_agent = giltracer(["-v", "--no-output", "--gil-source", "uprobes", target("locks"), "held"],
                         folder)
    alone = giltracer(["-v", "--no-output", *PROBES, target("locks"), "held"], folder)
    assert "Locks:\n" in by_agent.err and "Locks:\n" in alone.err, (by_agent, alone)
    assert ":semaphore_wait" in alone.err and ":semaphore_" not in by_agent.err, (by_agent, alone)
