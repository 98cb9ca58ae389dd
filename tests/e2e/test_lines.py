# SPDX-License-Identifier: MIT
"""The summary as a line: appended to a file, by many at once, and asked of a database."""
import gzip
import json
import os
import sqlite3
import subprocess

import harness
import pytest

CASE = harness.HERE / "golden" / "cases" / "contention" / "input.gz"
MANY = 12


def converted(folder, summary, count=1, **more):
    """So many perf2trace at once, each with the same summary."""
    text = folder / "input"
    text.write_bytes(gzip.decompress(CASE.read_bytes()))
    runs = []
    for i in range(count):
        with open(text, "rb") as stream:
            runs.append(subprocess.Popen(
                [harness.PERF2TRACE, "gil", "-q", "-o", folder / ("%d.json" % i), "--summary", summary],
                stdin=stream, stderr=subprocess.PIPE, cwd=folder, **more))
    return [(run.communicate()[1].decode(), run.returncode) for run in runs]


def lines_of(path):
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def test_many_append_to_one_file(folder):
    lines = folder / "runs.jsonl"
    assert converted(folder, lines, MANY) == [("", 0)] * MANY
    assert converted(folder, "runs.jsonl") == [("", 0)]
    found = lines_of(lines)
    assert len(found) == MANY + 1 and all(each["schema"] == 1 for each in found)
    assert not (folder / "runs.jsonl.old").exists()


def test_many_append_by_a_descriptor(folder):
    """As a shell's 3>>runs does: the file is opened once, or by each."""
    with open(folder / "runs", "a") as stream:
        fd = stream.fileno()
        assert converted(folder, "/dev/fd/%d" % fd, MANY, pass_fds=[fd]) == [("", 0)] * MANY
    assert len(lines_of(folder / "runs")) == MANY


def test_standard_output_takes_the_line(folder):
    text = gzip.decompress(CASE.read_bytes())
    run = harness.Run([harness.PERF2TRACE, "gil", "-q", "-o", "x.json", "--summary", "-"], folder,
                      stdin=subprocess.PIPE).finish(text)
    assert run.status == 0 and run.out.count(b"\n") == 1 and run.out.endswith(b"}\n"), run
    assert json.loads(run.out)["schema"] == 1


def test_what_is_there_stays(folder):
    lines = folder / "runs.ndjson"
    lines.write_text('{"an": "earlier"}\n{"cut": ')
    assert converted(folder, lines) == [("", 0)]
    first, cut, last = lines.read_text().splitlines()
    assert (first, cut) == ('{"an": "earlier"}', '{"cut": ') and json.loads(last)["schema"] == 1


def test_a_full_disk_leaves_the_file_as_it_was(folder):
    lines = folder / "runs.jsonl"
    lines.write_text("{}\n" * 100)
    text = folder / "input"
    text.write_bytes(gzip.decompress(CASE.read_bytes()))
    run = subprocess.run("trap '' XFSZ; ulimit -f 1; exec '%s' gil -q -o /dev/null/x --summary "
                         "runs.jsonl < input" % harness.PERF2TRACE, shell=True, cwd=folder,
                         stderr=subprocess.PIPE)
    assert run.returncode == 125, run
    run = subprocess.run("trap '' XFSZ; ulimit -f 1; exec '%s' gil -q -o - --summary runs.jsonl "
                         "< input > /dev/null" % harness.PERF2TRACE, shell=True, cwd=folder,
                         stderr=subprocess.PIPE)
    assert run.returncode != 0 and b"cannot append to runs.jsonl" in run.stderr, run
    assert lines.read_text() == "{}\n" * 100


@pytest.mark.parametrize("what", ["link", "folder", "fifo", "missing"])
def test_what_is_no_file_of_lines_is_refused_first(what, folder):
    lines = folder / "runs.jsonl"
    if what == "link":
        os.symlink(folder / "elsewhere", lines)
    elif what == "folder":
        lines.mkdir()
    elif what == "fifo":
        os.mkfifo(lines)
    else:
        lines = folder / "nowhere" / "runs.jsonl"
    ((message, status),) = converted(folder, lines)
    assert status == 125 and message.startswith("perf2trace: cannot append to %s: " % lines), message
    assert not (folder / "elsewhere").exists() and not (folder / "0.json").exists()


@pytest.mark.needs_root
def test_what_others_may_have_put_there_is_refused(folder):
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "theirs.jsonl").write_text("{}\n")
    os.chown(shared / "theirs.jsonl", 65534, 65534)
    ((message, status),) = converted(folder, shared / "theirs.jsonl")
    assert status == 125 and "another user may have put the file" in message, message
    (folder / "mine").write_text("{}\n")
    os.link(folder / "mine", shared / "linked.jsonl")
    ((message, status),) = converted(folder, shared / "linked.jsonl")
    assert status == 125 and "another user may have put the file" in message, message
    assert converted(folder, shared / "new.jsonl") == [("", 0)]


def test_the_example_query(folder):
    """scripts/runs.sql, by the engine that is at hand."""
    assert converted(folder, "runs.jsonl", 3) == [("", 0)] * 3
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE runs (line TEXT)")
    database.executemany("INSERT INTO runs VALUES (?)",
                         [(line,) for line in (folder / "runs.jsonl").read_text().splitlines()])
    cursor = database.execute((harness.ROOT / "scripts" / "runs.sql").read_text())
    names = [column[0] for column in cursor.description]
    (row,) = [dict(zip(names, values)) for values in cursor]
    summary = lines_of(folder / "runs.jsonl")[0]
    assert row["command"] == "[]" and row["runs"] == 3
    assert row["waited_s"] == round(summary["gils"][0]["wait_ns"] / 1e9, 3)
    assert row["contended"] == round(summary["load"][0]["contended"], 4)
    windows = summary["worst"][0]["windows"]
    assert row["waited_in_worst_second_s"] == (
        round(windows[1]["wait_ns"] / 1e9, 3) if len(windows) > 1 else None)
