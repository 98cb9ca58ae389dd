# SPDX-License-Identifier: MIT
"""Recordings keep by which clocks they were made, and several of them come onto one timeline."""
import gzip
import json
import os
import shutil
import struct
import subprocess
import time

import pytest
from harness import DEBIAN_PYTHON, GILTRACER, PERF2TRACE, TARGETS, Run, require, why_no_perf


def why_no_time_namespace():
    if not shutil.which("unshare"):
        return "unshare is not installed"
    done = subprocess.run(["unshare", "--time", "--monotonic", "5", "--fork", "true"],
                          stderr=subprocess.PIPE)
    return None if done.returncode == 0 else done.stderr.decode().strip()


def record(folder, *words, source="agent", shift=None, script="import time\ntime.sleep(0.05)\n"):
    """A recording that is kept in the folder, perhaps made with a shifted monotonic clock."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "program.py"
    program.write_text(script)
    around = ["unshare", "--time", "--monotonic", str(shift), "--fork"] if shift else []
    done = subprocess.run([*around, str(GILTRACER), "-q", "--gil-source", source, "--no-native",
                           "--keep", str(folder), "-o", str(folder / "report.json"), *words,
                           str(program)], stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads((folder / "report.json").read_text())["giltracer"]


def now_and_then(clocks):
    """Both anchors, checked against the truth: the clocks of this test, which has the same ones."""
    first, last = clocks["anchors"]
    assert clocks["boot_id"] == open("/proc/sys/kernel/random/boot_id").read().strip()
    offset = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
    for anchor in first, last:
        assert 0 <= anchor["within_ns"] < 50e6
        assert abs(anchor["unix_ns"] - anchor["monotonic_ns"] - offset) < 50e6
    assert first["monotonic_ns"] < last["monotonic_ns"] <= time.monotonic_ns()
    return first["monotonic_ns"], last["monotonic_ns"]


def check_keeps_clocks(tmp_path, shift):
    summary = record(tmp_path / "kept", shift=shift)
    kept = json.loads((tmp_path / "kept" / "run.json").read_text())
    assert kept["agent"] is True
    assert kept["run"]["argv"] == summary["run"]["argv"]
    assert kept["run"]["clocks"] == summary["run"]["clocks"]
    first, last = now_and_then(summary["run"]["clocks"])
    # What the agent saw is between them, on the same clock, wherever it read its own.
    start = summary["run"]["start_ns"]
    assert first - 50e6 <= start <= start + summary["run"]["wall_ns"] <= last + 50e6


def test_a_recording_keeps_its_clocks(tmp_path):
    check_keeps_clocks(tmp_path, None)


def test_a_time_namespace_changes_no_times(tmp_path):
    require(why_no_time_namespace())
    check_keeps_clocks(tmp_path, 100000)


# --- four processes that talk, recorded one by one ---------------------------------------------

ROUNDS = 200
SOURCES = ("uprobes", "agent", "agent", "agent")
SHIFTS = (70000, None, 5000, 400)


def perf2trace(*words, status=0):
    done = subprocess.run([str(PERF2TRACE), *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == status, done.stderr.decode()
    return done.stderr.decode()


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """Their recordings' folders: one by perf, with monotonic clocks that are shifted."""
    require(why_no_perf() or why_no_time_namespace())
    path = tmp_path_factory.mktemp("ring")
    fifos = [path / f"fifo{i}" for i in range(4)]
    for fifo in fifos:
        os.mkfifo(fifo)
    running = []
    for i, (source, shift) in enumerate(zip(SOURCES, SHIFTS)):
        around = ["unshare", "--time", "--monotonic", str(shift), "--fork"] if shift else []
        first = ["first"] if i == 0 else []
        running.append(subprocess.Popen(
            [*around, str(GILTRACER), "-q", "--gil-source", source, "--no-native", "--keep",
             str(path / f"rank{i}"), "-o", str(path / f"rank{i}.json.gz"),
             str(TARGETS / "ring.py"), str(fifos[i - 1]), str(fifos[i]), str(ROUNDS), *first],
            stderr=subprocess.PIPE))
    for process in running:
        _, complaint = process.communicate(timeout=90)
        assert process.returncode == 0, complaint.decode()
    return path


