# SPDX-License-Identifier: MIT
"""Whoever loads the agent into a running program, or ends it there, is killed: after each of its
calls that concern the program, and at random moments. The program never notices."""
import itertools
import os
import random
import signal
import subprocess
import time

import harness
import pytest
from attaching import is_recorded, some_interpreters
from harness import start
from unharmed import Unharmed

CALL = harness.BUILD / "late_call"
AGENT = harness.BUILD / "libgiltracer-agent.so"
EALREADY, EBUSY, ENOTCONN = 114, 16, 107
ALLOWED = {"gt_agent_attach": (0, EALREADY), "gt_agent_detach": (0, ENOTCONN)}
# "open" and "write" are those of /proc/PID/mem, and some more.
FUNCTIONS = ("ptrace", "process_vm", "open", "write")


class Loader:
    """Attaches and detaches the agent, as giltracer does."""

    def __init__(self, folder):
        self.log, self.fired = folder / "agent", folder / "fired"
        self.log.mkdir(mode=0o700)

    def call(self, process, symbol, fault=None):
        """Was the fault reached? Where it is busy with what was begun before, again, as giltracer
        does."""
        settings = "GILTRACER_AGENT_DIR=%s\nGILTRACER_AGENT_PYTHON=1\n" % self.log
        if self.fired.exists():
            self.fired.unlink()
        for path in self.log.iterdir() if symbol == "gt_agent_attach" else ():
            path.unlink()
        for _ in range(20):
            done = self.run(process, symbol, settings, fault)
            told = done.stdout.decode()
            result = int(told.split('"result": ')[1].split(",")[0]) if told else None
            if result != EBUSY:
                break
            time.sleep(0.05)
        assert result is None or result in ALLOWED[symbol], (symbol, fault, told)
        if not fault and done.returncode:
            harness.wait_for(process.is_over, done.stderr, 3)
        return self.fired.exists()

    def run(self, process, symbol, settings, fault):
        return subprocess.run(
            [str(CALL), str(process.pid), str(AGENT), symbol, settings],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S,
            env=dict(os.environ, LD_PRELOAD=str(harness.FAULTS), GT_FAULTS_LOG=str(self.fired),
                     GT_FAULTS="late_call * %s %d 1009" % fault) if fault else None)


def killed_at_each(python, loader, folder, function, symbol, *mode):
    """How many calls of the function there were."""
    other = "gt_agent_detach" if symbol == "gt_agent_attach" else "gt_agent_attach"
    n, reached = 1, True
    while reached:
        with Unharmed(python, folder, 2, *mode) as process:
            while reached and not process.is_over():
                loader.call(process, other)
                if process.is_over():
                    break
                reached = loader.call(process, symbol, (function, n))
                if process.is_over():
                    break  # too late for this one
                n += reached
            process.check()
        assert n < 2000
    return n - 1


@pytest.mark.long
@pytest.mark.parametrize("mode", [(), ("alone",)], ids=["threads", "alone"])
@pytest.mark.parametrize("symbol", sorted(ALLOWED))
@pytest.mark.parametrize("python", some_interpreters())
def test_killed_after_each_call(python, symbol, mode, folder):
    loader = Loader(folder)
    counts = {function: killed_at_each(python.path, loader, folder, function, symbol, *mode)
              for function in FUNCTIONS}
    print(python, symbol, counts)
    assert counts["ptrace"] > 5 and counts["process_vm"] > 10 and counts["open"] > 5, counts


@pytest.mark.timing
def test_killed_after_some_calls_of_attaching(folder):
    """The short form of the test above: every eighth call."""
    loader = Loader(folder)
    with Unharmed(harness.DEBIAN_PYTHON, folder, 4) as process:
        for n in itertools.count(1, 8):
            loader.call(process, "gt_agent_detach")
            if process.is_over() or not loader.call(process, "gt_agent_attach", ("ptrace", n)):
                break
        assert n > 8
        process.check()


@pytest.mark.long
@pytest.mark.parametrize("python", some_interpreters())
def test_giltracer_is_killed_at_random_moments(python, folder):
    """Of all of its life. What it leaves behind ends by itself."""
    chance, killed = random.Random(14), 0
    while killed < 125:
        with Unharmed(python.path, folder, 20) as process:
            end = time.monotonic() + 16
            while time.monotonic() < end:
                run = start(["--pid", process.pid, "--gil-source", "agent", "--no-native", "-q",
                             "--duration", "100ms", "-o", folder / "x.json"], folder)
                time.sleep(chance.uniform(0, 0.8))
                os.kill(run.pid, signal.SIGKILL)
                run.finish()
                run.end_processes()
                killed += 1
            harness.wait_for(lambda: process.is_over() or not is_recorded(process.pid),
                             "what was left behind does not end")
            assert not process.is_over()
            process.check()
    print(python, "%d times killed" % killed)
