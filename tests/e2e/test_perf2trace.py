# SPDX-License-Identifier: MIT
"""The converter on what was recorded before: files, pipes, and files that are broken."""
import os
import shutil
import struct
import subprocess

import harness
import pytest
from harness import PERF2TRACE, one_line_error, target

pytestmark = pytest.mark.needs_perf


def perf2trace(argv, folder, data=None, **more):
    stdin = subprocess.PIPE if data is not None else subprocess.DEVNULL
    run = harness.Run([PERF2TRACE, *argv], folder, stdin=stdin, **more).finish(data)
    left = run.leftovers()
    assert not left, left
    return run


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A perf.data of two workers, kept by giltracer, and giltracer's own report of it."""
    folder = tmp_path_factory.mktemp("recording")
    kept = folder / "kept"
    traced = harness.trace([target("two_workers"), "0.4"], folder, options=["--gil-source", "uprobes", "--keep", kept, "--no-python-trace"])
    (data,) = [path for path in kept.rglob("*") if path.is_file() and path.name != "native.data" and
               path.read_bytes()[:7] == b"PERFILE"]
    return data, traced.summary


def without_run(summary):
    """What the recording alone tells: rows and figures. States are in it to judge holders by, and
    giltracer was not asked to show them."""
    states = ("states", "ready_holding_ns", "ready_holding_count")
    return [(gil["pid"], gil["address"],
             [{key: row[key] for key in row if key not in states} for row in gil["threads"]])
            for gil in summary["gils"]]


@pytest.mark.parametrize("words", [[], ["gil"], ["all"]], ids=["plain", "gil", "all"])
def test_file_gives_the_same_report(words, recording, folder):
    data, summary = recording
    output = folder / "x.json"
    run = perf2trace([*words, data, "-o", output], folder)
    assert run.status == 0, run
    document = harness.read_json(output)
    harness.check_document(document)
    assert without_run(document["giltracer"]) == without_run(summary)
    assert "Summary of threads" in run.err


def reports(data, folder, **more):
    """Of one recording, the table and each output, but for the page, which is made of the same."""
    outputs = [folder / name for name in ("x.json", "x.folded", "x.summary.json")]
    run = perf2trace([data, "-o", outputs[0], "-o", outputs[1], "--summary", outputs[2]], folder,
                     **more)
    assert run.status == 0, run
    return [run.err, *(output.read_bytes() for output in outputs)]


@pytest.mark.parametrize("options, script", [
    ([], ["two_workers", "0.2"]),
    (["--state-detect", "--gil-source", "uprobes"], ["forks"]),
    (["--gil-source", "futex"], ["two_workers", "0.2"]),
    (["--gil-source", "uprobes", "--buffer", "64K"], ["cycles", "30000", "8"]),
    (["--gil-source", "uprobes"], ["locks", "condition"])],
    ids=["both", "states", "futex", "lost", "locks"])
def test_recording_is_read_as_perf_script_reads_it(options, script, folder):
    """Without perf, and with the one that GILTRACER_PERF names."""
    kept = folder / "kept"
    harness.trace([target(script[0]), *script[1:]], folder,
                  options=[*options, "--keep", kept, "--no-python-trace"])
    nowhere = {"PATH": str(folder)}
    for data in set(kept.glob("*.data")) - {kept / "native.data"}:  # stacks are perf's to unwind
        assert reports(data, folder, env=nowhere) == reports(
            data, folder, env={"GILTRACER_PERF": "/usr/bin/perf"})


@pytest.mark.parametrize("words", [["gil"], ["gil", "-"]], ids=["gil", "gil -"])
def test_text_on_stdin_gives_the_same_report(words, recording, folder):
    data, summary = recording
    output = folder / "x.json"
    run = perf2trace([*words, "-o", output], folder, harness.perf_script(data))
    assert run.status == 0, run
    assert without_run(harness.read_json(output)["giltracer"]) == without_run(summary)


def test_text_file_gives_the_same_report(recording, folder):
    data, summary = recording
    text, output = folder / "text.txt", folder / "x.json"
    text.write_bytes(harness.perf_script(data))
    run = perf2trace([text, "-o", output], folder)
    assert run.status == 0, run
    assert without_run(harness.read_json(output)["giltracer"]) == without_run(summary)


def test_page_of_a_file(recording, folder):
    run = perf2trace([recording[0], "-o", folder / "x.html"], folder)
    assert run.status == 0 and (folder / "x.html").read_text().startswith("<!")