def trace(path):
    document = json.loads(path.read_text())
    return document["giltracer"], document["traceEvents"]


def calls_of(summary, events, name):
    """By recording: when its calls of that function began, in µs."""
    of_pid = {gil["pid"]: gil["recording"] for gil in summary["gils"]}
    starts = {}
    for event in events:
        if event.get("name") == name and event.get("cat") == "python":
            starts.setdefault(of_pid[event["pid"]], []).append(event["ts"])
    return starts


def check_order(summary, events):
    """What caused something came before it."""
    sends, received = (calls_of(summary, events, name) for name in ("sends", "received"))
    for i in range(4):
        assert len(sends[i]) == len(received[i]) == ROUNDS
        for cause, effect in zip(sends[i], received[(i + 1) % 4]):
            assert cause < effect
    return received


def check_parts(summary):
    """The parts of each thread's life make it up, and blockers the waiting."""
    assert summary["quality"]["accounting_errors"] == summary["quality"]["overlaps"] == 0
    for index, gil in enumerate(summary["gils"]):
        for thread in gil["threads"]:
            assert thread["lifetime_ns"] == sum(
                thread[part] for part in ("hold_ns", "wait_ns", "free_ns", "unknown_ns"))
            assert thread["free_ns"] >= 0
        charged = sum(row["waiting_ns"] for row in summary["blockers"] if row["gil"] == index)
        assert charged + sum(summary["load"][index]["gaps"].values()) == gil["wait_ns"]


def test_recordings_of_one_boot_are_in_exact_order(ring, tmp_path):
    said = perf2trace(*(ring / f"rank{i}" for i in range(4)), "-o", tmp_path / "all.json", "-o",
                      tmp_path / "all.html", "-o", tmp_path / "all.folded", "--fail-if",
                      "wait > 99%")
    summary, events = trace(tmp_path / "all.json")
    check_order(summary, events)
    check_parts(summary)
    assert "4 recordings of one boot of one machine" in said
    assert [one["name"] for one in summary["recordings"]["list"]] == [f"rank{i}" for i in range(4)]
    assert summary["recordings"]["machines"] == 1 and summary["recordings"]["error_ns"] == 0
    # Perf's clock and the agent's are one: a function of Python runs with the GIL.
    of_rank0 = [gil for gil in summary["gils"] if gil["recording"] == 0]
    holds = [(e["ts"], e["ts"] + e["dur"]) for e in events
             if e.get("name") == "GIL hold" and e["pid"] == of_rank0[0]["pid"]]
    starts = calls_of(summary, events, "received")[0]
    held = sum(any(start <= at <= end for start, end in holds) for at in starts)
    assert held > 0.95 * len(starts)
    assert any(line.startswith("rank2: ") for line in (tmp_path / "all.folded").read_text().splitlines())
    for text in ("rank0: ", "rank3: "):
        assert text in (tmp_path / "all.html").read_text()


# Of struct gt_wire_control (lib/agent/wire.h).
TICK_SOURCE, WALLS, SHIFT, BOOT_ID, ANCHORS = 12, 288, 352, 360, 33312


