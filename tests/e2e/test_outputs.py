# SPDX-License-Identifier: MIT
"""The files that a run writes: forms, names, and disks that are full."""
import gzip
import json
import os
import re
import stat

import harness
import pytest
from harness import giltracer, one_line_error, target

pytestmark = pytest.mark.needs_perf


def test_outputs_may_repeat(folder):
    paths = [folder / name for name in ("a.json", "b.json.gz", "c.html")]
    words = [word for path in paths for word in ("-o", path)]
    run = giltracer([*words, target("two_workers"), "0.3"], folder)
    assert run.status == 0, run
    plain = json.loads(paths[0].read_text())
    packed = json.loads(gzip.decompress(paths[1].read_bytes()).decode())
    assert plain == packed
    harness.check_document(plain)
    for path in paths:
        assert path.name in run.err


def test_default_output_is_a_page_in_the_current_folder(folder):
    run = giltracer([target("two_workers"), "0.2"], folder)
    assert run.status == 0, run
    page = (folder / "giltracer.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "giltracer.html" in run.err
    outside = re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:|#)([^\"']+)", page)
    assert not outside, outside
    assert "Content-Security-Policy" in page


@pytest.mark.parametrize("python", harness.newest(3, 12), ids=str)
def test_trace_of_very_many_calls_stays_in_proportion(python, folder):
    """Short ones are put together, and each is counted; that is said before the file is written."""
    output, count = folder / "x.json", 1700000
    run = giltracer(["--gil-source", "agent", "--overhead-budget", "0", "--no-c-calls",
                     "--python", python.path, "-o", output, target("shortcalls"),
                     str(count)], folder)
    assert run.status == 0 and output.stat().st_size <= 200e6, run
    document = harness.read_json(output)
    harness.check_document(document)
    told = document["short_calls"]
    runs = [event for event in document["traceEvents"] if event.get("cat") == "short"]
    calls = [event for event in document["traceEvents"] if event.get("cat") == "python"]
    assert len(runs) == told["spans"] and sum(run["args"]["calls"] for run in runs) == told["calls"]
    assert count * 1.01 <= told["calls"] + len(calls) <= count * 1.01 + 20000
    assert all(event["dur"] * 1000 >= told["shorter_than_ns"] - 1 for event in calls)
    assert run.err.index("%d calls shorter than" % told["calls"]) < run.err.index("wrote")
    assert "--keep-short-calls" in run.err and "GB" in run.err


def test_trace_is_what_viewers_read(folder):
    """Names of processes and threads, one track per thread's GIL spans, times from zero."""
    output = folder / "x.json"
    giltracer(["-o", output, target("two_workers"), "0.3"], folder)
    document = harness.read_json(output)
    events = document["traceEvents"]
    names = {}
    for event in events:
        if event["ph"] == "M" and event["name"] == "thread_name":
            names[event["pid"], event["tid"]] = event["args"]["name"]
    assert any(event["ph"] == "M" and event["name"] == "process_name" for event in events)
    spans = list(harness.gil_spans(document))
    tracks = {(event["pid"], event["tid"]) for event in spans}
    assert len(spans) > 20 and tracks <= set(names)
    assert len({event["args"]["tid"] for event in spans}) == len(tracks) == 3
    by_track = {}
    for event in spans:
        by_track.setdefault((event["pid"], event["tid"]), []).append(event)
    for track in by_track.values():  # spans of one track must nest; these may not even overlap
        track.sort(key=lambda event: event["ts"])
        for one, two in zip(track, track[1:]):
            assert harness.nanoseconds(one["ts"] + one["dur"]) <= harness.nanoseconds(two["ts"]) + 1
    wall_us = document["giltracer"]["run"]["wall_ns"] / 1000
    assert all(0 <= event["ts"] <= wall_us for event in spans), "times do not start at zero"


def test_summary_file_is_the_reports_summary(folder):
    output, summary = folder / "x.json", folder / "summary.json"
    run = giltracer(["-o", output, "--summary", summary, target("two_workers"), "0.2"], folder)
    assert run.status == 0, run
    assert json.loads(summary.read_text()) == harness.read_json(output)["giltracer"]


def test_run_is_described(folder):
    python = harness.an_interpreter(3, 7)
    output = folder / "x.json"
    giltracer(["--python", python.path, "-o", output, target("two_workers"), "0.2"], folder)
    run = harness.read_json(output)["giltracer"]["run"]
    assert run["argv"][-2:] == [target("two_workers"), "0.2"]
    assert os.path.realpath(run["interpreter"]) == os.path.realpath(python.path)
    assert run["version"] == "CPython %d.%d.%d" % python.version
    assert run["gil_source"] == "uprobes" and run["exit_status"] == 0
    assert 0.2e9 < run["wall_ns"] < 20e9


def test_table_has_the_promised_form(folder):
    run = giltracer(["-o", folder / "x.json", target("two_workers"), "0.4"], folder)
    lines = run.err.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("TID "))
    for word in ("total(µs)", "no gil%", "has gil%", "gil wait%", "longest wait", "blocked by"):
        assert word in lines[head], lines[head]
    assert set(lines[head + 1]) <= {"-", " "}
    rows = lines[head + 2:lines.index("", head)]
    assert all(re.match(r"\d+\*? ", row) for row in rows), rows
    assert len(rows) == 3 and rows[0].split()[0].endswith("*")
    for row in rows:
        words = row.split()
        shares = [float(word) for word in words[2:5]]
        assert abs(sum(shares) - 100) < 0.3, row
    assert "\x1b[" not in run.err, "colour without a terminal"


