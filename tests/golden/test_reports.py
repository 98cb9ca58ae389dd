# SPDX-License-Identifier: MIT
"""A report read back, twice on one timeline, tells the same as the report itself."""
import json
import subprocess

import harness
import pytest
from case import CASES
from test_golden import convert

SHORT = ["contention", "lost-events", "states-with-functions", "sub-interpreters"]


def give_clocks(document, path, after_ns):
    """As of one boot, but another recording."""
    document["giltracer"]["run"]["clocks"] = {"boot_id": "one", "anchors": [
        {"monotonic_ns": 10**9 + after_ns, "unix_ns": 10**18 + after_ns, "within_ns": 100,
         "error_ns": None}]}
    path.write_text(json.dumps(document))
    return path


def figures(summary):
    return [(thread["label"], thread["hold_ns"], thread["wait_ns"], thread["unknown_ns"],
             [blame["ns"] for blame in thread["blocked_by"]], thread.get("states"))
            for gil in summary["gils"] for thread in gil["threads"]]


def blockers(summary, gils):
    return sorted((row["gil"] % gils, row["function"], row["waiting_ns"], row["count"])
                  for row in summary["blockers"])


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SHORT],
                         ids=lambda case: case.name)
def test_a_report_tells_what_was_read(case, folder):
    report = convert(case, folder)
    summary = report["giltracer"]
    paths = [give_clocks(report, folder / f"{name}.json", i) for i, name in enumerate("ab")]
    subprocess.run([harness.PERF2TRACE, "-q", *paths, "-o", folder / "both.json"], check=True)
    both = harness.read_json(folder / "both.json")
    harness.check_document(both)
    both = both["giltracer"]
    assert figures(both) == figures(summary) * 2
    assert blockers(both, len(summary["gils"])) == sorted(blockers(
        summary, len(summary["gils"])) * 2)