def move_to_another_machine(folder, boot_id, shift_ns, ppm):
    """As if that recording had been made where the monotonic clock is another one, and drifts."""
    kept = json.loads((folder / "run.json").read_text())
    clocks = kept["run"]["clocks"]
    zero = clocks["anchors"][0]["monotonic_ns"]

    def moved(ns):
        return zero + shift_ns + (ns - zero) + round((ns - zero) * ppm / 1e6)

    for anchor in clocks["anchors"]:
        anchor["monotonic_ns"] = moved(anchor["monotonic_ns"])
    clocks["boot_id"] = boot_id
    (folder / "run.json").write_text(json.dumps(kept))
    control = bytearray((folder / "agent" / "control").read_bytes())
    struct.pack_into("I", control, TICK_SOURCE, 1)  # ticks tell the time by the anchors only
    shift = struct.unpack_from("q", control, SHIFT)[0]  # the time namespace's
    for at in range(ANCHORS, len(control) - 15, 16):
        ns, ticks = struct.unpack_from("QQ", control, at)
        if ticks:
            struct.pack_into("Q", control, at, moved(ns - shift) + shift)
    for at in WALLS, WALLS + 32:
        struct.pack_into("q", control, at, moved(struct.unpack_from("q", control, at)[0]))
    struct.pack_into("40s", control, BOOT_ID, boot_id.encode())
    (folder / "agent" / "control").write_bytes(control)


def test_clocks_that_differ_and_drift_are_aligned(ring, tmp_path):
    folders = [ring / "rank0"]
    for i, (shift_s, ppm) in enumerate(((-300, 50), (90000, -50), (7, 0)), 1):
        folders.append(tmp_path / f"rank{i}")
        shutil.copytree(ring / f"rank{i}", folders[i])
        move_to_another_machine(folders[i], f"boot-{i}", shift_s * 10**9, ppm)
    # One of them by its agent's log alone, which keeps the clocks, too.
    (folders[3] / "run.json").unlink()
    folders[3] = folders[3] / "agent"
    said = perf2trace(*folders, "-o", tmp_path / "all.json")
    summary, events = trace(tmp_path / "all.json")
    assert "4 recordings of 4 machines, or boots" in said
    assert 49 < summary["recordings"]["drift_ppm"] < 51
    received = check_order(summary, events)
    check_parts(summary)
    # The truth is what the unchanged recordings tell, which have one clock.
    perf2trace("-q", *(ring / f"rank{i}" for i in range(4)), "-o", tmp_path / "truth.json")
    truth, events = trace(tmp_path / "truth.json")
    offs = [at - true - (received[0][0] - calls_of(truth, events, "received")[0][0])
            for i in range(4)
            for at, true in zip(received[i], calls_of(truth, events, "received")[i])]
    assert max(map(abs, offs)) * 1000 <= summary["recordings"]["error_ns"] + 2


def test_reports_are_recordings_too(ring, tmp_path):
    said = perf2trace(ring / "rank0", *(ring / f"rank{i}.json.gz" for i in (1, 2, 3)), "-o",
                      tmp_path / "all.json")
    summary, events = trace(tmp_path / "all.json")
    check_order(summary, events)
    check_parts(summary)
    assert "3 of them were read from reports" in said
    perf2trace("-q", *(ring / f"rank{i}" for i in range(4)), "-o", tmp_path / "truth.json")
    truth = trace(tmp_path / "truth.json")[0]

    def figures(of):
        return [(gil["recording"], thread["label"], thread["hold_ns"], thread["wait_ns"],
                 thread["lifetime_ns"], [blame["ns"] for blame in thread["blocked_by"]])
                for gil in of["gils"] for thread in gil["threads"]]

    assert figures(summary) == figures(truth)


# --- what cannot be merged ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    path = tmp_path_factory.mktemp("pair")
    for name in "ab":
        record(path / name, "-o", str(path / f"{name}.json.gz"), "--summary",
               str(path / f"{name}.summary.json"))
    return path


def change(path, to, **changes):
    with gzip.open(path) as file:
        document = json.loads(file.read())
    changes.get("edit", lambda whole: None)(document)
    to.write_text(json.dumps(document))


