# SPDX-License-Identifier: MIT
"""giltracer --pid with the agent, which is loaded into the process (cmd/giltracer/late_agent.h)."""
import ctypes
import os
import pathlib
import signal
import time
import uuid

import harness
import pytest
from attaching import is_recorded, record, some_interpreters, what_is_left
from harness import Running, giltracer, one_line_error, row_named, start, target

NOBODY = 65534
AGENT_ALONE = ("--gil-source", "agent", "--duration", "1s")
# pyenv's versions live in root's home: see test_privilege.py. A program runs, and is recorded.
AS_NOBODY = ('mkdir "$0" && mount --bind /root/.pyenv "$0" && mount -t tmpfs -o mode=755 none '
             '/root && mkdir /root/.pyenv && mount --move "$0" /root/.pyenv; '
             'exec setpriv --reuid=65534 --regid=65534 --clear-groups -- sh -c "$1" "$@"')
START_AND_RECORD = ('mkfifo said; "$1" targets/attached.py turns 30 >said & shift; '
                    'read ready <said; "$@" --pid $!; status=$?; kill $!; exit $status')


def check_turns(summary):
    (gil,) = summary["gils"]
    holder, waiter = row_named(gil, "holder"), row_named(gil, "waiter")
    assert 0.475e9 <= waiter["wait_ns"] <= 0.525e9, harness.describe(summary)
    assert 0.475e9 <= holder["hold_ns"] <= 0.525e9, harness.describe(summary)
    assert summary["blockers"][0]["function"] == "keep", summary["blockers"]


# --- what is recorded ----------------------------------------------------------------------

@pytest.mark.needs_root
@pytest.mark.timing
@pytest.mark.parametrize("python", some_interpreters())
def test_as_an_ordinary_user(python, public_folder):
    run = harness.Run(["unshare", "-m", "/bin/sh", "-c", AS_NOBODY,
                       str(public_folder / uuid.uuid4().hex), START_AND_RECORD, python.path,
                       str(public_folder / "giltracer"), "--duration", "1s", "-o",
                       str(public_folder / "x.json")],
                      public_folder, env={"HOME": str(public_folder)})
    run.tmp.chmod(0o777)
    run.finish()
    assert run.status == 0 and not run.leftovers(), run
    assert "the GIL is seen by an agent inside the program" in run.err
    document = harness.read_json(public_folder / "x.json")
    harness.check_document(document)
    assert document["giltracer"]["run"]["gil_source"] == "agent"
    check_turns(document["giltracer"])


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", harness.newest(3, 6), ids=str)
def test_functions_beside_probes(python, folder):
    with Running(python.path, target("attached"), "turns") as process:
        traced = record(process.pid, folder, "--duration", "1s")
        assert process.process.poll() is None
    assert traced.summary["run"]["gil_source"] == "uprobes"
    check_turns(traced.summary)
    assert list(harness.calls(traced.document, "keep", "attached"))


@pytest.mark.timing
def test_again_and_again(folder):
    """What an earlier recording left is used again."""
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        traced = [record(process.pid, folder, *AGENT_ALONE[:-1], "300ms") for _ in range(2)]
        threads, files, resident = what_is_left(process.pid)
        traced += [record(process.pid, folder, *AGENT_ALONE[:-1], "300ms") for _ in range(4)]
        harness.wait_for(lambda: what_is_left(process.pid)[0] <= threads, "a thread stays")
        assert what_is_left(process.pid)[1] <= files
        assert what_is_left(process.pid)[2] <= resident + 256
        maps = pathlib.Path("/proc/%d/maps" % process.pid).read_text()
        assert len({line.split()[-1] for line in maps.splitlines() if "giltracer-agent" in line}) == 1
        assert "/control" not in maps and "/log" not in maps, maps
    for one in traced:
        assert one.summary["blockers"][0]["function"] == "keep", one.run


def test_two_at_once(folder):
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        first = start(["--pid", process.pid, *AGENT_ALONE[:-1], "3s", "-o", folder / "x.json"], folder)
        maps = pathlib.Path("/proc/%d/maps" % process.pid)
        harness.wait_for(lambda: "/control" in maps.read_text(), "the agent does not come")
        run = giltracer(["--pid", process.pid, *AGENT_ALONE, "-o", folder / "y.json"], folder)
        assert "another giltracer records process %d" % process.pid in one_line_error(run, 125)
        first.finish()
    assert first.status == 0, first


