# SPDX-License-Identifier: MIT
"""Debian unstable's Python 3.14 and 3.15, in a root of their own (tests/pythons/unstable): loading
the agent by CPython's remote-debugging protocol, and what giltracer does with another root."""
import itertools
import json
import os
import shutil
import subprocess
import time

import harness
import pytest
from harness import Running, giltracer, require, row_named, target
from unharmed import Unharmed

CALL = harness.BUILD / "remote_call"
AGENT = harness.BUILD / "libgiltracer-agent.so"
DUMP = harness.BUILD / "agentlog_dump"
VERSIONS = ("3.14", "3.15")

every_version = pytest.mark.parametrize("version", VERSIONS)


class Inside:
    """A folder in the root, with the agent and a target in it."""

    def __init__(self, root, name):
        self.root, self.inside = root, "/tmp/" + name
        self.path = root / "tmp" / name
        self.path.mkdir(0o700)
        shutil.copy(str(AGENT), str(self.path))
        (self.path / "log").mkdir(0o700)

    def start(self, version, name, *words, options=(), **popen):
        shutil.copy(str(target(name)), str(self.path))
        return Running("chroot", self.root, "python" + version, *options,
                       "%s/%s.py" % (self.inside, name), *words, **popen)

    def call(self, process, symbol="gt_agent_attach", python=1, log="log", **popen):
        """(status, output): the function's result, or why it was not called."""
        settings = "GILTRACER_AGENT_DIR=%s/%s\nGILTRACER_AGENT_PYTHON=%d\n" % (self.inside, log, python)
        done = subprocess.run(
            [str(CALL), str(process.pid), self.inside + "/" + AGENT.name, symbol, settings,
             str(self.path / log), self.inside + "/" + log], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S, **popen)
        return done.returncode, (done.stdout + done.stderr).decode().strip()

    def log(self):
        assert sorted(path.name for path in (self.path / "log").iterdir()) == ["control", "log"]
        done = subprocess.run([str(DUMP), str(self.path / "log")], stdout=subprocess.PIPE,
                              check=True)
        return done.stdout.decode(errors="replace")


@pytest.fixture
def inside(folder):
    root = harness.unstable()
    one = Inside(root, "gt-" + folder.name[-20:] + "-%d" % os.getpid())
    yield one
    shutil.rmtree(str(one.path))


@every_version
def test_the_agent_comes_by_the_protocol_and_goes(inside, version):
    with inside.start(version, "attached", "turns", stderr=subprocess.PIPE) as process:
        began = time.monotonic()
        assert inside.call(process) == (0, "0")
        assert time.monotonic() - began < 2
        assert inside.call(process) == (0, "114")  # EALREADY
        time.sleep(0.5)
        assert inside.call(process, "gt_agent_detach") == (0, "0")
        assert inside.call(process, "gt_agent_detach") == (0, "107")  # ENOTCONN
        assert process.process.poll() is None
        process.process.kill()
        assert process.process.stderr.read() == b""
    log = inside.log()
    assert " signal " in log and " wait " in log
    assert "|%s/attached.py|" % inside.inside in log
    assert "<string>" not in log and "create_dynamic" not in log
    named = {line.split(" comm ")[1][2:] for line in log.splitlines() if " comm " in line}
    assert {"Thread-1 (run)", "Thread-2 (run)"} <= named, named


@pytest.mark.long
@every_version
@pytest.mark.parametrize("symbol", ["gt_agent_attach", "gt_agent_detach"])
def test_whoever_asks_by_the_protocol_is_killed_after_each_call(inside, version, symbol, folder):
    """The program, which notices what is done to it, does not notice."""
    other = "gt_agent_detach" if symbol == "gt_agent_attach" else "gt_agent_attach"
    fired, logs, counts = folder / "fired", itertools.count(), {}

    def call(process, symbol, fault=None):
        log = "log-%d" % next(logs)
        (inside.path / log).mkdir(0o700)
        if fired.exists():
            fired.unlink()
        status, said = inside.call(process, symbol, log=log, env=dict(
            os.environ, LD_PRELOAD=str(harness.FAULTS), GT_FAULTS_LOG=str(fired),
            GT_FAULTS="remote_call * %s %d 1009" % fault) if fault else None)
        if not fault and said not in ("0", "114", "107"):
            harness.wait_for(process.is_over, said, 3)
        return fired.exists()

    made = Unharmed.build(inside.path)
    shutil.copy(str(target("unharmed")), str(inside.path))
    for function in ("process_vm", "open", "write"):
        n, reached = 1, True
        while reached:
            with Unharmed.of("chroot", inside.root, "python" + version, inside.inside + "/unharmed.py",
                             inside.inside + "/" + made.name, "3") as process:
                while reached and not process.is_over():
                    call(process, other)
                    reached = not process.is_over() and call(process, symbol, (function, n))
                    if not process.is_over():
                        n += reached
                    else:
                        reached = True
                process.check()
        counts[function] = n - 1
    print(version, symbol, counts)
    assert counts["process_vm"] > 5, counts