def test_bad_input_is_told_in_a_line(pair, tmp_path):
    perf2trace("-q", pair / "a", pair / "b", "-o", tmp_path / "both.json.gz")
    whole = (pair / "b.json.gz").read_bytes()
    (tmp_path / "cut.json.gz").write_bytes(whole[:len(whole) // 2])
    change(pair / "b.json.gz", tmp_path / "newer.json",
           edit=lambda whole: whole["giltracer"].update(schema=2))
    change(pair / "b.json.gz", tmp_path / "older.json",
           edit=lambda whole: whole["giltracer"]["run"].pop("clocks"))

    def decades(whole):
        clocks = whole["giltracer"]["run"]["clocks"]
        clocks["boot_id"] = "another"
        for anchor in clocks["anchors"]:
            anchor["unix_ns"] -= 30 * 366 * 86400 * 10**9

    change(pair / "b.json.gz", tmp_path / "decades.json", edit=decades)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello\n")
    for second, complaint in (
            (pair / "a", "are the same recording"),
            (pair / "a.json.gz", "are the same recording"),
            (tmp_path / "both.json.gz", "is of several recordings already"),
            (tmp_path / "cut.json.gz", "cut short"),
            (tmp_path / "newer.json", "schema 2"),
            (tmp_path / "older.json", "keeps no reading of the wall clock"),
            (tmp_path / "decades.json", "years"),
            (pair / "b.summary.json", "is a summary"),
            (tmp_path / "empty", "holds no recording"),
            (tmp_path / "text.txt", "does not keep its clocks"),
            (tmp_path / "missing", "No such file")):
        said = perf2trace(pair / "a", second, "-o", tmp_path / "all.html", status=125)
        assert complaint in said and str(second) in said and said.count("\n") == 1, said
        assert not (tmp_path / "all.html").exists()


def test_the_last_recording_alone_has_states(ring, tmp_path):
    """By perf, and those before it by the agent."""
    names = ("all.json", "all.html", "all.folded", "all.pb.gz")
    perf2trace("-q", ring / "rank1", ring / "rank2", ring / "rank0",
               *(word for name in names for word in ("-o", tmp_path / name)))
    summary = trace(tmp_path / "all.json")[0]
    with_states = {thread["pid"] for thread in summary["threads"] if thread.get("states")}
    assert [gil["recording"] == 2 for gil in summary["gils"]] == \
        [gil["pid"] in with_states for gil in summary["gils"]], summary["threads"]
    assert all((tmp_path / name).exists() for name in names)


def test_pids_that_collide_stay_apart(pair, tmp_path):
    """The same process as of two machines, where it may have any number."""
    shutil.copytree(pair / "a", tmp_path / "a")
    move_to_another_machine(tmp_path / "a", "another", 10**9, 0)
    perf2trace("-q", pair / "a", tmp_path / "a", "-o", tmp_path / "all.json")
    summary, events = trace(tmp_path / "all.json")
    pids = [gil["pid"] for gil in summary["gils"]]
    assert len(set(pids)) == len(pids) == 2
    assert summary["gils"][1]["own_pid"] == pids[0]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names[pids[0]].startswith("a: ") and names[pids[1]].startswith("a (2): ")


def test_a_folder_is_a_recording(pair, tmp_path):
    perf2trace("-q", pair / "a", "-o", tmp_path / "a.json")
    summary = trace(tmp_path / "a.json")[0]
    with gzip.open(pair / "a.json.gz") as file:
        recorded = json.loads(file.read())["giltracer"]
    assert summary["run"] == recorded["run"]
    assert summary["metrics"] == recorded["metrics"]

    def figures(of):
        return [[(thread["label"], thread["hold_ns"], thread["wait_ns"], thread["lifetime_ns"])
                 for thread in gil["threads"]] for gil in of["gils"]]

    assert figures(summary) == figures(recorded)
    said = perf2trace("stacks", pair / "a", status=125)
    assert "holds no samples of native stacks" in said and said.count("\n") == 1


# --- what several machines saw together ----------------------------------------------------------

JOB = """
from mpi4py import MPI
import time
for i in range(20):
    time.sleep(0.002 * (MPI.COMM_WORLD.rank + 1))
    MPI.COMM_WORLD.Barrier()
"""


def why_no_mpi():
    if not shutil.which("mpirun"):
        return "mpirun is not installed (openmpi-bin)"
    done = subprocess.run([DEBIAN_PYTHON, "-c", "import mpi4py"], stderr=subprocess.DEVNULL)
    return None if done.returncode == 0 else "mpi4py is not installed (python3-mpi4py)"


def test_barriers_tell_that_a_wall_clock_is_off(tmp_path):
    require(why_no_mpi())
    (tmp_path / "job.py").write_text(JOB)
    record_rank = ('exec "$@" --keep rank$OMPI_COMM_WORLD_RANK -o rank$OMPI_COMM_WORLD_RANK.json '
                   "job.py")
    done = Run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "3", "sh", "-c", record_rank,
                "sh", GILTRACER, "-q", "--python", DEBIAN_PYTHON, "--gil-source", "agent", "--no-native"],
               tmp_path).finish(timeout=200)
    assert done.status == 0, done
    ranks = [tmp_path / f"rank{i}" for i in range(3)]
    perf2trace("-q", *ranks, "-o", tmp_path / "truth.json")
    for rank, off_ns in ((1, 3 * 10**6), (2, -250 * 10**6)):
        kept = json.loads((ranks[rank] / "run.json").read_text())
        kept["run"]["clocks"]["boot_id"] = f"boot-{rank}"
        for anchor in kept["run"]["clocks"]["anchors"]:
            anchor["unix_ns"] += off_ns
        (ranks[rank] / "run.json").write_text(json.dumps(kept))
    said = perf2trace(*ranks, "-o", tmp_path / "all.json")
    assert "By 20 collective calls of MPI that they made together" in said
    summary, events = trace(tmp_path / "all.json")
    passed, truth = ([event["ts"] for event in of if event["name"].endswith(".Barrier")]
                     for of in (events, trace(tmp_path / "truth.json")[1]))
    assert len(passed) == len(truth) == 60
    offs = [at - true - (passed[0] - truth[0]) for at, true in zip(passed, truth)]
    error_ns = summary["recordings"]["barriers_error_ns"]  # of ranks that had no CPU it is more
    assert max(map(abs, offs)) * 1000 <= error_ns < 100e6
    assert abs(summary["recordings"]["moved_ns"] - 250e6) <= error_ns


