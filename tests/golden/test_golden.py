# SPDX-License-Identifier: MIT
"""Recorded text in, summary out: equal to what is expected, and to the oracle."""
import gzip
import json
import os
import pathlib

import harness
import pytest

CASES = sorted(path.parent for path in (pathlib.Path(__file__).parent / "cases").glob("*/args"))


GIL = ("index", "pid", "process", "number", "address", "source", "hold_ns", "wait_ns", "violations")
ROW = ("tid", "pid", "label", "main", "start_ns", "end_ns", "lifetime_ns", "hold_ns", "wait_ns",
       "free_ns", "unknown_ns", "holds", "waits", "longest_wait_ns", "longest_hold_ns")
QUALITY = ("lost_events", "takes_without_return", "unmatched_releases", "unmatched_takes",
           "overlaps", "accounting_errors", "unparsed_lines", "lines")


def pick(record, names):
    return {name: record[name] for name in names}


def scrub(summary):
    """Leave what the input determines, and this test is about: who held and who waited."""
    gils = []
    for gil in summary["gils"]:
        rows = []
        for row in gil["threads"]:
            blamed = [[blocker["label"], blocker["ns"]] for blocker in row["blocked_by"]]
            rows.append(dict(pick(row, ROW), blocked_by=blamed))
        gils.append(dict(pick(gil, GIL), threads=rows))
    return {"gils": gils, "lost": summary["lost"], "quality": pick(summary["quality"], QUALITY)}


def convert(case, folder):
    output = folder / "x.json"
    words = (case / "args").read_text().split("\n")
    argv = [harness.PERF2TRACE, *[word for word in words if word], "-o", output]
    run = harness.Run(argv, folder, stdin=harness.subprocess.PIPE)
    run.finish(gzip.decompress((case / "input.gz").read_bytes()))
    assert run.status == 0, run
    assert not run.leftovers()
    document = harness.read_json(output)
    harness.check_document(document)
    return document["giltracer"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_summary_is_as_expected(case, folder):
    summary = scrub(convert(case, folder))
    expected = case / "expected.json"
    if os.environ.get("GT_UPDATE_GOLDEN"):
        expected.write_text(json.dumps(summary, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert summary == json.loads(expected.read_text())


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "lost-events"],
                         ids=lambda case: case.name)
def test_summary_is_the_oracles(case, folder):
    """Where nothing was lost, nanosecond by nanosecond."""
    harness.check_against_oracle(convert(case, folder),
                                 gzip.decompress((case / "input.gz").read_bytes()), slack_ns=0)


def test_losses_are_counted_and_unknown(folder):
    """perf said four times that it lost events, 949 in all: no thread's time hides that."""
    summary = convert(pathlib.Path(__file__).parent / "cases" / "lost-events", folder)
    assert summary["quality"]["lost_events"] == 16 + 73 + 335 + 525
    assert summary["lost"]
    assert sum(piece["events"] for piece in summary["lost"]) == 949
    (gil,) = summary["gils"]
    (row,) = gil["threads"]
    assert row["unknown_ns"] > 0 and row["wait_ns"] == 0