@pytest.mark.parametrize("path, word", [
    ("missing-folder/x.json", "missing-folder"),
    ("x.txt", ".json"),
    (".", ""),
], ids=["no folder", "unknown ending", "a folder"])
def test_output_is_refused_before_the_target_runs(path, word, folder):
    proof = folder / "ran"
    run = giltracer(["-o", folder / path, "-c", "open(%r, 'w')" % str(proof)], folder)
    assert word in one_line_error(run, 125)
    assert not proof.exists()


def test_one_bad_output_of_two_leaves_no_trace_of_the_other(folder):
    run = giltracer(["-o", folder / "good.json", "-o", folder / "none" / "bad.json",
                     target("single"), "10"], folder)
    one_line_error(run, 125)
    assert not list(folder.glob("good*"))


def test_output_replaces_an_old_report_only_when_whole(folder):
    """A run whose report cannot be made leaves the old one alone."""
    output = folder / "x.json"
    output.write_text("old")
    run = giltracer(["-o", output, target("exits"), "code", "0"], folder,
                    env={"GILTRACER_PERF": harness.FAKE_PERF, "GT_FAKE_PERF": "script-fails"})
    assert "no report" in run.err and output.read_text() == "old"
    assert sorted(path.name for path in folder.glob("x.json*")) == ["x.json"]


def test_output_keeps_to_the_umask(folder):
    output = folder / "x.json"
    giltracer(["-o", output, target("single"), "10"], folder, preexec_fn=lambda: os.umask(0o027))
    assert stat.S_IMODE(output.stat().st_mode) == 0o640


def fill(path):
    """Write until the disk is full."""
    fd = os.open(str(path), os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, b"\0" * 4096)
    except OSError:
        os.close(fd)


@pytest.mark.needs_root
@pytest.mark.parametrize("name", ["x.json", "x.json.gz", "x.html"])
def test_full_disk_under_the_report(name, small_disk, folder):
    fill(small_disk / "filler")
    run = giltracer(["-q", "-o", small_disk / name, target("two_workers"), "0.3"], folder)
    line = one_line_error(run, 0)  # the program itself ended well
    assert "No space left" in line and name in line
    kept, = run.tmp.iterdir()
    assert "kept in %s" % kept in line
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.needs_root
def test_full_disk_under_the_recording(small_disk, folder):
    run = giltracer(["-q", "-o", folder / "x.json", target("single"), "100000"], folder,
                    env={"TMPDIR": small_disk})
    assert "giltracer:" in run.err and run.status in (0, 125), run
    assert not list(small_disk.iterdir())
    if (folder / "x.json").exists():
        document = harness.read_json(folder / "x.json")
        harness.check_document(document)
        assert document["giltracer"]["quality"]["lost_events"] or document["giltracer"]["findings"]


def test_report_on_standard_output_of_a_pipeline(folder):
    """`-o -` would mix with the target's own stdout: refused, or kept apart."""
    run = giltracer(["-o", "-", "-c", "print('mine')"], folder)
    assert run.status == 125 or run.out.startswith(b"mine\n"), run


def test_symbolic_link_is_replaced_not_followed(folder):
    """We may be root, and the folder everyone's: whoever laid the link does not choose the file."""
    real = folder / "real.json"
    real.write_text("old")
    link = folder / "link.json"
    link.symlink_to(real)
    run = giltracer(["-o", link, target("single"), "10"], folder)
    assert run.status == 0, run
    assert real.read_text() == "old"
    assert not link.is_symlink() and harness.read_json(link)["traceEvents"]


def test_device_as_output(folder):
    run = giltracer(["-o", "/dev/null", target("single"), "10"], folder)
    assert run.status in (0, 125) and stat.S_ISCHR(os.stat("/dev/null").st_mode), run
