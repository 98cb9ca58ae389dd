# SPDX-License-Identifier: MIT
"""The agent through the launcher: the GIL and functions with no privilege, whatever the target
does, and what is said when the agent cannot be there."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import uuid

import pytest

import harness
from harness import (DEBIAN_PYTHON, calls, describe, giltracer, one_line_error, row_named, share,
                     target, trace)

AGENT = ["--gil-source", "agent"]
DEBIAN = harness.Interpreter(DEBIAN_PYTHON, harness.ask_version(DEBIAN_PYTHON))
SOME = [one for one in (DEBIAN, harness.an_interpreter(3, 12)) if one]
# pyenv's versions live in root's home, where nobody else may go: in a mount namespace they may.
OPEN_HOME = ('mkdir "$0" && mount --bind /root/.pyenv "$0" && mount -t tmpfs -o mode=755 none '
             '/root && mkdir /root/.pyenv && mount --move "$0" /root/.pyenv; '
             'exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"')


def as_nobody(public_folder, argv):
    """Run the copied giltracer as nobody, with nothing on PATH."""
    home = public_folder / "run"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    empty = public_folder / "empty"
    empty.mkdir()
    run = harness.Run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", 'PATH=/usr/bin:/bin; '
                       + OPEN_HOME.replace("exec ", "exec /usr/bin/env PATH=%s /usr/bin/" % empty),
                       str(home / "stage"), str(public_folder / "giltracer"), *argv],
                      home, cwd=str(public_folder), env={"VIRTUAL_ENV": None})
    run.tmp.chmod(0o777)
    run.finish()
    return run


@pytest.mark.needs_root
@pytest.mark.timing
def test_nobody_without_perf(interpreter, public_folder):
    shutil.rmtree(str(public_folder / "run"), ignore_errors=True)  # of a first try
    shutil.rmtree(str(public_folder / "empty"), ignore_errors=True)
    output = public_folder / "x.json"
    run = as_nobody(public_folder, ["--python", interpreter.path, "-o", output,
                                    public_folder / "targets" / "holder.py", "hold"])
    assert run.status == 0 and not run.leftovers(), run
    assert "seen by an agent inside the program" in run.err, run
    document = harness.read_json(output)
    harness.check_document(document)
    (gil,) = document["giltracer"]["gils"]
    truth_ns = int(run.out.split()[2])
    waiter, sleeper = row_named(gil, "wanter"), row_named(gil, "main")
    assert abs(waiter["wait_ns"] - truth_ns) <= 0.05 * truth_ns, (truth_ns, describe(
        document["giltracer"]))
    assert waiter["blocked_by"][0]["tid"] == sleeper["tid"]
    assert {call["tid"] for call in calls(document, "want")} == {waiter["tid"]}
    assert {call["tid"] for call in calls(document, "main")} == {sleeper["tid"]}
    assert all(call["args"]["file"].startswith(str(public_folder / "targets" / "holder.py"))
               for call in calls(document, "want"))


@pytest.mark.timing
def test_a_released_gil_is_not_waited_for(folder):
    traced = trace([target("holder"), "release"], folder, DEBIAN, AGENT)
    assert share(row_named(traced.gil(), "wanter"), "wait_ns") < 0.05, describe(traced.summary)


def test_a_single_thread_never_waits(folder):
    traced = trace([target("single"), "100000"], folder, DEBIAN, AGENT)
    (row,) = traced.gil()["threads"]
    assert row["wait_ns"] == 0 and row["waits"] == 0 and row["holds"] >= 100000


@pytest.mark.parametrize("functions", ["--no-python-trace", "--python-trace"])
def test_a_million_cycles_of_64_threads(functions, folder):
    """Nothing is lost."""
    summary = folder / "summary.json"
    python = harness.an_interpreter(3, 12) or DEBIAN
    run = giltracer([*AGENT, "--no-native", functions, "--python", python.path, "--summary", summary, "-o",
                     folder / "x.pb.gz", target("cycles")], folder)
    assert run.status == 0, run
    each = int(run.out)
    assert each == (1 << 20) // 64
    document = harness.read_json(summary)
    (gil,) = document["gils"]
    workers = [row for row in gil["threads"] if not row["main"]]
    assert len(workers) == 64 and all(row["holds"] >= each for row in workers)
    assert sum(row["holds"] for row in workers) < 64 * each * 1.01
    assert [line for line in run.err.splitlines() if "giltracer: " in line] == [
        "giltracer: wrote %s" % (folder / "x.pb.gz")]
    zero = ("lost_events", "unmatched_releases", "unmatched_takes", "overlaps", "duplicates")
    assert not any(document["quality"][name] for name in zero), document["quality"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("program", [["two_workers", "0.4"], ["holder", "hold"], ["forks", "3"]],
                         ids=lambda words: words[0])
@pytest.mark.parametrize("python", SOME, ids=lambda one: one.name)
@pytest.mark.timing  # a thread may lose its CPU between what the agent and the probe see
def test_probes_and_agent_agree_on_one_run(python, program, folder):
    kept = folder / uuid.uuid4().hex
    probes = trace([target(program[0]), *program[1:]], folder, python,
                   ["--gil-source", "uprobes", "--keep", kept])
    output = folder / "agent.json"
    run = harness.Run([harness.PERF2TRACE, "--agent-log", kept / "agent", "-o", output],
                      folder).finish()
    assert run.status == 0, run
    inside = harness.read_json(output)
    harness.check_document(inside)
    gils = {gil["pid"]: gil for gil in inside["giltracer"]["gils"]}
    assert sorted(gils) == sorted(gil["pid"] for gil in probes.summary["gils"])
    compared = 0
    for gil in probes.summary["gils"]:
        rows = {row["tid"]: row for row in gils[gil["pid"]]["threads"]}
        for row in gil["threads"]:
            other = rows[row["tid"]]
            assert abs(row["wait_ns"] - other["wait_ns"]) <= 0.01 * row["lifetime_ns"], (row, other)
            assert abs(row["hold_ns"] - other["hold_ns"]) <= 0.01 * row["lifetime_ns"], (row, other)
            assert row["holds"] == other["holds"], (row, other)  # nothing is lost
            compared += 1
    assert compared >= 2


def test_functions_are_traced_by_default(folder):
    traced = trace([target("two_workers"), "0.2"], folder, DEBIAN, AGENT)
    spins = list(calls(traced.document, "spin"))
    assert len(spins) == 2 and all(call["dur"] > 190e3 for call in spins), spins
    without = trace([target("two_workers"), "0.2"], folder, DEBIAN, AGENT + ["--no-python-trace"])
    assert not list(calls(without.document)) and without.gil()["threads"]


def test_names_that_the_kernel_was_told(interpreter, folder):
    """Better than those that threading makes up; as with perf, which is told by the kernel."""
    traced = trace([target("names")], folder, interpreter, AGENT)
    names = [bytes.fromhex(word) for word in traced.run.out.decode().split()]
    labels = [row["label"] for row in traced.gil()["threads"] if not row["main"]]
    # Blanks around a name are perf's padding as often as its own: they are never shown.
    plain = [name.decode().strip() for name in names if name.isascii() and name.decode().isprintable()]
    assert len(labels) == len(names) and set(plain) <= set(labels), labels
    assert not any(label.startswith("Thread-") for label in labels), labels


@pytest.mark.parametrize("how, status", [
    (["signal", "9"], 128 + signal.SIGKILL), (["segv"], 128 + signal.SIGSEGV),
    (["_exit", "7"], 7), (["code", "3"], 3)], ids=lambda value: str(value))
@pytest.mark.parametrize("python", SOME, ids=lambda one: one.name)
@pytest.mark.timing
def test_however_it_ends(python, how, status, folder):
    traced = trace([target("exits"), *how], folder, python, AGENT, status=status)
    gil = traced.gil()
    (worker,) = [row for row in gil["threads"] if not row["main"]]
    assert worker["hold_ns"] > 5e6 and worker["waits"], describe(traced.summary)
    spins = list(calls(traced.document, "spin"))
    assert len({call["tid"] for call in spins}) == 2 and len(spins) == 2
    assert all(call["dur"] >= 49e3 for call in spins)


@pytest.mark.parametrize("python", SOME, ids=lambda one: one.name)
def test_fifty_children(python, folder):
    traced = trace([target("forks"), "50"], folder, python, AGENT, timeout=180)
    assert traced.run.out.split() == [b"50"]
    gils = traced.summary["gils"]
    assert len({gil["pid"] for gil in gils}) == 51 == len(gils), describe(traced.summary)
    children = {call["pid"] for call in calls(traced.document, "child")}
    assert len(children) == 50
    for gil in gils:
        assert len(gil["threads"]) == 2, describe(traced.summary)


def test_exec(folder):
    traced = trace([target("execs"), "python"], folder, DEBIAN, AGENT)
    assert traced.run.out == b"done\n"
    assert [gil["number"] for gil in traced.summary["gils"]] == [0, 1], describe(traced.summary)
    mains = sorted(calls(traced.document, "main", "execs.py"), key=lambda call: call["ts"])
    assert len(mains) == 2 and mains[0]["ts"] + mains[0]["dur"] <= mains[1]["ts"]


def test_exec_of_another_program(folder):
    traced = trace([target("execs"), "false"], folder, DEBIAN, AGENT, status=1)
    assert len(traced.summary["gils"]) == 1 and \
        len(list(calls(traced.document, "main", "execs.py"))) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("python", SOME, ids=lambda one: one.name)
@pytest.mark.timing
def test_multiprocessing(python, method, folder):
    traced = trace([target("processes"), method], folder, python, AGENT)
    assert traced.run.out.split() == [b"0", b"0"]
    works = list(calls(traced.document, "work"))
    assert len({call["pid"] for call in works}) == 2
    for call in works:
        (gil,) = [gil for gil in traced.summary["gils"] if gil["pid"] == call["pid"]]
        spins = [row for row in gil["threads"] if not row["main"] and row["hold_ns"] > 5e6]
        assert len(spins) == 2, describe(traced.summary)


def test_subprocess_and_futures(folder):
    script = folder / "starts.py"
    script.write_text("import concurrent.futures, subprocess, sys\n"
                      "def square(x):\n    return x * x\n"
                      "if __name__ == '__main__':\n"
                      "    subprocess.check_call([sys.executable, '-c',"
                      " 'def inner(): pass\\ninner()'])\n"
                      "    subprocess.check_call(['/bin/true'])\n"
                      "    with concurrent.futures.ThreadPoolExecutor(2) as pool:\n"
                      "        print(sum(pool.map(square, range(10))))\n"
                      "    with concurrent.futures.ProcessPoolExecutor(2) as pool:\n"
                      "        print(sum(pool.map(square, range(10))))\n")
    traced = trace([script], folder, DEBIAN, AGENT)
    assert traced.run.out.split() == [b"285", b"285"]
    root = traced.summary["gils"][0]["pid"]
    squares = [call["pid"] == root for call in calls(traced.document, "square")]
    assert squares.count(True) == 10 and squares.count(False) == 10
    assert [call["pid"] != root for call in calls(traced.document, "inner")] == [True]


def test_daemon_threads_at_the_end(interpreter, folder):
    traced = trace([target("daemons")], folder, interpreter, AGENT)
    assert traced.gil()["threads"], describe(traced.summary)


# --- where it cannot be ---------------------------------------------------------------------

@pytest.fixture
def static_program(folder):
    source, program = folder / "static.c", folder / "static"
    source.write_text("int main(void) { return 5; }\n")
    done = subprocess.run(["cc", "-static", "-o", str(program), str(source)])
    harness.require("cannot link statically" if done.returncode else None)
    return program


def test_static_target(static_program, folder):
    run = giltracer([*AGENT, "-o", folder / "x.json", "--", static_program], folder)
    assert run.status == 5, run
    (line,) = [line for line in run.err.splitlines() if "agent" in line]
    assert "static" in line and "the agent was not loaded" in line, run
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"] == []


@pytest.mark.parametrize("how", [["--"], ["--python"]])
def test_program_of_another_libc(how, folder):
    """Its loader is not here: execve says only that there is no such file."""
    source, program = folder / "other.c", folder / "python3.11"
    source.write_text("int main(void) { return 5; }\n")
    loader = "/lib/ld-musl-nowhere.so.1"
    subprocess.run(["cc", "-Wl,-dynamic-linker," + loader, "-o", str(program), str(source)],
                   check=True)
    words = [*how, program] + (["-c", "pass"] if how == ["--python"] else [])
    run = giltracer([*AGENT, "-o", folder / "x.json", *words], folder)
    line = one_line_error(run, 127)
    assert str(program) in line and loader in line


@pytest.mark.needs_perf
def test_static_target_by_default(static_program, folder):
    """Nobody asked for functions of Python in particular: not a word."""
    run = giltracer(["-o", folder / "x.json", "--", static_program], folder)
    assert run.status == 5 and "agent" not in run.err, run
    harness.check_document(harness.read_json(folder / "x.json"))


@pytest.mark.needs_root
def test_set_uid_interpreter(public_folder, folder):
    python = public_folder / "python3.11"
    shutil.copy(os.path.realpath(DEBIAN_PYTHON), str(python))
    os.chown(str(python), 65534, 65534)
    python.chmod(0o4755)
    argv = ["-o", folder / "x.json", "--python", python, public_folder / "targets" / "single.py",
            "10"]
    run = giltracer([*AGENT, "--python-trace", *argv], folder)
    harness.require(None if "agent" in run.err else "set-uid has no effect here")
    assert run.status == 0, run
    lines = [line for line in run.err.splitlines() if "agent" in line]
    assert len(lines) <= 2 and "set-uid" in lines[0], run
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"] == []


def test_what_was_preloaded_stays(folder):
    old = subprocess.run(["/bin/sh", "-c", "ls /lib/*/libutil.so.1 /lib/*/libm.so.6 | head -1"],
                         stdout=subprocess.PIPE).stdout.decode().strip()
    script = ("import os, ctypes; maps = open('/proc/self/maps').read(); "
              "print(os.environ['LD_PRELOAD']); print(%r in maps)" % os.path.basename(old))
    traced = trace(["-c", script], folder, DEBIAN, AGENT, env={"LD_PRELOAD": old})
    preloaded, mapped = traced.run.out.decode().split()
    assert preloaded.split(":")[1:] == [old] and mapped == "True"
    assert traced.gil()["threads"]


def test_no_folder_for_the_log(folder):
    run = giltracer([*AGENT, "-o", folder / "x.json", target("single"), "10"], folder,
                    env={"TMPDIR": "/proc/nowhere"})
    assert "/proc/nowhere" in one_line_error(run, 125)
    assert not (folder / "x.json").exists()


# --- logs that were kept --------------------------------------------------------------------

@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    trace([target("two_workers"), "0.2"], folder, DEBIAN, AGENT + ["--keep", folder / "kept"])
    return folder / "kept" / "agent"


def convert(log, folder, status=0):
    run = harness.Run([harness.PERF2TRACE, "--agent-log", log, "-o", folder / "y.json"],
                      folder).finish()
    assert run.status == status, run
    return run


def test_kept_log(kept, folder):
    run = convert(kept, folder)
    document = harness.read_json(folder / "y.json")
    harness.check_document(document)
    assert len(list(calls(document, "spin"))) == 2 and "perf2trace: wrote" in run.err


def test_a_folder_that_is_used_again(folder):
    """What an earlier run left is not this one's; what is not ours stays."""
    argv = ["--keep", folder / "again"]
    trace([target("single"), "10"], folder, DEBIAN, AGENT + argv)
    note = folder / "again" / "agent" / "notes.log"
    note.write_text("mine")
    second = trace([target("single"), "10"], folder, DEBIAN, AGENT + argv)
    assert len(second.summary["gils"]) == 1 and note.read_text() == "mine"
    note.parent.chmod(0o755)
    run = giltracer([*AGENT, *argv, "-o", folder / "x.json", target("single"), "10"], folder)
    assert str(note.parent) in one_line_error(run, 125)