def test_after_one_that_was_killed(folder):
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        killed = start(["--pid", process.pid, *AGENT_ALONE[:-1], "60s", "-o", folder / "x.json"], folder)
        maps = pathlib.Path("/proc/%d/maps" % process.pid)
        harness.wait_for(lambda: "/control" in maps.read_text(), "the agent does not come")
        os.kill(killed.pid, 9)
        killed.finish()
        traced = record(process.pid, folder, *AGENT_ALONE)
        assert process.process.poll() is None
    assert traced.summary["blockers"][0]["function"] == "keep", traced.run


FORKS = """
import os, sys, time
print("ready", flush=True)
sys.stdin.readline()
child = os.fork()
if child:
    print(child, flush=True)
while True:
    time.sleep(0.001)
"""


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_what_it_leaves_behind_ends_by_itself(killed, folder):
    """Of a child that was forked meanwhile, and of the process where giltracer was killed."""
    with Running(harness.DEBIAN_PYTHON, "-c", FORKS) as process:
        run = start(["--pid", process.pid, *AGENT_ALONE[:-1], "60s" if killed else "2s", "-o",
                     folder / "x.json"], folder)
        harness.wait_for(lambda: is_recorded(process.pid), "the agent does not come")
        harness.wait_for(lambda: what_is_left(process.pid)[0] == 1, "the loader's thread stays")
        process.process.stdin.write(b"\n")
        process.process.stdin.flush()
        child = int(process.process.stdout.readline())
        try:
            harness.wait_for(lambda: is_recorded(child), "the child is not recorded")
            if killed:
                os.kill(run.pid, signal.SIGKILL)
            run.finish()
            for pid in (process.pid, child):
                harness.wait_for(lambda: not is_recorded(pid), "it does not end in %d" % pid)
                harness.wait_for(lambda: what_is_left(pid)[0] == 1, "its thread stays in %d" % pid)
        finally:
            os.kill(child, signal.SIGKILL)
        assert process.process.poll() is None
    assert run.status == (128 + signal.SIGKILL if killed else 0), run


