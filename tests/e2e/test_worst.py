# SPDX-License-Identifier: MIT
"""Half a bad second in four idle ones: it is told, where it is, and a condition sees it."""
import re

import harness
import pytest
from harness import giltracer, target, trace

pytestmark = pytest.mark.needs_perf
SOURCES = {"uprobes": "worker-*", "agent": "worker-*", "futex": "thread *"}  # what threads are called


def near(actual, expected, length):
    assert abs(actual - expected) <= 0.05 * length, (actual, expected, length)


@pytest.mark.timing
@pytest.mark.parametrize("source", SOURCES)
def test_the_worst_stretch_is_when_the_workers_contended(source, folder):
    kind = SOURCES[source]
    traced = trace([target("burst")], folder, options=("--gil-source", source))
    start, end = map(int, traced.run.out.split())
    summary, zero_ns = traced.summary, traced.summary["run"]["start_ns"]
    (worst,) = summary["worst"]
    stretch = worst["stretch"]
    near(stretch["start_ns"] + zero_ns, start, end - start)
    near(stretch["end_ns"] + zero_ns, end, end - start)
    assert (stretch["waiters"], stretch["threads"]) == (kind + " (4 threads)", 4), stretch
    share = stretch["waiters_wait_ns"] / stretch["waiters_lives_ns"]
    assert 0.6 < share < 0.8, stretch  # one of four has it
    moment = stretch["start_ns"] // 10**7
    assert re.match(
        r"Worst stretch: in the [0-9.]+ m?s from 00:0%d\.%02d, %s \(4 threads\) waited for the GIL "
        r"%.1f%% of their time\. The stretch has [0-9.]+%% of all waiting for it, in 1[0-9.]+%% of the time\.$"
        % (moment // 100, moment % 100, re.escape(kind), 100 * share), worst["sentence"]), worst
    assert worst["sentence"] in summary["findings"]
    check_while_wanted(summary["gils"][0], stretch)


def check_while_wanted(gil, stretch):
    """All that contended did so in that half second."""
    near(gil["contended_ns"], stretch["end_ns"] - stretch["start_ns"],
         stretch["end_ns"] - stretch["start_ns"])
    workers = [row for row in gil["threads"] if not row["main"]]
    waited, lived, wanted = (sum(row[key] for row in workers)
                             for key in ("wait_ns", "lifetime_ns", "contended_ns"))
    assert waited < 0.15 * lived and 0.6 < waited / wanted < 0.8, workers


@pytest.mark.timing
def test_conditions_see_the_worst_window(folder):
    conditions = ["wait > 20%", "worst(1s).wait > 20%", "worst(1s).wait > 50%",
                  'thread("worker-*").worst(400ms).wait > 60%', "worst(400ms).hold > 390ms",
                  'thread("main").worst(1s).wait > 20%']
    flags = [word for each in conditions for word in ("--fail-if", each)]
    run = giltracer(["-o", folder / "x.json", *flags, target("burst"), "1", "1"], folder)
    assert run.status == 3, run
    breached = [line for line in run.err.splitlines() if "breached:" in line]
    assert len(breached) == 3, run
    for line, condition in zip(breached, (conditions[1], *conditions[3:5])):
        found = re.search(re.escape(condition) + r": it is [0-9.]+ ?(?:%|ms)"
                          r"(?: of worker-\d)? from 00:0[012]\.\d\d on$", line)
        assert found, line
    assert "Worst stretch:" in run.err and "while wanted%" in run.err, run
    metrics = harness.read_json(folder / "x.json")["giltracer"]["metrics"]["list"]
    worst = {each["name"]: each["median"] for each in metrics if each["name"].startswith("worst(")}
    assert sorted(worst) == ["worst(0.1s).wait", "worst(1s).wait", "worst(2s).wait"]
    assert 0.2 < worst["worst(1s).wait"] < 0.5 < worst["worst(0.1s).wait"] < 0.8, worst
