# SPDX-License-Identifier: MIT
"""Recorded input, JSON out: equal to what is expected, and to the oracle."""
import difflib
import gzip
import json
import os
import subprocess

import harness
import pytest
from case import CASES, lay_out, text, words

# The oracle knows the probes of condition variables, where nothing is lost.
ORACLES = [case for case in CASES if case.name not in (
    "agent-log", "agent-log-no-space", "futex", "lost-events", "sub-interpreters", "two-sources")]
DIFFERENCES = 60


def convert(case, folder):
    lay_out(case, folder)
    argv, data = [harness.PERF2TRACE, *words(case), "-o", folder / "x.json"], text(case)
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    run = harness.Run(argv, folder, stdin=stdin).finish(data)
    assert run.status == 0, run
    assert not run.leftovers()
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    return document


def lines_of(document):
    """All of it but for giltracer's own version: the summary member by member, an event a line."""
    del document["giltracer"]["generator"]
    events = document.pop("traceEvents")
    return [*json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).split("\n"),
            *[json.dumps(event, sort_keys=True, ensure_ascii=False) for event in events]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_json_is_as_expected(case, folder):
    lines = lines_of(convert(case, folder))
    path = case / "expected.json.gz"
    expected = gzip.decompress(path.read_bytes()).decode().split("\n") if path.exists() else []
    differences = list(difflib.unified_diff(expected, lines, "expected", "found", n=1, lineterm=""))
    if os.environ.get("GT_UPDATE_GOLDEN"):
        path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
        print("\n".join(differences))
        return
    assert not differences, "%d lines of a comparison:\n%s" % (
        len(differences), "\n".join(differences[:DIFFERENCES]))


@pytest.mark.parametrize("case", ORACLES, ids=lambda case: case.name)
def test_summary_is_the_oracles(case, folder):
    """Where nothing was lost, nanosecond by nanosecond."""
    harness.check_against_oracle(convert(case, folder)["giltracer"], text(case), slack_ns=0)


def summary_of(name, folder):
    (case,) = [case for case in CASES if case.name == name]
    return convert(case, folder)["giltracer"]


def test_two_sources_of_the_gil_are_one(folder):
    """The agent saw no event that probes did not see; each is there once, at the agent's time."""
    both = summary_of("two-sources", folder)
    (sentence,) = [text for text in both["findings"] if text.startswith("Probes and agent agree")]
    agreement = both["quality"]["gil_events"]
    assert "the same %d acquisitions, releases and waits" % agreement in sentence, sentence


def test_losses_are_counted_and_unknown(folder):
    """perf said four times that it lost events, 949 in all: no thread's time hides that."""
    summary = summary_of("lost-events", folder)
    assert summary["quality"]["lost_events"] == 16 + 73 + 335 + 525
    assert summary["lost"]
    assert sum(piece["events"] for piece in summary["lost"]) == 949
    (gil,) = summary["gils"]
    (row,) = gil["threads"]
    assert row["unknown_ns"] > 0 and row["wait_ns"] == 0


def test_a_full_disk_ends_what_is_known(folder):
    """It is said once, of the process, and known is each thread up to there."""
    summary = summary_of("agent-log-no-space", folder)
    (lost,) = summary["lost"]
    assert "No space left" in lost["why"], lost
    for row in summary["gils"][0]["threads"]:
        since_ns = max(row["start_ns"], lost["start_ns"])
        assert row["unknown_ns"] == max(0, row["end_ns"] - since_ns), row


def with_viztracer(folder, time_us):
    """perf2trace of an agent's log and a VizTracer trace with one call at that time, no text."""
    (case,) = [case for case in CASES if case.name == "agent-log"]
    alone = convert(case, folder)["giltracer"]
    events = [{"ph": "X", "pid": alone["gils"][0]["pid"], "tid": alone["gils"][0]["pid"],
               "ts": alone["run"]["start_ns"] / 1000 + time_us, "dur": 10, "cat": "fee",
               "name": "only_in_viztracer (x.py:1)"}]
    (folder / "viztracer.json").write_text(json.dumps(
        {"traceEvents": events, "viztracer_metadata": {"version": "1.0.0"}}))
    return alone, harness.Run([harness.PERF2TRACE, "--agent-log", "agent", "--viztracer",
                               "viztracer.json", "-o", "both.json"], folder,
                              stdin=subprocess.DEVNULL).finish()


def test_functions_of_viztracer_leave_the_agents_gil_as_it_is(folder):
    alone, run = with_viztracer(folder, 1000)
    assert run.status == 0, run
    both = harness.read_json(folder / "both.json")
    assert both["giltracer"]["gils"] == alone["gils"]
    assert any(event["name"] == "only_in_viztracer" for event in both["traceEvents"])


def test_a_trace_of_another_run_than_the_agents_is_refused(folder):
    _, run = with_viztracer(folder, 3600e6)
    assert "is of another run" in harness.one_line_error(run, 125)
