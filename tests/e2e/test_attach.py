# SPDX-License-Identifier: MIT
"""Recording what runs already (--pid), and a part of a run (--delay, --duration)."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import harness
import pytest
from attaching import record, some_interpreters
from harness import Running, giltracer, one_line_error, require, row_named, start, target

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


def attached(python, *words, **popen):
    return Running(python, target("attached"), *words, **popen)


def an_attached(*words, **popen):
    return attached(harness.an_interpreter(3, 7).path, *words, **popen)


def ms(ns):
    return ns / 1e6


# --- what is recorded ----------------------------------------------------------------------

@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", some_interpreters())
def test_turns_that_began_long_before(python, folder):
    with attached(python.path, "turns") as process:
        traced = record(process.pid, folder, "--duration", "1s")
        assert process.process.poll() is None
    gil = traced.gil()
    holder, waiter = row_named(gil, "holder"), row_named(gil, "waiter")
    assert 475 <= ms(waiter["wait_ns"]) <= 525, harness.describe(traced.summary)
    assert 475 <= ms(holder["hold_ns"]) <= 525, harness.describe(traced.summary)
    # From its first event on, or from when it cannot wait any more.
    assert 985 <= ms(holder["lifetime_ns"]) <= 1015 and 985 <= ms(waiter["lifetime_ns"]) <= 1015
    assert traced.summary["run"]["exit_status"] is None


@pytest.mark.needs_perf
@pytest.mark.timing
def test_who_holds_it_at_the_first_moment_is_known_by_the_release(folder):
    with an_attached("once") as process:
        # Without the agent, which would wait for the GIL before the recording begins.
        run = start(["--pid", process.pid, "-o", folder / "x.json", "-v", "--duration", "2500ms",
                     "--no-python-trace"], folder)
        # The hold begins before perf records, and ends while it does.
        harness.wait_for(lambda: any(harness.probe_is_of(line, run.pid)
                                     for line in harness.probes()), "no probes came")
        process.process.stdin.write(b"\n")
        process.process.stdin.flush()
        run.finish()
    assert run.status == 0, run
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    summary = document["giltracer"]
    holder = row_named(summary["gils"][0], "holder")
    waiter = row_named(summary["gils"][0], "waiter")
    assert 700 <= ms(holder["longest_hold_ns"]) <= 1520, harness.describe(summary)
    assert abs(ms(waiter["longest_wait_ns"]) - ms(holder["longest_hold_ns"])) < 30


@pytest.mark.needs_perf
def test_children_that_it_makes_are_recorded(folder):
    with an_attached("children") as process:
        traced = record(process.pid, folder, "--duration", "1s")
    gils = traced.summary["gils"]
    assert {gil["pid"] for gil in gils} > {process.pid}, harness.describe(traced.summary)
    children = [gil for gil in gils if gil["pid"] != process.pid]
    assert len(children) >= 3, harness.describe(traced.summary)


@pytest.mark.needs_perf
def test_threads_that_end_while_perf_attaches(folder):
    """It gives up then, and is started again."""
    tried = folder / "tried"
    with an_attached("turns") as process:
        traced = record(process.pid, folder, "--no-native", "--duration", "300ms", env={
            "GILTRACER_PERF": harness.FAKE_PERF, "GT_FAKE_PERF": "record-misses-threads",
            "GT_FAKE_TARGET": tried})
    assert tried.read_text() == "xxx"
    assert len(traced.gil()["threads"]) >= 2, traced.run


@pytest.mark.needs_perf
def test_until_it_ends(folder):
    with an_attached("turns", "1.5") as process:
        traced = record(process.pid, folder)
        assert process.process.wait(5) == 7
    assert "GIL-bound" in traced.run.err


@pytest.mark.needs_perf
def test_an_interrupt_ends_the_recording_and_not_the_program(folder):
    with an_attached("turns") as process:
        run = start(["--pid", process.pid, "-o", folder / "x.json"], folder)
        harness.wait_for(lambda: any(harness.probe_is_of(line, run.pid)
                                     for line in harness.probes()), "no probes came")
        time.sleep(1)
        os.kill(run.pid, signal.SIGINT)
        run.finish()
        assert run.status == 0, run
        assert process.process.poll() is None
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("options", [("--gil-source", "futex", "--delay", "100ms"),
                                     ("--state-detect", "--call-graph", "-e", "context-switches")],
                         ids=" ".join)
def test_the_same_options(options, folder):
    with an_attached("turns") as process:
        traced = record(process.pid, folder, "--duration", "500ms", *options)
    assert ms(traced.gil()["wait_ns"]) > 50, harness.describe(traced.summary)
    names = {event["name"] for event in traced.document["traceEvents"]}
    assert ("context-switches" in names) == ("context-switches" in options), names


@pytest.mark.needs_perf
def test_functions_of_the_interpreter_as_the_source(folder):
    pythons = harness.newest(3, 7, symbols=True)
    require(None if pythons else "no interpreter with symbols")
    with attached(pythons[0].path, "turns") as process:
        traced = record(process.pid, folder, "--duration", "1s", "--gil-source", "functions")
    assert ms(row_named(traced.gil(), "waiter")["wait_ns"]) > 300


@pytest.mark.needs_perf
def test_another_mount_namespace(folder):
    """Its libc is another file at the same path."""
    copy = folder / "libc.so.6"
    require(None if os.path.exists(LIBC) else "the libc is elsewhere")
    shutil.copy(os.path.realpath(LIBC), copy)
    script = 'mount --bind "$1" %s && shift && exec "$@"' % LIBC
    with Running("unshare", "-m", "sh", "-c", script, "-", copy, harness.DEBIAN_PYTHON,
                target("attached"), "turns") as process:
        traced = record(process.pid, folder, "--duration", "1s")
    assert 400 <= ms(row_named(traced.gil(), "waiter")["wait_ns"]) <= 600, traced.run


@pytest.mark.needs_perf
def test_another_root(folder):
    """A chroot whose libc is a file of its own; all mounts are gone with the namespace."""
    copy = folder / "libc.so.6"
    require(None if os.path.exists(LIBC) else "the libc is elsewhere")
    shutil.copy(os.path.realpath(LIBC), copy)
    root = folder / "root"
    for name in ("usr", "proc", "tests", "dev"):
        (root / name).mkdir(parents=True)
    for name in ("lib", "lib64", "bin"):
        (root / name).symlink_to("usr/" + name)
    script = ('mount --bind /usr "$1/usr" && mount -t proc proc "$1/proc" && '
              'mount --bind /dev "$1/dev" && mount --bind "$2" "$1/tests" && '
              'mount --bind "$3" "$1%s" && exec chroot "$1" %s /tests/attached.py turns'
              % (LIBC, harness.DEBIAN_PYTHON))
    with Running("unshare", "-m", "sh", "-c", script, "-", root, harness.TARGETS,
                copy) as process:
        traced = record(process.pid, folder, "--duration", "1s")
    assert 400 <= ms(row_named(traced.gil(), "waiter")["wait_ns"]) <= 600, traced.run


@pytest.mark.needs_perf
def test_a_pid_namespace_of_its_own(folder):
    outer = subprocess.Popen(["unshare", "-p", "-f", "--kill-child", harness.DEBIAN_PYTHON,
                              target("attached"), "turns"],
                             stdout=subprocess.PIPE, stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert outer.stdout.readline() == b"ready\n"
        children = pathlib.Path("/proc/%d/task/%d/children" % (outer.pid, outer.pid)).read_text()
        run = giltracer(["--pid", children.split()[0], "-o", folder / "x.json",
                         "--duration", "500ms"], folder)
    finally:
        outer.kill()
        outer.communicate()
    assert run.status == 0, run
    gil, = harness.read_json(folder / "x.json")["giltracer"]["gils"]
    assert gil["pid"] == int(children.split()[0])


# --- part of a run -------------------------------------------------------------------------

@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("options", [(), ("--gil-source", "agent")],
                         ids=lambda options: options[-1] if options else "auto")
def test_a_duration_ends_the_recording_and_not_the_program(options, folder):
    run = start(["--duration", "1s", "-o", folder / "x.json", *options, target("attached"), "turns",
                 "4"], folder)
    harness.wait_for((folder / "x.json").exists, "no report came", 30)
    assert run.process.poll() is None, "the program did not run on"
    run.finish()
    assert run.status == 7 and run.out == b"ready\ndone\n", run
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    lives = [row["lifetime_ns"] for gil in document["giltracer"]["gils"] for row in gil["threads"]]
    assert lives and 500 <= ms(max(lives)) <= 1100, harness.describe(document["giltracer"])
    assert document["giltracer"]["run"]["exit_status"] is None


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("options", [(), ("--gil-source", "agent")],
                         ids=lambda options: options[-1] if options else "auto")
def test_a_delay_leaves_out_the_beginning(options, folder):
    traced = harness.trace([target("attached"), "turns", "2.5"], folder, status=7, options=[
        "--delay", "1s", "--duration", "1s", *options])
    waiter = [row for row in traced.gil()["threads"] if row["wait_ns"] > 3e8]
    assert len(waiter) == 1, harness.describe(traced.summary)
    assert 400 <= ms(waiter[0]["wait_ns"]) <= 600, harness.describe(traced.summary)
    assert 900 <= ms(waiter[0]["lifetime_ns"]) <= 1015, harness.describe(traced.summary)


@pytest.mark.needs_perf
@pytest.mark.parametrize("source", ["uprobes", "futex", "agent"])
def test_of_what_was_not_to_be_recorded_nothing_is_said(source, folder):
    """Two threads contend, but only after the part that is recorded."""
    code = ("import threading, time\ntime.sleep(1)\n"
            "def work():\n end = time.monotonic() + 0.2\n while time.monotonic() < end: pass\n"
            "one = threading.Thread(target=work); one.start(); work(); one.join()\n")
    run = start(["--duration", "400ms", "--gil-source", source, "--no-python-trace",
                 "-o", folder / "x.json", "-c", code], folder)
    run.finish()
    assert run.status == 0, run
    findings = harness.read_json(folder / "x.json")["giltracer"]["findings"]
    assert not any("ever waited" in one or "% of the run" in one for one in findings), findings


@pytest.mark.needs_perf
def test_a_program_that_ends_before_the_delay(folder):
    run = giltracer(["--delay", "30s", "-o", folder / "x.json", target("attached"), "idle", "0.2"],
                    folder)
    assert run.status == 7, run
    assert "no report: the program ended before --delay was over" in run.err
    assert not (folder / "x.json").exists()


@pytest.mark.needs_perf
def test_a_program_that_ends_before_the_duration(folder):
    traced = harness.trace([target("attached"), "turns", "0.5"], folder, status=7, options=[
        "--duration", "30s"])
    assert traced.summary["run"]["exit_status"] == 7


@pytest.mark.needs_perf
def test_signals_reach_the_program_that_runs_on(folder):
    run = start(["--duration", "500ms", "-o", folder / "x.json", target("attached"), "turns"], folder)
    harness.wait_for((folder / "x.json").exists, "no report came", 30)
    os.kill(run.pid, signal.SIGTERM)
    run.finish()
    assert run.status == 128 + signal.SIGTERM, run


# --- refusals ------------------------------------------------------------------------------

def refused(folder, pid, *options, **more):
    return one_line_error(giltracer(["--pid", pid, "-o", folder / "x.json", *options], folder,
                                    **more), 125)


def test_no_such_process(folder):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert "there is no process %d" % gone.pid in refused(folder, gone.pid)


def test_a_zombie(folder):
    zombie = subprocess.Popen(["true"])
    path = pathlib.Path("/proc/%d/stat" % zombie.pid)
    harness.wait_for(lambda: ") Z " in path.read_text(), "it did not end")
    try:
        assert "zombie" in refused(folder, zombie.pid)
    finally:
        zombie.wait()


def test_no_python(folder):
    other = subprocess.Popen(["sleep", "60"])
    try:
        assert "does not run Python" in refused(folder, other.pid)
    finally:
        other.kill()
        other.wait()


def test_a_thread_of_a_process(folder):
    with an_attached("idle") as process:
        tid = max(int(name) for name in os.listdir("/proc/%d/task" % process.pid))
        line = refused(folder, tid)
    assert "is a thread of process %d" % process.pid in line


def test_python_2(folder):
    twos = harness.pyenv_pythons("2")
    require(None if twos else "no Python 2")
    with Running(twos[0], "-uc", "print('ready')\nimport time; time.sleep(60)") as process:
        assert "Python 2" in refused(folder, process.pid)


def test_pypy(folder):
    shutil.copy(shutil.which("sleep"), folder / "pypy3")
    other = subprocess.Popen([str(folder / "pypy3"), "60"])
    try:
        assert "PyPy" in refused(folder, other.pid)
    finally:
        other.kill()
        other.wait()


def test_musl_inside(folder):
    """A process that maps musl's loader, or what is called so."""
    shutil.copy(os.path.realpath(LIBC) if os.path.exists(LIBC) else harness.DEBIAN_PYTHON,
                folder / "ld-musl-x86_64.so.1")
    code = ("import mmap, sys, time\n"
            "f = open(sys.argv[1], 'rb')\n"
            "m = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n")
    with Running(harness.DEBIAN_PYTHON, "-c", code, folder / "ld-musl-x86_64.so.1") as process:
        assert "musl" in refused(folder, process.pid)