@pytest.mark.needs_root
def test_another_users_process_and_its_folder(folder):
    """The log's folder is in the process's own /tmp then, and is gone afterwards."""
    before = set(pathlib.Path("/tmp").glob("giltracer-*"))
    with Running("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        traced = record(process.pid, folder, *AGENT_ALONE)
    assert traced.summary["blockers"][0]["function"] == "keep", traced.run
    left = [path for path in set(pathlib.Path("/tmp").glob("giltracer-*")) - before
            if path.stat().st_uid == NOBODY]
    assert not left


@pytest.mark.needs_root
def test_another_root(folder):
    root = folder / "root"
    for name in ("usr", "proc", "tests", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    for name in ("lib", "lib64", "bin"):
        (root / name).symlink_to("usr/" + name)
    script = ('mount --bind /usr "$1/usr" && mount -t proc proc "$1/proc" && '
              'mount --bind /dev "$1/dev" && mount --bind "$2" "$1/tests" && '
              'exec chroot "$1" %s /tests/attached.py turns' % harness.DEBIAN_PYTHON)
    with Running("unshare", "-m", "sh", "-c", script, "-", root, harness.TARGETS) as process:
        traced = record(process.pid, folder, *AGENT_ALONE)
        assert not list((root / "tmp").iterdir())
    assert traced.summary["blockers"][0]["function"] == "keep", traced.run


@pytest.mark.needs_root
@pytest.mark.parametrize("python", harness.newest(3, 6) + [
    harness.Interpreter(harness.DEBIAN_PYTHON, (3, 7, 0))], ids=str)
def test_where_nothing_can_be_loaded_from_a_folder(python, folder):
    """As in a container that cannot be written to but for /dev/shm: the library is in memory, once."""
    script = ("for place in /tmp /var/tmp /run; do mount -t tmpfs -o ro none $place || exit; done; "
              'mount -t tmpfs -o noexec none /dev/shm && exec "$@"')
    code = pathlib.Path(target("attached")).read_text()
    with Running("unshare", "-m", "sh", "-c", script, "-", python.path, "-c", code,
                 "turns") as process:
        files = what_is_left(process.pid)[1]
        for _ in range(3):
            traced = record(process.pid, folder, *AGENT_ALONE[:-1], "300ms")
            assert traced.summary["blockers"][0]["function"] == "keep", traced.run
        assert not os.listdir("/proc/%d/root/dev/shm" % process.pid)
        assert what_is_left(process.pid)[1] == files
        maps = pathlib.Path("/proc/%d/maps" % process.pid).read_text().splitlines()
        agents = [line.split()[4] for line in maps if "/memfd:libgiltracer-agent.so" in line]
        assert agents and len(set(agents)) == 1, maps


@pytest.mark.needs_root
def test_where_no_folder_can_be_written(folder):
    script = ("for place in /tmp /var/tmp /run /dev/shm; do mount -t tmpfs -o ro none $place || exit; "
              'done; exec "$@"')
    code = pathlib.Path(target("blocked")).read_text()
    with Running("unshare", "-m", "sh", "-c", script, "-", harness.DEBIAN_PYTHON, "-c", code,
                 "sleep") as process:
        line = refused(process, folder)
    assert "no folder of process %d can be written (/tmp, /var/tmp, /dev/shm, /run)" % process.pid in line


@pytest.mark.needs_perf
@pytest.mark.parametrize("options", [("--gil-source", "agent"), ()], ids=["agent", "probes"])
def test_a_pid_namespace_of_its_own(options, folder):
    """There it is process 1; its functions are of the threads that perf knows by other numbers."""
    with Running("unshare", "-p", "-f", "--kill-child", harness.DEBIAN_PYTHON, target("attached"),
                 "turns") as outer:
        children = pathlib.Path("/proc/%d/task/%d/children" % (outer.pid, outer.pid)).read_text()
        pid = int(children.split()[0])
        output = folder / "x.json"
        run = giltracer(["--pid", pid, "-o", output, "--duration", "500ms", *options], folder)
        tids = {int(name) for name in os.listdir("/proc/%d/task" % pid)}
    assert run.status == 0, run
    document = harness.read_json(output)
    harness.check_document(document)
    (gil,) = document["giltracer"]["gils"]
    assert gil["pid"] == pid and {row["tid"] for row in gil["threads"]} <= tids, run
    assert document["giltracer"]["blockers"][0]["function"] == "keep", run
    assert {call["tid"] for call in harness.calls(document, "keep")} <= tids


# --- what cannot be ------------------------------------------------------------------------

def refused(process, folder, *options):
    return one_line_error(giltracer(["--pid", process.pid, *AGENT_ALONE, "-o", folder / "x.json",
                                     *options], folder), 125)


def test_a_debugger_has_it(folder):
    with Running(harness.DEBIAN_PYTHON, target("blocked"), "sleep") as process:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.ptrace(0x4206, process.pid, None, None) == 0  # PTRACE_SEIZE
        line = refused(process, folder)
    assert "is being traced by process %d" % os.getpid() in line


def test_it_is_stopped(folder):
    with Running(harness.DEBIAN_PYTHON, target("blocked"), "sleep") as process:
        os.kill(process.pid, 19)
        state = pathlib.Path("/proc/%d/stat" % process.pid)
        harness.wait_for(lambda: ") T " in state.read_text(), "it does not stop")
        assert "is stopped" in refused(process, folder)


def test_it_filters_its_calls(folder):
    """Unless it is asked for, the agent is not loaded; a strict filter is never tried."""
    code = ("import ctypes, os, struct, sys\n"
            "allow = struct.pack('HBBI', 6, 0, 0, 0x7fff0000)\n"
            "buffer = ctypes.create_string_buffer(allow)\n"
            "class Program(ctypes.Structure):\n"
            "    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]\n"
            "program = Program(1, ctypes.addressof(buffer))\n"
            "libc = ctypes.CDLL(None)\n"
            "strict = sys.argv[1] == '1'\n"
            "print('ready', flush=True)\n"
            "libc.prctl(38, 1, 0, 0, 0)\n"
            "libc.prctl(22, 1 if strict else 2, None if strict else ctypes.byref(program), 0, 0)\n"
            "os.read(0, 1)\n")
    for mode in ("1", "2"):
        with Running(harness.DEBIAN_PYTHON, "-c", code, mode) as process:
            status = pathlib.Path("/proc/%d/status" % process.pid)
            harness.wait_for(lambda: "Seccomp:\t%s" % mode in status.read_text(), "no filter")
            if mode == "1":
                assert "seccomp" in refused(process, folder)
            else:
                run = start(["--pid", process.pid, *AGENT_ALONE, "-o", folder / "x.json"], folder).finish()
                assert run.status == 0, run
            assert process.process.poll() is None


@pytest.mark.needs_perf
@pytest.mark.parametrize("mode", ["sums", "holds"])
def test_no_safe_point(mode, folder):
    """The GIL alone is recorded then."""
    with Running(harness.DEBIAN_PYTHON, target("blocked"), mode) as process:
        run = start(["--pid", process.pid, "--duration", "300ms", "-o", folder / "x.json"], folder)
        run.finish()
        assert process.process.poll() is None
    assert run.status == 0, run
    assert ("functions are not traced: no thread of process %d came to a point within 2 s" %
            process.pid) in run.err, run