# --- a report alone ----------------------------------------------------------------------------

def test_a_report_alone(tmp_path):
    summary = record(tmp_path / "kept", "-o", str(tmp_path / "one.json.gz"), script="""
import threading, time
def spin():
    end = time.monotonic() + 0.1
    while time.monotonic() < end: pass
threads = [threading.Thread(target=spin) for _ in range(2)]
[one.start() for one in threads]
[one.join() for one in threads]
""")
    said = perf2trace(tmp_path / "one.json.gz", "-o", tmp_path / "again.json")
    again, _ = trace(tmp_path / "again.json")
    check_parts(again)
    gil, same = summary["gils"][0], again["gils"][0]
    assert gil["wait_ns"] == same["wait_ns"] > 0 and len(gil["threads"]) == len(same["threads"])
    assert [one["name"] for one in again["recordings"]["list"]] == ["one"]
    assert "This is of one recording. It was read from a report, which holds no requests" in said
    assert "nothing is estimated: it is of several recordings, or was read from a report" in said
    for words, part in [(["--what-if", "spin"], "--what-if takes a recording"),
                        (["stacks"], "stacks takes a recording"),
                        (["--viztracer", "x.json"], "leave out --agent-log")]:
        options, inputs = (words, []) if words[0].startswith("--") else ([], words)
        assert part in perf2trace(*options, *inputs, tmp_path / "one.json.gz", "-o",
                                  tmp_path / "none.json", status=125)
    (tmp_path / "other.json").write_text('{"traceEvents": []}')
    assert "no report of giltracer's" in perf2trace(tmp_path / "other.json", "-o",
                                                    tmp_path / "none.json", status=125)
    assert not (tmp_path / "none.json").exists()
