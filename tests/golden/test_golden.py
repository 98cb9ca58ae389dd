"""Recorded text in, summary out: equal to what is expected, and to the oracle."""
import gzip
import json
import os
import pathlib

import harness
import pytest

CASES = sorted(path.parent for path in (pathlib.Path(__file__).parent / "cases").glob("*/args"))


def scrub(summary):
    """Leave what the input determines."""
    summary = json.loads(json.dumps(summary))
    summary.pop("generator", None)
    summary.pop("run", None)
    summary.pop("findings", None)  # sentences; what they say is tested with live programs
    return summary


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
