# SPDX-License-Identifier: MIT
"""The GIL seen by probes and by the agent at once: both see the same, and where probes cost too
much they are taken out, without a seam."""

import os
import random

import pytest

import harness
from harness import an_interpreter, interpreters, target, trace

pytestmark = [pytest.mark.needs_perf, pytest.mark.needs_root]


def traced(folder, python, arguments, *options):
    found = trace([target("late_loop"), *map(str, arguments)], folder, python,
                  ["--no-python-trace", *options])
    assert found.summary["sources"], found.run
    return found


def check_workers(summary, pairs, count):
    """Each thread had the GIL once more than it gave it up in its loop, and that is known of all
    of its time. Once or twice more: as it begins and ends it meets locks."""
    (gil,) = [gil for gil in summary["gils"] if len(gil["threads"]) > count]
    rows = [row for row in gil["threads"] if not row["main"]]
    assert len(rows) == count, harness.describe(summary)
    for row in rows:
        assert pairs < row["holds"] <= pairs + 8, (pairs, harness.describe(summary))
        assert row["unknown_ns"] == 0, harness.describe(summary)
    quality = summary["quality"]
    assert not quality["unmatched_takes"] and not quality["unmatched_releases"], quality
    assert not quality["overlaps"] and not quality["accounting_errors"], quality


def test_both_see_the_same(interpreter, folder):
    """To the program's exit: each acquisition, release and wait."""
    found = traced(folder, interpreter, [0, 300, 3], "--overhead-budget", "0")
    sources = found.summary["sources"]
    check_workers(found.summary, 300, 3)
    assert sources["agree"] and not sources["agent_only"] + sources["probes_only"], sources
    assert sources["probes_out_ns"] is None, sources
    assert sources["both"] > 3 * 300 * 2, sources
    for key in ("acquisitions", "releases"):
        assert sources["agent"][key] == sources["probes"][key], sources
    assert "Probes and agent agree: both saw the same %d " % sources["both"] in found.run.err


def test_below_the_budget_probes_stay(folder):
    found = traced(folder, an_interpreter(), [0.3, 100, 2])
    sources = found.summary["sources"]
    assert sources["probes_out_ns"] is None and sources["agree"], sources
    lives = [gil["end_ns"] for gil in found.summary["gils"]]
    assert sources["until_ns"] > max(lives) - 50e6, (sources, lives)
    assert "taken out" not in found.run.err, found.run


@pytest.mark.parametrize("python", [one for one in interpreters()
                                    if one.version[:2] in ((3, 8), (3, 11), (3, 13))],
                         ids=str)
def test_probes_that_cost_too_much_are_taken_out(python, folder):
    found = traced(folder, python, [0.1, 150000, 2])
    sources = found.summary["sources"]
    assert sources["probes_out_ns"], found.run
    check_workers(found.summary, 150000, 2)
    assert sources["agree"], sources
    # Far from all of it was recorded by both.
    assert sources["both"] < 0.5 * 2 * 150000 * 2, sources
    assert "The probes were taken out after " in found.run.err, found.run


def test_probes_alone_stay_whatever_they_cost(folder):
    found = trace([target("late_loop"), "0", "50000", "1"], folder, an_interpreter(),
                  ["--no-python-trace", "--gil-source", "uprobes"])
    assert found.summary["sources"] is None
    assert "taken out" not in found.run.err, found.run
    (row,) = [row for row in found.gil()["threads"] if not row["main"]]
    assert 50000 < row["holds"] <= 50008, found.run


RUNS = 200 if os.environ.get("GT_LONG") else 6


@pytest.mark.parametrize("number", range(RUNS))
def test_taken_out_at_any_time(number, folder):
    """No event is missing or there twice, whenever it happens."""
    luck = random.Random(number)
    pairs, count = luck.randrange(2000, 40000), luck.choice([1, 2, 4])
    found = traced(folder, luck.choice(interpreters()), [luck.random() * 0.3, pairs, count],
                   "--overhead-budget", luck.choice(["1", "5", "15", "40"]))
    check_workers(found.summary, pairs, count)
    sources = found.summary["sources"]
    assert sources["agree"], sources


LATER = """
import os, threading, time
null = os.open("/dev/null", os.O_RDONLY)
def give_up(count):
    for _ in range(count):
        os.lseek(null, 0, 0)
def in_threads(count):
    threads = [threading.Thread(target=give_up, args=(count,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
in_threads(150000)
in_threads(700)
if os.fork() == 0:
    in_threads(300)
    time.sleep(0.05)
    os._exit(0)
os.wait()
"""


