# SPDX-License-Identifier: MIT
"""Having a running program load a library and call it (lib/attach/late.h), without harm."""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import harness
import pytest
from attaching import some_interpreters
from harness import Running, target
from unharmed import Unharmed

CALL = harness.BUILD / "late_call"
LIBRARY = harness.BUILD / "libgt-late.so"
BLOCKED = ("event", "sleep", "pause", "accept", "join", "lock", "read", "epoll", "sigwait", "polled",
           "received", "loop")
RUNNING = ("spin", "spins", "allocates", "calls", "masked")


def call(process, symbol, settings="", times=1, library=LIBRARY, **popen):
    done = subprocess.run([str(CALL), str(process.pid), str(library), symbol, str(settings),
                           str(times)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=harness.TIMEOUT_S, **popen)
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()], \
        done.stderr.decode()


def slept(process):
    """How often its main thread has gone to sleep, if it sleeps."""
    status = pathlib.Path("/proc/%d/status" % process.pid).read_text()
    return "\nState:\tS" in status and \
        int(re.search("\nvoluntary_ctxt_switches:\t(.*)", status).group(1))


def is_asleep(process):
    """For good: starting a thread sleeps for a moment, too."""
    before = slept(process)
    time.sleep(0.05)
    return before and slept(process) == before


def threads(process):
    return len(os.listdir("/proc/%d/task" % process.pid))


def places():
    """On 3.6 the main thread alone can be used, and its call with a timeout would end."""
    return [pytest.param(python, mode, id="%s-%s" % (python, mode), marks=one.marks)
            for one in some_interpreters((3, 8)) for python in one.values
            for mode in BLOCKED + RUNNING
            if python.at_least(3, 7) or mode not in ("polled", "received")]


@pytest.mark.parametrize("python, mode", places())
def test_wherever_the_threads_are(python, mode, folder):
    counted = folder / "counted"
    with Running(python.path, target("blocked"), mode) as process:
        before = threads(process)
        if mode in BLOCKED:
            harness.wait_for(lambda: is_asleep(process), "it is not blocked")
        for times in (1, 2):
            began = time.monotonic()
            status, told, err = call(process, "late_count", counted)
            assert status == 0 and told[0]["result"] == 0, err
            assert time.monotonic() - began < 2
            assert counted.read_text() == "x" * times
            assert mode in RUNNING or not told[0]["pending"], told
        harness.wait_for(lambda: mode == "spins" or threads(process) <= max(before, 2),
                         "the thread stays")
        assert process.process.poll() is None
        process.process.kill()
        assert process.process.stdout.read() == b""


def test_the_thread_that_does_it_takes_no_signal_of_the_program_s(folder):
    with Running(harness.DEBIAN_PYTHON, target("blocked"), "masked") as process:
        status, told, err = call(process, "late_count", folder / "counted", 100)
        assert status == 0 and [one["result"] for one in told] == [0] * 100, err
        assert process.process.poll() is None
        process.process.kill()
        assert process.process.stdout.read() == b""


def test_what_it_returns_and_what_cannot_be_loaded(folder):
    with Running(harness.DEBIAN_PYTHON, target("blocked"), "sleep") as process:
        status, told, err = call(process, "late_fails")
        assert status == 0 and told[0]["result"] == 16, err
        status, told, err = call(process, "no_such_function")
        assert status == 1 and "undefined symbol: no_such_function" in err, err
        status, told, err = call(process, "late_count", library=folder / "none.so")
        assert status == 1 and "none.so: cannot open shared object file" in err, err
        assert process.process.poll() is None


