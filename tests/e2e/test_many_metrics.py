# SPDX-License-Identifier: MIT
"""--metrics of many processes, by --pid or --match: each counts as what it does, whoever comes, goes,
has the number of another, or is called something odd; perf is started again when it dies."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from harness import DEBIAN_PYTHON, Running, giltracer, one_line_error, probe_is_of, probes, start, \
    wait_for
from test_metrics import check_grows, finish, port_of, read, scrape, total

pytestmark = pytest.mark.needs_perf

# `holder` keeps the GIL for so many milliseconds, and does without it for so many, again and again;
# `waiter` wants it every millisecond. A line forks a child that does the same, the word "orphan" one
# whose parent ends at once.
PROGRAM = """
import ctypes, os, sys, threading, time
keep, leave, seconds = [float(word) for word in sys.argv[1:4]]
libc = ctypes.PyDLL(None)
def holder():
    libc.prctl(15, b"holder", 0, 0, 0)
    while True:
        libc.usleep(int(keep * 1000))
        time.sleep(leave / 1000)
def waiter():
    libc.prctl(15, b"waiter", 0, 0, 0)
    while True: time.sleep(0.001)
def begin():
    for work in holder, waiter: threading.Thread(target=work, daemon=True).start()
begin()
print("ready", flush=True)
def stay():
    time.sleep(seconds)
    os._exit(0)
threading.Thread(target=stay, daemon=True).start()
for line in sys.stdin:
    orphan = "orphan" in line
    if os.fork(): continue
    if orphan and os.fork(): os._exit(0)
    begin()
    print(os.getpid(), flush=True)
    stay()
