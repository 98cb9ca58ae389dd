# SPDX-License-Identifier: MIT
"""VizTracer's JSON beside a recording of the same run, and what is said of other files."""
import gzip
import json

import pytest

import harness
from harness import DEBIAN_PYTHON, calls, one_line_error, target, trace

DEBIAN = harness.Interpreter(DEBIAN_PYTHON, harness.ask_version(DEBIAN_PYTHON))
CASE = harness.HERE / "golden" / "cases" / "viztracer"
RECORDING, TRACE = CASE / "input.gz", CASE / "viztracer.json.gz"


def merge(trace, folder, *words, status=0):
    argv = [harness.PERF2TRACE, "--viztracer", trace, "-o", folder / "x.json", *words]
    run = harness.Run(argv, folder).finish()
    assert run.status == status, run
    return run


def plain(folder, change=lambda document: None, cut=None):
    document = json.loads(gzip.decompress(TRACE.read_bytes()))
    change(document)
    path = folder / "viztracer.json"
    path.write_text(json.dumps(document)[:cut])
    return path, document


def absolute(call, zero_ns):
    return (call["pid"], call["tid"], round(call["ts"] * 1000) + zero_ns)


def test_every_call_is_merged(folder):
    """Its thread, name, file, beginning and end are VizTracer's, to the rounding of its text."""
    _, theirs = plain(folder)
    merge(TRACE, folder, RECORDING)
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    zero_ns = document["giltracer"]["run"]["start_ns"]
    spans = [event for event in theirs["traceEvents"] if event["ph"] == "X"]
    wanted = sorted((absolute(event, 0), event["dur"], event["name"]) for event in spans)
    got = sorted((absolute(call, zero_ns), call["dur"], call["name"], call["args"]["file"])
                 for call in calls(document))
    assert len(got) == len(wanted) == 242
    for (where, dur, name), (own_where, own_dur, own_name, file) in zip(wanted, got):
        assert where[:2] == own_where[:2] and abs(where[2] - own_where[2]) <= 1, (where, own_where)
        assert abs(dur - own_dur) <= 0.003
        assert name == (own_name + " (%s)" % file if "(" in name else own_name)
    (gil,) = [gil for gil in document["giltracer"]["gils"] if len(gil["threads"]) > 1]
    assert {row["label"] for row in gil["threads"]} == {"main", "loop-a", "loop-b", "hasher"}


def test_the_gil_is_as_without(folder):
    merge(TRACE, folder, RECORDING)
    merged = harness.read_json(folder / "x.json")["giltracer"]["gils"]
    run = harness.Run([harness.PERF2TRACE, RECORDING, "-o", folder / "y.json"], folder).finish()
    assert run.status == 0, run
    alone = harness.read_json(folder / "y.json")["giltracer"]["gils"]
    for one, two in zip(merged, alone):
        figures = [[(row["tid"], row["hold_ns"], row["wait_ns"]) for row in gil["threads"]]
                   for gil in (one, two)]
        assert figures[0] == figures[1]
    assert len(merged) == len(alone) > 0


def test_alone_and_piped(folder):
    merge(TRACE, folder)
    document = harness.read_json(folder / "x.json")
    assert len(list(calls(document))) == 242 and document["giltracer"]["gils"] == []
    run = harness.Run([harness.PERF2TRACE, "gil", "--viztracer", TRACE, "-o", folder / "y.json"],
                      folder, stdin=harness.subprocess.PIPE)
    run.finish(gzip.decompress(RECORDING.read_bytes()))
    document = harness.read_json(folder / "y.json")
    assert len(list(calls(document))) == 242 and document["giltracer"]["gils"]


def test_marks_of_the_program(folder):
    def add(document):
        first = document["traceEvents"][-1]
        where = {name: first[name] for name in ("pid", "tid", "ts")}
        document["traceEvents"] += [
            dict(where, ph="i", s="g", name="</script>", args={"a": "\u2028"}),
            dict(where, ph="C", name="queue", args={"length": 3, "what": "no number"})]
    path, _ = plain(folder, add)
    merge(path, folder, RECORDING)
    own = [event for event in harness.read_json(folder / "x.json")["traceEvents"]
           if event.get("cat") == "program"]
    assert [(event["ph"], event["name"], event["args"]) for event in own] == [
        ("i", "</script>", {"a": "\u2028"}), ("C", "queue", {"length": 3})]