def test_lives_go_on_without_perf(interpreter, folder):
    """Threads and processes that begin after the probes were taken out."""
    script = folder / "later.py"
    script.write_text(LATER)
    found = trace([script], folder, interpreter, ["--no-python-trace"])
    assert found.summary["sources"]["probes_out_ns"], found.run
    threads = {pid: [row for gil in found.summary["gils"] if gil["pid"] == pid
                     for row in gil["threads"] if not row["main"]]
               for pid in {gil["pid"] for gil in found.summary["gils"]}}
    root = found.summary["run"]["root_pid"]
    assert len(threads) == 2, harness.describe(found.summary)
    out = found.summary["sources"]["probes_out_ns"]
    holds = sorted(row["holds"] for row in threads.pop(root) if row["start_ns"] > out)
    assert len(holds) >= 2 and all(700 < one <= 708 for one in holds[:2]), holds
    (child,) = threads.values()
    assert [300 < row["holds"] <= 308 for row in child] == [True, True], child
    for row in child:
        assert row["unknown_ns"] == 0 and row["end_ns"] - row["start_ns"] > 0, row
        assert row["end_ns"] < found.summary["run"]["wall_ns"] - 40e6, (row, found.run)


def test_states_that_were_asked_for_stay(folder):
    found = traced(folder, an_interpreter(), [0.1, 150000, 2], "--state-detect")
    assert found.summary["sources"]["probes_out_ns"], found.run
    check_workers(found.summary, 150000, 2)
    (gil,) = [gil for gil in found.summary["gils"] if len(gil["threads"]) > 2]
    for row in gil["threads"]:
        known = sum(state["ns"] for state in row["states"].values())
        assert known > 0.95 * (row["end_ns"] - row["start_ns"]), row


def test_a_process_without_the_agent_is_told_of(folder):
    """It was started without the environment that brings the agent."""
    python = an_interpreter()
    found = traced(folder, python, [0.1, 150000, 1, python.path, target("late_loop"), 1.5, 3000,
                                    1], "--overhead-budget", "1")
    sources = found.summary["sources"]
    assert sources["probes_out_ns"] and sources["unseen_processes"] == 1, found.run
    check_workers(found.summary, 150000, 1)
    lost = [one for one in found.summary["lost"] if one.get("pid")]
    assert len(lost) == 1 and "it has no agent" in lost[0]["why"], found.summary["lost"]
    assert lost[0]["start_ns"] == sources["probes_out_ns"], (lost, sources)
    assert "has no agent, nothing is known of its GIL from here on" in found.run.err, found.run
    assert "of the GIL of 1 process without it" in found.run.err, found.run
    (other,) = [gil for gil in found.summary["gils"] if gil["pid"] == lost[0]["pid"]]
    for row in other["threads"]:
        assert row["unknown_ns"] > 0 or row["end_ns"] <= lost[0]["start_ns"], row


def test_a_process_without_the_agent_goes_on_where_probes_stay(folder):
    python = an_interpreter()
    found = traced(folder, python, [0.1, 50, 1, python.path, target("late_loop"), 0.1, 500, 1])
    assert found.summary["sources"]["probes_out_ns"] is None, found.run
    (other,) = [gil for gil in found.summary["gils"]
                if gil["pid"] != found.summary["run"]["root_pid"]]
    (row,) = [row for row in other["threads"] if not row["main"]]
    assert 500 < row["holds"] <= 508 and row["unknown_ns"] == 0, found.run


@pytest.mark.parametrize("pairs, options", [(200, ["--overhead-budget", "0"]), (60000, [])],
                         ids=["stay", "out"])
def test_a_kept_recording_gives_the_same_report(pairs, options, folder):
    kept = folder / "kept"
    found = traced(folder, an_interpreter(), [0, pairs, 2], *options, "--keep", kept)
    assert (found.summary["sources"]["probes_out_ns"] is None) == bool(options), found.run
    again = folder / "again.json"
    run = harness.Run([harness.PERF2TRACE, kept / "perf.data", "--agent-log", kept / "agent",
                       "--probes", kept / "probes.data", "-o", again], folder).finish()
    assert run.status == 0, run
    summary = harness.read_json(again)["giltracer"]
    assert summary["sources"] == found.summary["sources"]
    assert [[row["holds"] for row in gil["threads"]] for gil in summary["gils"]] == \
        [[row["holds"] for row in gil["threads"]] for gil in found.summary["gils"]]


def test_probes_need_their_other_halves(folder):
    run = harness.Run([harness.PERF2TRACE, "--probes", "x", "perf.data"], folder).finish()
    assert "--probes is merged with perf.data and an agent's log" in harness.one_line_error(
        run, 125)
