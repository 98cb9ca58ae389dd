# SPDX-License-Identifier: MIT
"""For build and CI: --fail-if, --baseline, --repeat, giltracer.mk."""
import json
import os
import shutil
import subprocess

import harness
import pytest
from harness import giltracer, target

pytestmark = pytest.mark.needs_perf


def judged(folder, *conditions, words=(target("culprits"), "hold"), options=()):
    flags = [word for condition in conditions for word in ("--fail-if", condition)]
    return giltracer(["-o", folder / "x.json", *options, *flags, *words], folder)


def breaches(run):
    return [line for line in run.err.splitlines() if "breached:" in line]


def test_breached_conditions_are_named(folder):
    run = judged(folder, "wait > 5%", "thread(\"main\").wait > 50%", "longest_wait > 100ms",
                 "blocker(\"culprits.*\") > 1%", "hold < 1%", options=("--python-trace",))
    assert run.status == 3, run
    lines = breaches(run)
    assert len(lines) == 3, lines
    for line, condition in zip(lines, ("wait > 5%: it is", "longest_wait > 100ms: it is",
                                       "blocker(\"culprits.*\") > 1%: it is")):
        assert condition in line
    assert (folder / "x.json").exists()


def test_conditions_that_hold_change_nothing(folder):
    run = judged(folder, "wait > 99%", "longest_wait > 100s", "blocker(\"json.*\") > 5%")
    assert run.status == 0 and not breaches(run), run


def test_the_targets_own_failure_comes_first(folder):
    run = judged(folder, "wait >= 0%", words=("-c", "raise SystemExit(7)"))
    assert run.status == 7 and len(breaches(run)) == 1, run


def test_a_condition_that_does_not_parse_is_found_first(folder):
    proof = folder / "ran"
    run = judged(folder, "wait > lots", words=("-c", "open(%r, 'w')" % str(proof)))
    lines = run.err.splitlines()
    assert run.status == 125 and not proof.exists()
    assert len(lines) == 3 and lines[1] == "    wait > lots" and lines[2] == " " * 11 + "^", lines


def test_repeat_and_baseline(folder):
    before = folder / "before.json"
    run = giltracer(["-o", folder / "x.json", "--summary", before, "--repeat", "3",
                     target("culprits"), "hold"], folder)
    assert run.status == 0 and len(run.out.split()) == 3, run
    assert "Of 3 runs:" in run.err and run.err.count("Summary of threads") == 1
    metrics = json.loads(before.read_text())["metrics"]
    assert metrics["runs"] == 3
    wait = next(one for one in metrics["list"] if one["name"] == "wait")
    assert 0 < wait["least"] <= wait["median"] <= wait["greatest"] < 1
    run = giltracer(["-o", folder / "x.json", "--baseline", before, "--repeat", "3",
                     target("culprits"), "release"], folder)
    assert run.status == 0, run
    rows = {line.split("  ")[-1].strip(): line for line in run.err.splitlines()}
    assert " less " in rows["wait"] and " less " in rows["longest_wait"], run.err


@pytest.mark.parametrize("text, word", [
    ("nonsense", "not JSON"), ("{}", "not a summary"), ('{"schema": 2}', "schema 2"),
    ('{"schema": 1}', "no metrics"), (None, "No such file"),
], ids=["text", "other JSON", "other schema", "old", "missing"])
def test_baseline_is_refused_before_the_target_runs(text, word, folder):
    baseline = folder / "before.json"
    if text is not None:
        baseline.write_text(text)
    proof = folder / "ran"
    run = giltracer(["--baseline", baseline, "-c", "open(%r, 'w')" % str(proof)], folder)
    assert word in harness.one_line_error(run, 125)
    assert not proof.exists()


def test_baseline_without_common_threads(folder):
    baseline = folder / "before.json"
    item = {"name": "thread other: wait", "unit": "share", "of_thread": True, "least": 0,
            "median": 0, "greatest": 0}
    baseline.write_text(json.dumps({"schema": 1, "metrics": {"runs": 1, "list": [item]}}))
    run = giltracer(["-o", folder / "x.json", "--baseline", baseline, target("single"), "10"],
                    folder)
    assert run.status == 0 and "no thread in common" in run.err, run


def make(folder, *words):
    bench = folder / "tree" / "tests" / "targets"
    shutil.copytree(str(harness.TARGETS), str(bench))
    (folder / "tree" / "scripts").mkdir()
    shutil.copy(str(harness.ROOT / "scripts" / "giltracer.mk"), str(folder / "tree" / "scripts"))
    return subprocess.run(["make", "-C", str(bench / "bench"), "bench", "PYTHON=/usr/bin/python3",
                           "GILTRACER_PROGRAM=%s" % harness.GILTRACER,
                           "GILTRACER_DIR=%s" % folder, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, env=dict(os.environ))


def test_make_fragment(folder):
    harness.require(None if shutil.which("make") else "make is not installed")
    (folder / "a").mkdir()
    assert make(folder / "a").returncode == 0
    assert not list((folder / "a").glob("bench*"))
    (folder / "b").mkdir()
    done = make(folder / "b", "GILTRACER=1")
    assert done.returncode == 0, done.stdout
    summary = json.loads((folder / "b" / "bench.summary.json").read_text())
    assert len(summary["gils"][0]["threads"]) == 3 and (folder / "b" / "bench.html").exists()
    (folder / "c").mkdir()
    done = make(folder / "c", "GILTRACER=1", "GILTRACER_FAIL_IF=hold > 99%,wait > 10%")
    assert done.returncode == 2 and b"breached: wait > 10%" in done.stdout, done.stdout