def test_cut_short(folder):
    path, _ = plain(folder, cut=20000)
    run = merge(path, folder, RECORDING)
    assert len([line for line in run.err.splitlines() if "cut short" in line]) == 1, run
    document = harness.read_json(folder / "x.json")
    assert 50 < len(list(calls(document))) < 242 and document["giltracer"]["gils"]


def later(document):
    for event in document["traceEvents"]:
        if "ts" in event:
            event["ts"] += 5e9


@pytest.mark.parametrize("change, word", [
    (later, "another run"), (lambda document: document["traceEvents"].clear(), "no events")])
def test_what_does_not_belong(change, word, folder):
    path, _ = plain(folder, change)
    line = one_line_error(merge(path, folder, RECORDING, status=125), 125)
    assert word in line and str(path) in line
    assert not (folder / "x.json").exists()


@pytest.mark.parametrize("contents", [b"", b"hello", b"[]", b'{"traceEvents": [1, 2]}',
                                      b'{"traceEvents": [{"ph": "X", "ts": 1}]}', b"\x1f\x8b\x08x"])
def test_other_files(contents, folder):
    path = folder / "other.json"
    path.write_bytes(contents)
    assert "VizTracer" in one_line_error(merge(path, folder, RECORDING, status=125), 125)


def test_no_such_file(folder):
    assert "cannot open" in one_line_error(
        merge(folder / "none.json", folder, RECORDING, status=125), 125)


# --- giltracer --viztracer, with a stand-in for VizTracer's own program ------------------------

STAND_IN = {"PYTHONPATH": harness.HERE / "fake"}


@pytest.mark.parametrize("source", [
    "agent", pytest.param("uprobes", marks=pytest.mark.needs_perf)])
def test_under_viztracer(source, folder):
    traced = trace(["--viztracer", target("two_workers"), "0.3"], folder, DEBIAN,
                   ["--gil-source", source], env=STAND_IN)
    (gil,) = traced.summary["gils"]
    spins = list(calls(traced.document, "spin", "two_workers.py"))
    workers = {row["tid"] for row in gil["threads"] if not row["main"]}
    assert {call["tid"] for call in spins} == workers and len(spins) == 2
    assert all(call["dur"] >= 290e3 for call in spins)
    assert traced.run.out == b""


@pytest.mark.parametrize("words, out", [
    (["-c", "import sys; print(sys.argv)", "-o", "x"], b"['-c', '-o', 'x']\n"),
    (["-m", "timeit", "-n1", "-r1", "-h"], None)])
def test_ways_to_name_the_target(words, out, folder):
    traced = trace(["--viztracer", *words], folder, DEBIAN, ["--gil-source", "agent"],
                   env=STAND_IN)
    assert (out is None and traced.run.out) or traced.run.out == out
    assert list(calls(traced.document))


def test_killed_before_viztracer_wrote(folder):
    traced = trace(["--viztracer", target("exits"), "signal", "9"], folder, DEBIAN,
                   ["--gil-source", "agent"], status=137, env=STAND_IN)
    assert "VizTracer wrote no trace" in traced.run.err and traced.gil()["threads"]


def test_fifo_in_place_of_viztracers_trace(folder):
    """The program may write into the folder, too; nobody will ever write to this."""
    code = ("import os, sys; words = sys.orig_argv; os.mkfifo(words[words.index('-o') + 1])\n"
            "os._exit(5)")
    traced = trace(["--viztracer", "-c", code], folder, DEBIAN, ["--gil-source", "agent"], status=5,
                   env=STAND_IN)
    assert "no functions" in traced.run.err and "is no file" in traced.run.err


def test_interpreter_without_viztracer(folder):
    run = harness.giltracer(["--viztracer", "--python", DEBIAN.path, target("single")], folder)
    assert "has no VizTracer" in one_line_error(run, 125)


def test_commands_are_refused(folder):
    assert "--viztracer" in one_line_error(
        harness.giltracer(["--viztracer", "--", "true"], folder), 125)