@every_version
@pytest.mark.parametrize("switched", [("-X", "disable-remote-debug"), ()],
                         ids=["by an option", "by the environment"])
def test_where_it_is_switched_off(inside, version, switched):
    env = dict(os.environ) if switched else dict(os.environ, PYTHON_DISABLE_REMOTE_DEBUG="1")
    with inside.start(version, "attached", "turns", options=switched, env=env) as process:
        status, said = inside.call(process)
    assert status == 1 and "remote debugging is switched off in process %d" % process.pid in said


@every_version
def test_threads_that_are_all_blocked(inside, version):
    """None has a safe point: the process stays as it was."""
    with inside.start(version, "blocked", "pause", stderr=subprocess.PIPE) as process:
        began = time.monotonic()
        status, said = inside.call(process)
        assert status == 1 and "are blocked" in said, said
        assert time.monotonic() - began < 1.5
        assert list((inside.path / "log").iterdir()) == []
        assert process.process.poll() is None
        process.process.kill()
        assert process.process.stderr.read() == b""


def test_a_library_that_cannot_be_loaded(inside):
    with inside.start("3.14", "attached", "turns", stderr=subprocess.PIPE) as process:
        (inside.path / AGENT.name).write_bytes(b"no library")
        status, said = inside.call(process)
        assert status == 1 and "cannot load the agent" in said and AGENT.name in said, said
        process.process.kill()
        assert process.process.stderr.read() == b""


