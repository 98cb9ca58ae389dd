# SPDX-License-Identifier: MIT
"""The truth about known programs, on every interpreter there is."""
import re

import harness
import pytest
from harness import row_named, share, target, trace

pytestmark = pytest.mark.needs_perf


def workers(gil):
    rows = [row for row in gil["threads"] if not row["main"]]
    assert len(rows) == 2, [row["label"] for row in gil["threads"]]
    return rows


@pytest.mark.timing
def test_two_workers_share_the_gil(interpreter, folder):
    traced = trace([target("two_workers"), "0.6"], folder, interpreter)
    gil = traced.gil()
    for row in workers(gil):
        assert 0.3 <= share(row, "wait_ns") <= 0.7, harness.describe(traced.summary)
        assert 0.3 <= share(row, "hold_ns") <= 0.7, harness.describe(traced.summary)
        assert row["blocked_by"] and row["blocked_by"][0]["tid"] != row["tid"]
    quality = traced.summary["quality"]
    assert quality["overlaps"] == 0 and quality["accounting_errors"] == 0
    assert quality["lost_events"] == 0 and not traced.summary["lost"]


def trace_holder(folder, python, options=()):
    """(report, waiter's row, sleeper's row); what the program itself measured is the truth."""
    traced = trace([target("holder"), "hold"], folder, python, options)
    gil = traced.gil()
    (waiter,) = [row for row in gil["threads"] if not row["main"]]
    (sleeper,) = [row for row in gil["threads"] if row["main"]]
    truth_ns = int(traced.run.out.split()[2])
    assert abs(waiter["wait_ns"] - truth_ns) <= 25e6, (truth_ns, harness.describe(traced.summary))
    assert 475e6 <= waiter["wait_ns"] <= 525e6, (truth_ns, harness.describe(traced.summary))
    return traced, waiter, sleeper


@pytest.mark.timing
def test_a_sleep_in_c_that_keeps_the_gil_is_waited_for(interpreter, folder):
    traced, waiter, sleeper = trace_holder(folder, interpreter)
    assert waiter["longest_wait_ns"] >= 95e6 and waiter["waits"] >= 5
    assert sleeper["hold_ns"] >= 495e6
    blocker = waiter["blocked_by"][0]
    assert blocker["tid"] == sleeper["tid"] and blocker["share"] > 0.95
    if interpreter.at_least(3, 8):
        ids = traced.run.out.split()[:2]
        assert [sleeper["tid"], waiter["tid"]] == [int(word) for word in ids]


@pytest.mark.timing
def test_a_sleep_in_c_that_releases_the_gil_is_not(interpreter, folder):
    traced = trace([target("holder"), "release"], folder, interpreter)
    for row in traced.gil()["threads"]:
        assert row["wait_ns"] < 25e6, harness.describe(traced.summary)
        assert share(row, "wait_ns") < 0.05, harness.describe(traced.summary)


@pytest.mark.parametrize("source, python", [
    *(("uprobes", one) for one in harness.newest(3, 7)),
    *(("functions", one) for one in harness.newest(3, 7, symbols=True))], ids=str)
def test_a_single_thread_never_waits(source, python, folder):
    traced = trace([target("single"), "100000"], folder, python, ["--gil-source", source])
    (row,) = traced.gil()["threads"]
    assert row["wait_ns"] == 0 and row["waits"] == 0
    assert row["holds"] >= 100000
    assert "  0.0 " in [line for line in traced.run.err.splitlines() if str(row["tid"]) in line][0]


@pytest.mark.parametrize("python", [one for one in harness.interpreters() if one.at_least(3, 12)],
                         ids=str)
@pytest.mark.timing
def test_sub_interpreters_have_their_own_gils(python, folder):
    """They do since 3.12."""
    traced = trace([target("subinterpreters")], folder, python)
    gils = traced.summary["gils"]
    assert len(gils) == 3 and [gil["number"] for gil in gils] == [0, 1, 2]
    assert len({gil["address"] for gil in gils}) == 3
    # The main interpreter's is wanted by three threads, for moments, at their start and end.
    assert gils[0]["wait_ns"] <= 0.05 * max(row["lifetime_ns"] for row in gils[0]["threads"])
    for gil in gils[1:]:
        assert gil["wait_ns"] == 0, harness.describe(traced.summary)
        busy = max(gil["threads"], key=lambda row: row["hold_ns"])
        assert busy["hold_ns"] > 250e6 and not busy["main"], harness.describe(traced.summary)
    blocks = re.findall(r"^subinterpreters\.py \(pid (\d+)\), GIL (\d+):$", traced.run.err, re.M)
    assert blocks == [(str(gil["pid"]), str(gil["number"])) for gil in gils], traced.run


@pytest.mark.parametrize("python", harness.newest(3, 7, symbols=True), ids=str)
@pytest.mark.timing
def test_function_probes_agree_with_libc_probes(python, folder):
    """The same program through either source: the same picture, within the noise of two runs."""
    for source, kind in (("uprobes", "cond"), ("functions", "functions")):
        traced, _, _ = trace_holder(folder, python, ["--gil-source", source])
        assert traced.gil()["source"] == kind


@pytest.mark.parametrize("python", [one for one in harness.interpreters()
                                    if one.version[:2] == (3, 8) and one.has_symbols], ids=str)
@pytest.mark.timing
def test_every_clone_of_take_gil_is_probed(python, folder):
    """3.8's take_gil.constprop.0 takes most of them."""
    traced = trace([target("two_workers"), "0.4"], folder, python, ["--gil-source", "functions"])
    for row in workers(traced.gil()):
        assert 0.3 <= share(row, "wait_ns") <= 0.7, harness.describe(traced.summary)
        assert 0.3 <= share(row, "hold_ns") <= 0.7, harness.describe(traced.summary)


def test_stripped_interpreter_refuses_function_probes(folder):
    run = harness.giltracer(["--python", harness.DEBIAN_PYTHON, "--gil-source", "functions",
                             "-o", folder / "x.json", target("single")], folder)
    line = harness.one_line_error(run, 125)
    assert "take_gil" in line and "uprobes" in line


def test_threads_are_named(folder):
    traced = trace([target("holder"), "hold"], folder, harness.an_interpreter(3, 7))
    gil = traced.gil()
    labels = {row["label"] for row in gil["threads"]}
    assert len(labels) == 2
    main = [row for row in gil["threads"] if row["main"]][0]
    assert row_named(gil, main["label"])["tid"] == gil["pid"]
