# SPDX-License-Identifier: MIT
"""giltracer dies at any moment: what it started, installed and wrote goes, and the program runs on."""
import os
import random
import signal
import subprocess
import time

import harness
import pytest
from harness import giltracer, target, wait_for

pytestmark = pytest.mark.needs_perf
LONG_LIFE = "import time\nfor _ in range(120): time.sleep(0.01)\nprint('done', flush=True)"


def left(run):
    """What is still there of a giltracer that died, but for its program."""
    tools = [pid for pid in run.processes() if "giltracer" in harness.command_of(pid)
             or "perf" in harness.command_of(pid).split(" ")[0]]
    return (["%d: %s" % (pid, harness.command_of(pid)) for pid in tools]
            + [line for line in harness.probes() if harness.probe_is_of(line, run.pid)]
            + [str(path) for path in [*run.tmp.iterdir(), *run.folder.glob("*.tmp")]])


def wait_until_nothing_is_left(run):
    deadline = time.monotonic() + 10
    while left(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left(run)


def test_sigkill_leaves_nothing(folder):
    """At random moments, from before perf is asked for its version to the report."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    moments = random.Random(seed)
    for options in ((), (), ("--state-detect",), ("--gil-source", "agent"), ()):
        began = time.monotonic()
        run = harness.start([*options, "-o", folder / "x.json", "-c", LONG_LIFE], folder)
        time.sleep(moments.uniform(0.02, 2.5))
        os.kill(run.pid, signal.SIGKILL)
        print("killed after %.3f s" % (time.monotonic() - began))
        run.process.wait()
        wait_until_nothing_is_left(run)
        run.finish()
        assert run.status == 128 + signal.SIGKILL or run.status == 0, run
        assert run.out in (b"", b"done\n"), run


def test_the_program_of_a_killed_giltracer_runs_on(folder):
    """To its own end, with its own output; its agent takes no more room in the meantime."""
    running = folder / "running"
    code = "open(%r, 'w').close()\n%s" % (str(running), LONG_LIFE)
    run = harness.start(["-o", folder / "x.json", "-c", code], folder)
    wait_for(running.exists, "the program never ran")
    os.kill(run.pid, signal.SIGKILL)
    wait_until_nothing_is_left(run)
    run.finish()
    assert run.out == b"done\n" and run.err == "", run


def test_what_was_killed_with_its_sentry_is_swept_by_the_next_run(folder):
    running = folder / "running"
    code = "open(%r, 'w').close()\nimport time\ntime.sleep(60)" % str(running)
    run = harness.start(["-o", folder / "x.json", "-c", code], folder)
    wait_for(running.exists, "the program never ran")
    os.killpg(run.pid, signal.SIGKILL)
    run.process.wait()
    wait_for(lambda: not run.processes(), "processes that do not end")
    assert left(run), "there was nothing to sweep"
    giltracer(["-o", folder / "next.json", target("exits"), "code", "0"], folder,
              env={"TMPDIR": run.tmp})
    assert not left(run)
    run.finish()


def test_the_next_run_leaves_alone_what_lives(folder):
    running = folder / "running"
    code = "open(%r, 'w').close()\n%s" % (str(running), LONG_LIFE)
    output = folder / "x.json"
    run = harness.start(["-o", output, "-c", code], folder)
    wait_for(running.exists, "the program never ran")
    giltracer(["-o", folder / "next.json", target("exits"), "code", "0"], folder,
              env={"TMPDIR": run.tmp}, leftovers=False)
    run.finish()
    assert run.status == 0 and not run.leftovers(), run
    harness.check_document(harness.read_json(output))


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGXCPU, signal.SIGABRT, signal.SIGXFSZ,
                                    signal.SIGSEGV])
def test_what_would_kill_giltracer_is_for_the_program(number, folder):
    """Whoever sends it to the command means the program: that ends, and there is a report."""
    running, output = folder / "running", folder / "x.json"
    code = ("import signal, time\nsignal.signal(%d, signal.SIG_DFL)\n"  # Python ignores XFSZ
            "open(%r, 'w').close()\ntime.sleep(60)" % (number, str(running)))
    run = harness.start(["-o", output, "-c", code], folder)
    wait_for(running.exists, "the program never ran")
    time.sleep(random.uniform(0, 0.3))
    os.kill(run.pid, number)
    run.finish()
    assert run.status == 128 + number and not run.leftovers(), run
    harness.check_document(harness.read_json(output))


FAULT = """
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *fail(void *unused)
{
    while (access(getenv("GT_TEST_RUNNING"), F_OK))
        usleep(1000);
    %s;
    return unused;
}
__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    if (strcmp(program_invocation_short_name, "giltracer") == 0)
        pthread_create(&thread, NULL, fail, NULL);
}
"""


@pytest.mark.parametrize("fault, number", [("*(volatile int *)0 = 1", signal.SIGSEGV),
                                           ("abort()", signal.SIGABRT)], ids=["segv", "abort"])
def test_a_fault_of_giltracers_own_ends_giltracer_alone(fault, number, folder):
    running, source, library = folder / "running", folder / "fault.c", folder / "fault.so"
    source.write_text(FAULT % fault)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    code = "open(%r, 'w').close()\n%s" % (str(running), LONG_LIFE)
    run = harness.start(["-o", folder / "x.json", "-c", code], folder,
                        env={"LD_PRELOAD": library, "GT_TEST_RUNNING": running})
    assert run.process.wait(20) == -number
    wait_until_nothing_is_left(run)
    run.finish()
    assert run.out == b"done\n", run