def damaged_copy(kept, folder):
    copy = folder / "copy"
    shutil.copytree(str(kept), str(copy))
    return copy, copy / "log"


def test_truncated_log(kept, folder):
    """Half of it is gone, whoever wrote that: nothing is said to be known."""
    copy, log = damaged_copy(kept, folder)
    written = len(log.read_bytes().rstrip(b"\0"))  # the file is larger
    os.truncate(str(log), written // 2 + 100)
    run = convert(copy, folder)
    lines = [line for line in run.err.splitlines() if "cut short or damaged" in line]
    assert lines and len(lines) == len(set(lines)), run
    summary = harness.read_json(folder / "y.json")["giltracer"]
    assert summary["lost"] and "is not known" in run.err, run
    for gil in summary["gils"]:
        assert all(row["unknown_ns"] >= 0.9 * row["lifetime_ns"] for row in gil["threads"]), gil


def test_log_without_its_last_bytes(kept, folder):
    copy, log = damaged_copy(kept, folder)
    os.truncate(str(log), log.stat().st_size - 64 * 1024 + 100)
    run = convert(copy, folder)
    assert "cut short or damaged" in run.err, run
    document = harness.read_json(folder / "y.json")
    assert list(calls(document)) and document["giltracer"]["gils"]


def test_corrupt_log(kept, folder):
    copy, log = damaged_copy(kept, folder)
    with log.open("r+b") as stream:
        stream.seek(2 * 64 * 1024)
        stream.write(os.urandom(64 * 1024))
    run = convert(copy, folder)
    assert 1 <= len([line for line in run.err.splitlines() if "damaged" in line]) <= 2, run
    assert harness.read_json(folder / "y.json")["giltracer"]["gils"]


@pytest.mark.parametrize("contents", [b"", b"nonsense", b"\0" * 400000],
                         ids=["empty", "nonsense", "zeros"])
def test_corrupt_control_file(contents, kept, folder):
    copy, _ = damaged_copy(kept, folder)
    (copy / "control").write_bytes(contents)
    assert "control" in one_line_error(convert(copy, folder, 125), 125)


def test_no_log(folder):
    assert "/nonexistent" in one_line_error(convert("/nonexistent", folder, 125), 125)
    empty = pathlib.Path(str(folder), "empty")
    empty.mkdir()
    assert "no agent log" in one_line_error(convert(empty, folder, 125), 125)


def test_full_log(folder):
    """From when it was full, nobody is said to hold or to wait."""
    traced = trace([target("fib"), "25", "4"], folder, harness.an_interpreter(3, 12) or DEBIAN,
                   AGENT + ["--max-log-size", "2M", "--overhead-budget", "0"])
    stopped_ns = traced.summary["functions"]["stopped_ns"]
    (row,) = traced.gil()["threads"]
    assert stopped_ns and row["unknown_ns"] > 0.2 * row["lifetime_ns"], describe(traced.summary)
    assert row["hold_ns"] <= stopped_ns
    assert "--max-log-size" in traced.run.err


@pytest.mark.parametrize("python", harness.newest(3, 12), ids=str)  # the first with a budget
def test_what_the_budget_lets_go_of_is_named(python, folder):
    traced = trace([target("fib"), "25", "4"], folder, python, AGENT)
    functions = traced.summary["functions"]
    assert [one["name"] for one in functions["untraced"]][:1] == ["fib"]
    assert functions["untraced"][0]["calls"] == functions["untraced_calls"] > 1000
    assert "fib: untraced, %d calls seen" % functions["untraced_calls"] in traced.run.err


# --- functions in the place of the interpreter's frames ----------------------------------------

def folded(folder, kept, *words):
    run = harness.Run([harness.BUILD / "offgil", *words, kept / "perf.data"], folder).finish()
    assert run.status == 0, run
    stacks = {}
    for line in run.out.decode().splitlines():
        frames, weight = line.rsplit(" ", 1)
        stacks[tuple(frames.split(";"))] = int(weight)
    return stacks


def is_interpreter(frame):
    return frame.startswith(("[python", "[libpython", "_PyEval", "PyEval", "_PyObject", "PyCOND",
                             "pymain_", "take_gil"))


def frames_of_page(folder, kept, *words):
    page = folder / "page.html"
    run = harness.Run([harness.PERF2TRACE, "-q", "--agent-log", kept / "agent", *words,
                       kept / "perf.data", "-o", page], folder).finish()
    assert run.status == 0, run
    return json.loads(re.search(r'id="page-data"[^>]*>(.*?)</script>', page.read_text(),
                                re.S).group(1))["frames"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("python", SOME, ids=str)
def test_stacks_of_functions(folder, python):
    kept = folder / "kept"
    trace([target("two_workers"), "0.4"], folder, python,
          ["--state-detect", "--call-graph", "--keep", kept])
    plain = folded(folder, kept)
    merged = folded(folder, kept, "--agent-log", kept / "agent")
    both = folded(folder, kept, "--agent-log", kept / "agent", "--keep-interpreter-frames")
    spins = [frames for frames in merged if "spin" in frames]
    assert spins and all(not is_interpreter(frame) for frames in spins for frame in frames), spins
    for frames in spins:
        at = frames.index("Thread.run")
        assert frames[at + 1] == "spin" and frames.index("Thread._bootstrap_inner") < at
    assert any(any(map(is_interpreter, frames)) and "spin" in frames for frames in both)
    assert not any("spin" in frames for frames in plain)
    # The time is the same, however it is named; each line is rounded up to a microsecond.
    total = sum(plain.values())
    for stacks in (merged, both):
        assert abs(sum(stacks.values()) - total) <= len(stacks) + len(plain)
    # The page shows the same; before the first function there is nothing to put in their place.
    fewer = set(frames_of_page(folder, kept))
    more = set(frames_of_page(folder, kept, "--keep-interpreter-frames"))
    assert "spin" in fewer and fewer < more, fewer - more
    assert any(map(is_interpreter, more - fewer))