time.sleep(1000)
"""


@pytest.fixture
def turns(folder):
    (folder / "turns.py").write_text(PROGRAM)

    def run(keep, leave, seconds=60, name="turns.py", **popen):
        if name != "turns.py":
            shutil.copy(str(folder / "turns.py"), os.path.join(os.fsencode(folder),
                                                               os.fsencode(name)))
        return Running(DEBIAN_PYTHON, name, keep, leave, seconds, cwd=str(folder), **popen)
    return run


def perfs_of(run):
    children = pathlib.Path("/proc/%d/task/%d/children" % (run.pid, run.pid)).read_text().split()
    found = {}
    for child in children:
        words = pathlib.Path("/proc/%s/cmdline" % child).read_bytes().split(b"\0")
        if b"record" in words:
            found[int(words[words.index(b"-p") + 1])] = int(child)
    return found


def wait_until(port, check, what, timeout=20):
    """The first scrape of which that is true."""
    seen = []

    def look():
        seen[:] = [scrape(port)]
        return check(seen[0])
    wait_for(look, what, timeout)
    return seen[0]


def pids_in(samples):
    return {dict(labels)["pid"] for _, labels in samples if "pid" in dict(labels)}


def has_waited(pid, seconds=0.0):
    def check(samples):
        name = "giltracer_gil_wait_seconds_total"
        return sum(value for (called, labels), value in samples.items()
                   if called == name and dict(labels)["pid"] == str(pid)) > seconds
    return check


def share(earlier, later, took, pid):
    return (total(later, "gil_wait_seconds_total", pid=str(pid), group="waiter") -
            total(earlier, "gil_wait_seconds_total", pid=str(pid), group="waiter")) / took


@pytest.mark.timing
def test_each_of_several_processes_counts_for_itself(folder, turns):
    """It goes on until the last has ended."""
    path = folder / "x.prom"
    with turns(100, 100, 7) as half, turns(40, 120, 5) as quarter:
        began = time.monotonic()
        run = start(["--metrics", path, "--pid", "%d,%d" % (half.pid, quarter.pid),
                     "--pid", quarter.pid], folder)
        wait_for(lambda: path.exists() and has_waited(quarter.pid)(read(path.read_text())),
                 "nothing was counted")
        assert sorted(perfs_of(run)) == sorted([half.pid, quarter.pid])
        finish(run, 0)
        assert 5.5 <= time.monotonic() - began <= 12
    samples = read(path.read_text())
    waits = [total(samples, "gil_wait_seconds_total", pid=str(one.pid), group="waiter")
             for one in (half, quarter)]
    recorded = total(samples, "recorded_seconds_total")
    # They were recorded for 7 - x and 5 - x seconds.
    missed = (12 - recorded) / 2
    assert 0 <= missed < 3
    assert 0.44 <= waits[0] / (7 - missed) <= 0.56, (waits, missed)
    assert 0.21 <= waits[1] / (5 - missed) <= 0.29, (waits, missed)
    assert total(samples, "followed_processes") == 0 and total(samples, "lost_seconds_total") == 0


@pytest.mark.timing
def test_those_that_match_come_and_go(folder, turns):
    run = start(["--metrics", ":0", "--match", "turns.py"], folder)
    port = port_of(run)
    with turns(100, 100, name="other.py") as other:
        none = wait_until(port, lambda one: True, "")
        assert total(none, "followed_processes") == 0 and total(none, "recording") == 1
        with turns(100, 100) as half:
            wait_until(port, has_waited(half.pid), "it was not found")
            with turns(40, 120) as quarter:
                first = wait_until(port, has_waited(quarter.pid), "the second was not found")
                assert total(first, "followed_processes") == 2
                until = total(first, "counted_until_timestamp_seconds") + 4
                last = wait_until(port, lambda one: total(
                    one, "counted_until_timestamp_seconds") >= until, "it does not go on")
                check_grows(first, last)
                took = 4.0
                assert abs(share(first, last, took, half.pid) - 0.5) <= 0.3
                # Of the time in which both grew by whole stretches.
                grown = [share(first, last, 1, one.pid) for one in (half, quarter)]
                assert 1.6 <= grown[0] / grown[1] <= 2.6, grown
            one = wait_until(port, lambda one: total(one, "followed_processes") == 1,
                             "one that ended is followed")
            assert total(one, "gil_wait_seconds_total", pid=str(quarter.pid)) > 0  # for a while
        wait_until(port, lambda one: total(one, "followed_processes") == 0, "both have ended")
    samples = scrape(port)
    assert str(other.pid) not in pids_in(samples) and total(samples, "recording") == 1
    assert total(samples, "perf_restarts_total") == 0
    run.process.send_signal(signal.SIGTERM)
    finish(run, 0)
    assert run.err == "", run


def test_children_are_counted_once(folder, turns):
    """Those that perf has gone over to have none of their own, though they match, and though the
    process between has ended."""
    run = start(["--metrics", ":0", "--match", "turns.py *"], folder)
    port = port_of(run)
    with turns(100, 100, 30) as parent:
        wait_until(port, has_waited(parent.pid), "it was not found")
        children = []
        for line in b"child\n", b"orphan\n":
            parent.process.stdin.write(line)
            parent.process.stdin.flush()
            children.append(int(parent.process.stdout.readline()))
        try:
            for child in children:
                wait_until(port, has_waited(child, 0.5), "a child is not counted")
            time.sleep(1.5)  # it is looked for others each second
            samples = scrape(port)
            assert perfs_of(run).keys() == {parent.pid}
            assert total(samples, "followed_processes") == 1
            assert pids_in(samples) >= {str(pid) for pid in [parent.pid, *children]}
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
    run.process.terminate()
    finish(run, 0)


def test_a_perf_that_dies_is_started_again(folder, turns):
    with turns(100, 100) as one:
        run = start(["--metrics", ":0", "--pid", one.pid], folder)
        port = port_of(run)
        before = wait_until(port, has_waited(one.pid), "it was not found")
        os.kill(perfs_of(run)[one.pid], signal.SIGKILL)
        dead = wait_until(port, lambda now: total(now, "recording") == 0, "it still records")
        assert total(dead, "unfollowed_processes") == 1 and total(dead, "followed_processes") == 0
        waited = total(dead, "gil_wait_seconds_total", pid=str(one.pid))
        after = wait_until(port, has_waited(one.pid, waited + 0.5), "it is not counted again")
        check_grows(before, after)
        assert total(after, "perf_restarts_total") == 1 and total(after, "recording") == 1
        assert pids_in(after) == {str(one.pid)}
    finish(run, 0)  # the process has ended
    assert run.err.count("has ended before it") == 1 and run.err.count("\n") == 1, run


def test_a_number_that_is_used_anew(folder, turns):
    """Another process that has it is another series; its name may be anything. Who is no CPython,
    however it is called, is left out, and that is told once."""
    odd = b'turns"r\\n\ns\x1b[2J\xff{}=,.py'
    sleepers = [subprocess.Popen([odd, b"60"], executable="/bin/sleep") for _ in range(2)]
    run = start(["--metrics", ":0", "--match", "turns[.\"]*py"], folder)
    port = port_of(run)
    with turns(100, 100) as first:
        wait_until(port, has_waited(first.pid), "it was not found")
    try:
        for _ in range(200):  # others may be faster
            pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
            with turns(100, 100, name=os.fsdecode(odd)) as second:
                if second.pid != first.pid:
                    continue
                samples = wait_until(port, lambda one: any(
                    dict(labels).get("process", "").startswith("turns\\") for _, labels in one),
                    "it was not found")
                break
    finally:
        [one.kill() or one.wait() for one in sleepers]
    assert second.pid == first.pid
    names = {dict(labels)["process"].split()[0] for _, labels in samples
             if dict(labels).get("pid") == str(first.pid)}
    assert names == {"turns.py", 'turns\\"r\\\\n?s?[2J?{}=,.py'}, names
    run.process.terminate()
    finish(run, 0)
    assert run.err.count("does not run Python") == 1 and run.err.count("\n") == 1, run


def test_too_many_are_told(folder):
    idle = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    (folder / "idle-one.py").write_text(idle)
    programs = [Running(DEBIAN_PYTHON, folder / "idle-one.py") for _ in range(34)]
    try:
        run = start(["--metrics", ":0", "--match", "idle-*"], folder)
        port = port_of(run)
        wait_until(port, lambda one: total(one, "followed_processes") == 32 and
                   total(one, "unfollowed_processes") == 2, "not all were found", 60)
        pids = {program.pid for program in programs}
        left_out = pids - perfs_of(run).keys()
        for program in programs:
            if program.pid not in left_out:
                program.process.kill()
                program.process.wait()
        wait_until(port, lambda one: total(one, "followed_processes") == 2 and
                   total(one, "unfollowed_processes") == 0, "they had no turn", 60)
        assert perfs_of(run).keys() == left_out
    finally:
        for program in programs:
            program.__exit__()
    run.process.terminate()
    finish(run, 0)
    assert run.err.count("more than 32 processes match") == 1, run


def test_a_killed_one_leaves_nothing(folder, turns):
    with turns(100, 100) as one, turns(100, 100) as two:
        run = start(["--metrics", folder / "x.prom", "--pid", one.pid, "--pid", two.pid], folder)
        wait_for(lambda: len(perfs_of(run)) == 2, "no perf")
        assert any(probe_is_of(line, run.pid) for line in probes())
        run.process.kill()
        run.process.communicate()
        wait_for(lambda: not run.leftovers(), "left behind", 30)
        assert one.process.poll() is None and two.process.poll() is None


def test_what_is_refused(folder):
    own = str(os.getpid())
    for words, wanted in (
            (["--match", "x"], "--match goes with --metrics only"),
            (["--pid", own, "--pid", "1"], "more than one --pid goes with --metrics only"),
            (["--metrics", ":0", "--match", "x", "--pid", own], "name no --pid beside it"),
            (["--metrics", ":0", "--match", ""], "name a program, or a pattern"),
            (["--metrics", ":0", "--match", "x", "y.py"], "name no program beside it"),
            (["--metrics", ":0", "--match", "x", "--python", "y"], "not for --match"),
            (["--metrics", ":0", "--pid", "1,,2"], "takes the number of a process"),
            (["--metrics", ":0", "--pid", ",".join(map(str, range(1, 34)))], "takes 32 processes"),
            (["--metrics", ":0", "--pid", own + ",999999999"], "there is no process 999999999")):
        run = giltracer(words, folder)
        assert wanted in run.err and run.status == 125, run
        if "999999999" not in wanted:
            one_line_error(run, 125)
