# SPDX-License-Identifier: MIT
"""The switch interval, where deadlines tell it: within 2%, whatever it is and whenever it changes."""
import json

import harness
import pytest
from harness import giltracer, target
from truth.conditions import Busy

pytestmark = pytest.mark.needs_perf

PYTHONS = harness.interpreters()
SOURCES = ("agent", "uprobes", "functions", "futex")


def fits(python, source):
    return source != "functions" or python.has_symbols


def intervals_of(python, source, folder):
    """What the program set, and what the report says: lists of (seconds, since ns, until ns)."""
    output = folder / "summary.json"
    run = giltracer(["--python", python.path, "--gil-source", source, "--no-python-trace",
                     "--summary", output, "-o", folder / "x.folded", target("intervals")], folder)
    assert run.status == 0, run
    truth = [(float(one), int(since), int(until))
             for one, since, until in map(str.split, run.out.decode().splitlines())]
    assert len(truth) == 5, truth
    summary = json.loads(output.read_text())
    (load,) = summary["load"]
    assert load["switch_interval_source"] == "deadlines", load
    zero = summary["run"]["start_ns"]
    said = [(one["interval_ns"] / 1e9, zero + one["start_ns"]) for one in load["switch_intervals"]]
    return truth, said


def check(truth, said):
    """At the end of each stretch, when a wait has been begun in it, its interval is known."""
    for interval, since, until in truth:
        at = until - (until - since) // 8
        known = [value for value, start in said if start <= at]
        assert known and abs(known[-1] - interval) <= 0.02 * interval, (interval, truth, said)


@pytest.mark.parametrize("python", PYTHONS, ids=[one.name for one in PYTHONS])
@pytest.mark.timing
def test_each_interpreter(python, folder):
    source = SOURCES[PYTHONS.index(python) % 2]
    check(*intervals_of(python, source, folder))


@pytest.mark.parametrize("source", SOURCES[2:])
@pytest.mark.timing
def test_each_source_on_a_busy_machine(source, folder):
    python = next(one for one in reversed(PYTHONS) if fits(one, source))
    busy = Busy(3)
    try:
        check(*intervals_of(python, source, folder))
    finally:
        busy.remove()


@pytest.mark.long
@pytest.mark.parametrize("busy", [0, 3])
@pytest.mark.parametrize("python, source", [(python, source) for python in PYTHONS
                                            for source in SOURCES if fits(python, source)], ids=str)
@pytest.mark.timing
def test_every_interpreter_with_every_source(python, source, busy, folder):
    around = Busy(busy)
    try:
        check(*intervals_of(python, source, folder))
    finally:
        around.remove()