def test_sched_has_no_gil(recording, folder):
    run = perf2trace(["sched", recording[0], "-o", folder / "x.json"], folder)
    assert run.status == 0, run
    assert not harness.read_json(folder / "x.json")["giltracer"]["gils"]


def test_no_such_file(folder):
    run = perf2trace([folder / "missing.data", "-o", folder / "x.json"], folder)
    assert "missing.data" in one_line_error(run, 125)


def test_a_folder_as_input(folder):
    one_line_error(perf2trace([folder, "-o", folder / "x.json"], folder), 125)


@pytest.mark.parametrize("length", [0, 4, 8, 100, 5000, -200], ids=str)
def test_truncated_recording(length, recording, folder):
    """Cut short: refused, or read as far as it goes and said so; never a quiet half report."""
    data = recording[0].read_bytes()
    cut, output = folder / "cut.data", folder / "x.json"
    cut.write_bytes(data[:length])
    run = perf2trace([cut, "-o", output], folder)
    if run.status == 0:
        harness.check_document(harness.read_json(output), cut=True)
        assert any(line.startswith("perf2trace:") for line in run.err.splitlines()), run
    else:
        line = one_line_error(run, 125)
        assert "cut.data" in line and not output.exists()


def cut_between_records(path, share):
    """Shorten a recording to about so much of it, at the end of one of its records."""
    data, at = path.read_bytes(), 16
    while at < share * len(data):
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if kind == 66:  # HEADER_TRACING_DATA, whose data follow
            size += (struct.unpack_from("<I", data, at + 8)[0] + 7) & ~7
        at += size
    assert at < len(data)
    path.write_bytes(data[:at])
    return at, len(data)


@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_cut_where_a_record_ends(share, whole, recording, folder):
    """Nothing in the file tells: what giltracer wrote beside it does."""
    kept = folder / "kept"
    shutil.copytree(str(recording[0].parent), str(kept))
    data = kept / recording[0].name
    bytes_left, bytes_all = cut_between_records(data, share)
    run = perf2trace([kept if whole else data, "-o", folder / "x.json"], folder)
    assert run.status == 0, run
    document = harness.read_json(folder / "x.json")
    harness.check_document(document, cut=True)
    told = "%s has %d of the %d bytes that were recorded" % (data, bytes_left, bytes_all)
    assert told in run.err, run.err
    findings = document["giltracer"]["findings"]
    assert any(told in one for one in findings), findings
    assert not any("% of the run" in one for one in findings), findings
    if whole and share < 0.9:  # the end of the program is known, and that it was not recorded
        assert document["giltracer"]["lost"], findings


def test_a_whole_recording_is_not_called_cut(recording, folder):
    run = perf2trace([recording[0].parent, "-o", folder / "x.json"], folder)
    document = harness.read_json(folder / "x.json")
    assert run.status == 0 and "bytes that were recorded" not in run.err, run.err
    assert not document["giltracer"]["lost"]


@pytest.mark.parametrize("offset, value", [(8, b"\xff" * 8), (104, b"\0" * 64), (4096, b"\xff" * 4096)],
                         ids=["header size", "header", "records"])
def test_corrupt_recording(offset, value, recording, folder):
    data = bytearray(recording[0].read_bytes())
    data[offset:offset + len(value)] = value
    bad, output = folder / "bad.data", folder / "x.json"
    bad.write_bytes(bytes(data))
    run = perf2trace([bad, "-o", output], folder)
    if run.status == 0:
        harness.check_document(harness.read_json(output))
        assert any(line.startswith("perf2trace:") for line in run.err.splitlines()), run
    else:
        one_line_error(run, 125)
        assert not output.exists()


def test_unwritable_output(recording, folder):
    run = perf2trace([recording[0], "-o", folder / "none" / "x.json"], folder)
    assert "none" in one_line_error(run, 125)


def test_hostile_file_name_is_only_a_name(recording, folder):
    path = folder / "-i;touch pwned;$(touch pwned) \n.data"
    os.link(str(recording[0]), str(path))
    run = perf2trace([path, "-o", folder / "x.json"], folder)
    assert run.status == 0, run
    assert not list(folder.glob("pwned*"))


def test_no_arguments_on_a_terminal_free_stdin(folder):
    """Without input there is nothing to read: one line, not a wait for ever."""
    run = perf2trace(["-o", folder / "x.json"], folder)
    assert run.status == 125 and run.err.startswith("perf2trace:"), run
    assert not (folder / "x.json").exists()


def test_help_names_the_forms(folder):
    run = perf2trace(["--help"], folder)
    text = run.out.decode()
    assert run.status == 0 and "gil" in text and "sched" in text and "-o" in text