def test_an_interpreter_that_was_replaced(folder):
    python = folder / "python3"
    shutil.copy(os.path.realpath(harness.DEBIAN_PYTHON), python)
    with Running(python, "-c", "print('ready', flush=True)\nimport time; time.sleep(60)") as process:
        python.unlink()
        assert "not on the disk any more" in refused(folder, process.pid)


def test_another_users_process(folder, tmp_path_factory):
    require(None if os.geteuid() == 0 else "not root: cannot be another user")
    nobody = 65534

    def become_nobody():
        os.setgid(nobody)
        os.setuid(nobody)

    with an_attached("idle") as process:
        done = subprocess.run([str(harness.GILTRACER), "--pid", str(process.pid)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/tmp",
                              preexec_fn=become_nobody, env=dict(os.environ, HOME="/tmp"))
    assert done.returncode == 125, done
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1 and "run giltracer as root" in lines[0], done


@pytest.mark.parametrize("words, part", [
    (["--pid", "1", "script.py"], "name no program"),
    (["--pid", "nonsense"], "--pid takes"),
    (["--pid", "0"], "--pid takes"),
    (["--pid", "1", "--python", "python3"], "--python"),
    (["--pid", "1", "--viztracer"], "--viztracer"),
    (["--pid", "1", "--repeat", "3"], "--repeat"),
    (["--pid", "1", "--import", "json"], "--import"),
    (["--duration", "0", "-c", "1"], "--duration takes"),
    (["--duration", "-1s", "-c", "1"], "--duration takes"),
    (["--delay", "soon", "-c", "1"], "--delay takes"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_options_that_do_not_go_together(words, part, folder):
    assert part in one_line_error(giltracer(words, folder), 125)