def killed_at_each(python, folder, function, *mode):
    """late_call is killed at its n-th call of the function, for all n. How many there were."""
    fired, n, reached = folder / "fired", 1, True
    while reached:
        with Unharmed(python, folder, 1, *mode) as process:
            while reached and not process.is_over():
                if fired.exists():
                    fired.unlink()
                status, _, err = call(process, "late_count", folder / "counted", env=dict(
                    os.environ, LD_PRELOAD=str(harness.FAULTS), GT_FAULTS_LOG=str(fired),
                    GT_FAULTS="late_call * %s %d 1009" % (function, n)))
                if process.is_over():
                    break  # too late for this one
                reached = fired.exists()
                assert status in (-9, 0) or "No child processes" in err, (n, status, err)
                n += reached
            process.check()
        assert n < 1000
    return n - 1


@pytest.mark.timing
@pytest.mark.parametrize("mode", [(), ("alone",)], ids=["threads", "alone"])
def test_who_is_killed_at_any_call_leaves_it_unharmed(mode, folder):
    """The helper, which stops the thread; the main thread alone gets a pending call."""
    assert killed_at_each(harness.DEBIAN_PYTHON, folder, "ptrace", *mode) > 20


@pytest.mark.long
@pytest.mark.parametrize("function", ["ptrace", "process_vm", "open", "write"])
@pytest.mark.parametrize("mode", [(), ("alone",)], ids=["threads", "alone"])
@pytest.mark.parametrize("python", harness.interpreters(), ids=str)
def test_who_is_killed_at_any_call_of_any(python, mode, function, folder):
    assert killed_at_each(python.path, folder, function, *mode) > 0


@pytest.mark.long
@pytest.mark.parametrize("mode", [(), ("alone",)], ids=["threads", "alone"])
@pytest.mark.parametrize("python", some_interpreters((3, 8)))
def test_who_is_killed_at_random_moments(python, mode, folder):
    """By the whole group: nobody finishes what was begun."""
    chance, killed = random.Random(17), 0
    while killed < 125:
        with Unharmed(python.path, folder, 3, *mode) as process:
            while not process.is_over():
                caller = subprocess.Popen(
                    [str(CALL), str(process.pid), str(LIBRARY), "late_count",
                     str(folder / "counted"), "1000"], start_new_session=True,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(chance.uniform(0, 0.03))
                os.killpg(caller.pid, signal.SIGKILL)
                caller.wait()
                killed += 1
            process.check()


@pytest.mark.needs_root
@pytest.mark.parametrize("scope, part", [
    ("1", "ptrace_scope is 1 (run giltracer as root, or set it to 0)"),
    ("3", "ptrace_scope is 3 (nobody may trace until a restart of the machine)"),
    ("", "Operation not permitted (run giltracer as its user, or as root)")])
def test_where_ptrace_is_refused(scope, part, folder):
    """As a kernel with Yama does: here the call is made to fail, and the setting is a file that only
    the caller sees."""
    script = ("mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && "
              "printf %s \"$SCOPE\" >/proc/sys/kernel/yama/ptrace_scope && "
              "LD_PRELOAD=$FAULTS GT_FAULTS='late_call * ptrace 1+ 1' exec \"$@\"")
    with Running(harness.DEBIAN_PYTHON, target("blocked"), "sleep") as process:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "-", str(CALL), str(process.pid), str(LIBRARY),
             "late_count", str(folder / "counted")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, SCOPE=scope, FAULTS=str(harness.FAULTS)))
        assert process.process.poll() is None
    said = done.stderr.decode()
    assert done.returncode == 1 and "process %d may not be traced" % process.pid in said, said
    assert part in said and len(said.splitlines()) == 1, said


@pytest.mark.timing
def test_it_is_stopped_for_a_moment(folder):
    """Where it gets a CPU. The figures are printed; with --long, of 200 calls."""
    times = 200 if os.environ.get("GT_LONG") else 20
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        status, told, err = call(process, "late_count", folder / "counted", times)
        assert status == 0 and len(told) == times, err
        assert process.process.poll() is None
    stopped = sorted(one["stopped_ns"] / 1e6 for one in told)
    print("stopped for %.2f ms in the median, %.2f ms at most, of %d calls" % (
        stopped[times // 2], stopped[-1], times))
    assert stopped[times // 2] < 5 and stopped[-1] < 50, stopped