def test_an_older_python_has_no_such_protocol(folder):
    with Running(harness.an_interpreter(3, 7).path, target("attached"), "turns") as process:
        done = subprocess.run([str(CALL), str(process.pid), "x", "y", "", str(folder), "/"],
                              stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"has no remote debugging" in done.stderr


@every_version
@pytest.mark.needs_perf
@pytest.mark.timing
def test_the_gil_by_probes(inside, version, folder):
    with inside.start(version, "attached", "turns") as process:
        output = folder / "x.json"
        run = giltracer(["--pid", process.pid, "-o", output, "--duration", "1s", "--gil-source",
                         "uprobes"], folder)
    assert run.status == 0, run
    document = harness.read_json(output)
    harness.check_document(document)
    gil = document["giltracer"]["gils"][0]
    assert 475 <= row_named(gil, "waiter")["wait_ns"] / 1e6 <= 525, run
    assert 475 <= row_named(gil, "holder")["hold_ns"] / 1e6 <= 525, run


@every_version
def test_a_dump(inside, version, folder):
    with inside.start(version, "hangs", "asleep") as process:
        time.sleep(0.2)
        run = giltracer(["--pid", process.pid, "--dump"], folder)
    assert run.status == 0 and "(holder) has the GIL" in run.out.decode(), run


# --- a program that changes its root ---------------------------------------------------------

CONTENDS = """
import threading, time
def work():
    end = time.time() + 0.5
    while time.time() < end:
        sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(2)]
for one in threads: one.start()
for one in threads: one.join()
print("done")
"""


@every_version
def test_a_program_in_a_root_that_is_launched(version, folder):
    """The agent goes along: the loader does not complain, and the GIL and functions are seen."""
    root = harness.unstable()
    before = sorted(os.listdir(str(root / "tmp")))
    output = folder / "x.json"
    run = giltracer(["-o", output, "--", "chroot", root, "python" + version, "-c", CONTENDS], folder)
    assert run.status == 0 and run.out == b"done\n", run
    assert "ld.so" not in run.err and "No GIL was seen" not in run.err, run
    document = harness.read_json(output)
    harness.check_document(document)
    gil = document["giltracer"]["gils"][0]
    assert gil["wait_ns"] > 1e8, run
    assert "work" in str(document["giltracer"]), run
    assert sorted(os.listdir(str(root / "tmp"))) == before and run.leftovers() == []


def test_a_root_that_the_agent_cannot_come_to(folder):
    """On another file system: the program runs as ever, and that it was not seen is said."""
    harness.unstable()
    mount = folder / "root"
    mount.mkdir()
    script = ("mount -t tmpfs none {0} && mkdir -p {0}/usr {0}/tmp {0}/etc && "
              "mount --bind {1}/usr {0}/usr && ln -s usr/lib {0}/lib && ln -s usr/lib64 {0}/lib64 && "
              "ln -s usr/bin {0}/bin && cp {1}/etc/ld.so.* {0}/etc/ 2>/dev/null; "
              "exec chroot {0} python3.14 -c 'print(7)'").format(mount, harness.unstable())
    run = giltracer(["-o", folder / "x.json", "--", "unshare", "-m", "sh", "-c", script], folder)
    assert run.status == 0 and run.out == b"7\n", run
    assert "ld.so" not in run.err, run
    assert "(pid " in run.err and "was not seen" in run.err, run


# --- --pid with the agent ----------------------------------------------------------------------

@every_version
@pytest.mark.timing  # a machine that is very busy may leave the program blocked for long
@pytest.mark.parametrize("switched", [(), ("-X", "disable-remote-debug")],
                         ids=["by the protocol", "by ptrace"])
def test_functions_of_what_runs_already(inside, version, switched, folder):
    require(None if shutil.which("strace") else "strace is not installed")
    with inside.start(version, "attached", "turns", options=switched,
                      stderr=subprocess.PIPE) as process:
        seen = harness.Run(["strace", "-f", "-e", "trace=ptrace", "-o", folder / "calls",
                            harness.GILTRACER, "--pid", process.pid, "-o", folder / "x.json",
                            "--gil-source", "agent", "--duration", "1s"], folder).finish()
        assert process.process.poll() is None
        process.process.kill()
        assert process.process.stderr.read() == b""
    assert seen.status == 0, seen
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    assert "ptrace(PTRACE_SEIZE" in (folder / "calls").read_text() or not switched
    assert "ptrace(PTRACE_SEIZE" not in (folder / "calls").read_text() or switched
    assert list(harness.calls(document, "keep")), seen
    gil = document["giltracer"]["gils"][0]
    assert row_named(gil, "waiter")["wait_ns"] > 2e8, seen
    assert [name for name in os.listdir(str(inside.root / "tmp")) if name.startswith("giltracer-")] \
        == [], seen


# --- locks ---------------------------------------------------------------------------------------

@every_version
@pytest.mark.timing
@pytest.mark.parametrize("what, kind, holder", [("held", "_thread.lock", "keep_it"),
                                                ("condition", "_thread.RLock", "notify")])
def test_who_had_a_lock_is_known(inside, version, what, kind, holder, folder):
    shutil.copy(str(target("locks")), str(inside.path))
    run = giltracer(["--gil-source", "agent", "-o", folder / "x.json", "--", "chroot", inside.root,
                     "python" + version, inside.inside + "/locks.py", what], folder)
    assert run.status == 0, run
    row = harness.read_json(folder / "x.json")["giltracer"]["locks"]["rows"][0]
    assert row["unknown_ns"] <= 0.02 * row["wait_ns"] and row["type"] == kind, row
    assert row["charged_ns"] + row["handover_ns"] + row["unknown_ns"] == row["wait_ns"], row
    first = row["holders"][0]
    assert (first["function"], first["caller"]) == ("time.sleep", holder), row
    assert first["ns"] > 0.9 * row["wait_ns"], row


WHEN_TOLD = ("import runpy, sys; print('ready', flush=True); input(); sys.argv = ['locks.py', %r]; "
             "runpy.run_path(%r, run_name='__main__')")


@every_version
@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("what, kind", [("held", "_thread.lock"), ("condition", "_thread.RLock"),
                                        ("idle", None)])
def test_locks_of_what_runs_already_are_seen_by_probes_alone(inside, version, what, kind, folder):
    """In another root, and without anything that is loaded into it."""
    shutil.copy(str(target("locks")), str(inside.path))
    with Running("chroot", inside.root, "python" + version, "-c",
                 WHEN_TOLD % (what, inside.inside + "/locks.py")) as process:
        run = harness.Run([harness.GILTRACER, "--pid", process.pid, "-o", folder / "x.json",
                           "--gil-source", "uprobes", "--no-python-trace"], folder)
        harness.wait_for(lambda: any(harness.probe_is_of(line, run.pid)
                                     for line in harness.probes()), "no probes came")
        time.sleep(1.5)
        process.process.stdin.write(b"\n")
        process.process.stdin.flush()
        truth = sum(json.loads(process.process.stdout.read().decode()).values())
        run.finish()
    assert run.status == 0, run
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    rows = document["giltracer"].get("locks", {"rows": []})["rows"]
    if what == "idle":
        assert not rows
        return
    row = rows[0]
    assert row["type"] == kind and row["function"] is None, row
    assert abs(row["wait_ns"] - (truth or 300e6)) < 0.03 * row["wait_ns"] + 20e6, (row, truth)
    assert row["charged_ns"] + row["handover_ns"] + row["unknown_ns"] == row["wait_ns"], row
    assert row["charged_ns"] > 0.9 * row["wait_ns"], row
