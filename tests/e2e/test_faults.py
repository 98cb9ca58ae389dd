# SPDX-License-Identifier: MIT
"""Calls of libc that fail, one after the other, in the agent and in the three programs
(tests/faults): the target's output and status stay its own, and what was lost is told."""
import concurrent.futures
import errno
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile

import harness
import pytest
from harness import AGENT, DEBIAN_PYTHON, FAULTS, GILTRACER, OFFGIL, PERF2TRACE, target

STEPS = 5 * 300 + 5000 + 1  # calls of steady.py's function `step`
MANY = 600  # no sweep may need more runs


class Sweep:
    """Runs in which the n-th call of a function fails, for n = 1, 2, …, until it is not reached."""

    def __init__(self, fault, run, persists=False):
        self.function, self.number = fault
        self.run, self.persists = run, persists

    def text(self, program, part, n):
        return "%s %s %s %d%s %d" % (program, part, self.function, n, "+" if self.persists else "",
                                     self.number)

    def complaints(self, limit=MANY):
        for n in range(1, limit + 1):
            reached, complaint = self.run(self, n)
            if complaint:
                yield "%s: %s" % (self.text("*", "*", n), complaint)
            if not reached:
                return
        assert limit < MANY, "%s is called more than %d times" % (self.function, MANY)


def steady(environment=None, **more):
    done = subprocess.run([DEBIAN_PYTHON, target("steady")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=harness.TIMEOUT_S,
                          env=dict(os.environ, **(environment or {})), **more)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def told(document, printed):
    """Does anything say that not all is there?"""
    summary = document["giltracer"]
    return bool(summary["lost"] or summary["unseen"] or summary["quality"]["lost_events"] or
                [line for line in printed.splitlines()
                 if re.match("perf2trace: (?!wrote )", line)])


def look_at_log(folder, output, fired):
    """The agent's log is read, and what it does not hold is told; or one line says why not."""
    done = subprocess.run([str(PERF2TRACE), "--agent-log", folder, "-o", output],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    printed = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        own = [line for line in printed.splitlines() if line.startswith("perf2trace: ")]
        return None if fired and done.returncode == 125 and len(own) == 1 else printed
    document = harness.read_json(output)
    harness.check_document(document)
    found = sum(1 for _ in harness.calls(document, "step", "steady"))
    if found != STEPS and not told(document, printed):
        return "%d calls of %d, and nothing says so:\n%s" % (found, STEPS, printed)
    return None


def in_agent(expected):
    """A run for Sweep: of steady.py with the agent, and what its log tells."""
    def run(sweep, n):
        with tempfile.TemporaryDirectory(prefix="gt-faults-") as name:
            folder, log = pathlib.Path(name, "agent"), pathlib.Path(name, "fired")
            folder.mkdir(mode=0o700)
            got = steady({"LD_PRELOAD": "%s:%s" % (AGENT, FAULTS), "GT_FAULTS_LOG": str(log),
                          "GT_FAULTS": sweep.text("*", AGENT.name, n),
                          "GILTRACER_AGENT_DIR": str(folder), "GILTRACER_AGENT_PYTHON": "1"})
            if got != expected:
                return log.exists(), "status %d: %s" % got
            return log.exists(), look_at_log(str(folder), name + "/x.json", log.exists())
    return run


def all_of(sweeps, limit=MANY):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lists = list(pool.map(lambda sweep: list(sweep.complaints(limit)), sweeps))
    found = [complaint for one in lists for complaint in one]
    assert not found, "%d faults:\n%s" % (len(found), "\n".join(found[:5]))


AGENT_FAULTS = [("open", errno.EMFILE), ("mmap", errno.ENOMEM), ("write", errno.EIO),
                ("fallocate", errno.ENOSPC), ("ftruncate", errno.EFBIG)]
MORE_AGENT_FAULTS = [("open", errno.EACCES), ("write", 0), ("write", errno.ENOSPC),
                     ("fallocate", errno.EOPNOTSUPP), ("read", errno.EIO), ("read", 0),
                     ("madvise", errno.EINVAL), ("mremap", errno.ENOMEM), ("stat", errno.EIO),
                     ("rlimit", errno.EPERM), ("readlink", errno.EACCES)]


def test_each_call_of_the_agent_fails_once():
    expected = steady()
    assert expected[0] == 7, expected
    all_of([Sweep(fault, in_agent(expected)) for fault in AGENT_FAULTS])


@pytest.mark.long
def test_calls_of_the_agent_fail_for_good():
    expected = steady()
    all_of([Sweep(fault, in_agent(expected), True) for fault in AGENT_FAULTS + MORE_AGENT_FAULTS] +
           [Sweep(fault, in_agent(expected)) for fault in MORE_AGENT_FAULTS])


@pytest.mark.parametrize("persists", [False, True])
def test_the_agent_has_no_memory(persists):
    """What it cannot keep of functions is told: no other function answers for it."""
    all_of([Sweep(("calloc", errno.ENOMEM), in_agent(steady()), persists)], 12)


def test_filters_of_functions_that_find_no_memory(folder):
    """Without them other functions would be recorded than were asked for: none is, and it is told."""
    run = harness.giltracer(
        ["--python", DEBIAN_PYTHON, "--gil-source", "agent", "--python-trace", "--include",
         "*/nothing/*", "-o", folder / "x.json", target("steady")], folder,
        env={"LD_PRELOAD": FAULTS, "GT_FAULTS": "* %s calloc 1 12" % AGENT.name})
    assert run.status == 7, run
    assert "functions are not traced: no memory for their filters" in run.err, run
    assert not any(harness.calls(harness.read_json(folder / "x.json"), "step"))


def test_a_log_that_is_full_is_not_damaged(folder):
    """Those who found no unit in it had counted one, and it was taken for cut short: with probes
    beside the agent, events of both were mixed then, and holds overlapped."""
    (folder / "agent").mkdir(mode=0o700)
    limit = 12 * 65536
    got = steady({"LD_PRELOAD": str(AGENT), "GILTRACER_AGENT_DIR": str(folder / "agent"),
                  "GILTRACER_AGENT_PYTHON": "1"},
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert got == steady()
    done = subprocess.run([str(PERF2TRACE), "--agent-log", str(folder / "agent"), "-o",
                           str(folder / "x.json")], stderr=subprocess.PIPE, timeout=60)
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    assert b"damaged" not in done.stderr, done.stderr
    assert any("its file is full" in text for text in document["giltracer"]["findings"]), \
        document["giltracer"]["findings"]


# --- the three programs ---

TEXT = "\n".join(
    "python 7/%d [000] 1.%06d000: gil:wait: (1) cond=0x7000\n"
    "python 7/%d [000] 1.%06d500: gil:signal: (1) cond=0x7000\n"
    "python 7/%d [000] 1.%06d900: gil:signal: (1) cond=0x7058" %
    (7 + (i + 1) % 2, i, 7 + i % 2, i, 7 + (i + 1) % 2, i) for i in range(60)) + "\n"
CALLS = {"traceEvents": [
    {"ph": "X", "cat": "fee", "pid": 7, "tid": 7 + i % 2, "ts": 1e6 + 10.0 * i, "dur": 5.0,
     "name": "f%d (/x/y.py:%d)" % (i % 5, i % 5)} for i in range(10)],
    "viztracer_metadata": {"baseTimestamp": 0}}
PROGRAM_FAULTS = [("open", errno.EMFILE), ("read", errno.EIO), ("read", 0), ("write", errno.ENOSPC),
                  ("write", 0), ("rename", errno.EXDEV), ("stat", errno.EACCES),
                  ("strdup", errno.ENOMEM), ("calloc", errno.ENOMEM), ("realloc", errno.ENOMEM)]


def report_or_a_line(done, output, program, statuses):
    """A report that is whole, or at least one clear line and no report; no temporary file."""
    printed = done.stderr.decode("utf-8", "replace")
    own = [line for line in printed.splitlines() if line.startswith(program + ": ")]
    if done.returncode not in statuses:
        return "status %d: %s" % (done.returncode, printed[-500:])
    if output.exists() and output.suffix == ".json":
        harness.check_document(harness.read_json(output))
    elif not output.exists() and not own:
        return "no report, and not a word: " + printed[-500:]
    left = [path.name for path in output.parent.iterdir()
            if path != output and path.name not in ("fired", "inputs")]
    return "left behind: %s" % left if left else None


def in_program(program, words, name, statuses, part="*"):
    """A run for Sweep, of a program with these words before those of its target."""
    def run(sweep, n):
        with tempfile.TemporaryDirectory(prefix="gt-faults-") as folder:
            output, log = pathlib.Path(folder, name), pathlib.Path(folder, "fired")
            env = dict(os.environ, LD_PRELOAD=str(FAULTS), GT_FAULTS_LOG=str(log), TMPDIR=folder,
                       GT_FAULTS=sweep.text(program.name, part, n))
            done = subprocess.run([str(program), "-o", str(output), *words], env=env, timeout=60,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            return log.exists(), report_or_a_line(done, output, program.name, statuses)
    return run


def test_an_error_is_not_taken_for_an_interpreter_that_is_not_there(folder):
    done = subprocess.run([str(GILTRACER), "--python", DEBIAN_PYTHON, "-c", "pass"], cwd=str(folder),
                          env=dict(os.environ, LD_PRELOAD=str(FAULTS),
                                   GT_FAULTS="giltracer %s stat 1+ %d" % (GILTRACER.name, errno.EIO)),
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 125 and b"Input/output error" in done.stderr, done
    for number, status in ((errno.EIO, 126), (errno.ENOENT, 127)):
        done = subprocess.run([str(GILTRACER), "--python", DEBIAN_PYTHON, target("steady")],
                              cwd=str(folder), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env=dict(os.environ, LD_PRELOAD=str(FAULTS),
                                       GT_FAULTS="giltracer %s stat 2+ %d" % (GILTRACER.name, number)))
        assert done.returncode == status and b"cannot open the script" in done.stderr, done


def test_each_call_of_perf2trace_fails_once(folder):
    (folder / "text").write_text(TEXT)
    (folder / "calls.json").write_text(json.dumps(CALLS))
    run = in_program(PERF2TRACE, [str(folder / "text"), "--viztracer", str(folder / "calls.json")],
                     "x.json", (0, 125))
    all_of([Sweep(fault, run) for fault in PROGRAM_FAULTS])


def test_each_call_of_offgil_fails_once(folder):
    (folder / "text").write_text("python 7 [000] 1.000000: sched:sched_switch: prev_comm=p prev_pid=7 "
                                 "prev_prio=120 prev_state=S ==> next_comm=x next_pid=0 "
                                 "next_prio=120\n\t1 sleep (/lib/libc.so.6)\n\n"
                                 "python 7 [000] 1.100000: PERF_RECORD_SWITCH IN\n")
    run = in_program(OFFGIL, ["--state", "S", str(folder / "text")], "x.svg", (0, 125))
    all_of([Sweep(fault, run) for fault in PROGRAM_FAULTS] +
           [Sweep((name, errno.ENOMEM), run, True) for name in ("calloc", "realloc")])


def test_allocations_fail_as_giltracer_starts_its_helper():
    """Without its socket the helper waited for ever, and giltracer for it."""
    run = in_program(GILTRACER, ["--gil-source", "agent", "-c", "pass"], "x.json", (0, 125),
                     "libc.so")
    all_of([Sweep(("realloc", errno.ENOMEM), run)])


def left_by(folder, number, n, there):
    """What perf2trace leaves in the folder of its output when a signal comes at the n-th call that names a file."""
    (folder / "text").write_text(TEXT)
    if there:
        (folder / "x.json").write_text("{}")
    done = subprocess.run([str(PERF2TRACE), "-q", "-o", str(folder / "x.json"), str(folder / "text")],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60,
                          env=dict(os.environ, LD_PRELOAD=str(FAULTS), GT_FAULTS="perf2trace * rename "
                                   "%d %d" % (n, 1000 + number), GT_FAULTS_LOG=str(folder / "fired")))
    assert (folder / "fired").exists() or done.returncode == 0, done
    return {path.name for path in folder.iterdir()} - {"text", "fired", "x.json", "x.json.old"}


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_name_that_nobody_removes_stays(folder, number, n):
    """A signal that ends the program as its report takes the place of another."""
    assert not left_by(folder, number, n, there=True)
    assert (folder / "fired").exists()


@pytest.mark.parametrize("n", [1, 2])
def test_a_report_that_replaces_none_never_has_another_name(folder, n):
    """Not even SIGKILL leaves one."""
    assert not left_by(folder, signal.SIGKILL, n, there=False)


def without_memory(folder, n):
    """What giltracer prints and reports where its n-th calloc fails as it reads."""
    place = folder / str(n)
    place.mkdir()
    done = subprocess.run([str(GILTRACER), "-q", "--python", DEBIAN_PYTHON, "-o", str(place / "x.json"),
                           target("steady")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=harness.TIMEOUT_S,
                          env=dict(os.environ, LD_PRELOAD=str(FAULTS), TMPDIR=str(place),
                                   GT_FAULTS="giltracer giltracer calloc %d %d" % (n, errno.ENOMEM)))
    return done.stderr.decode("utf-8", "replace"), harness.read_json(place / "x.json") \
        if (place / "x.json").exists() else None


def test_a_log_that_cannot_be_read_is_told_and_kept(folder):
    """What was recorded beside it makes a report all the same; the log was read a second time, after
    all of that, and its events came out of order."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda n: without_memory(folder, n), range(8, 36)))
    unread = []
    for printed, document in found:
        if not document:
            assert "out of memory" in printed, printed
            continue
        harness.check_document(document)
        summary = document["giltracer"]
        assert summary["quality"]["unordered"] == 0, summary["quality"]
        calls = sum(1 for _ in harness.calls(document, "step", "steady"))
        if "nothing of the agent's log" in printed:
            assert calls == 0 and summary["quality"]["gil_events"] > 50, summary["quality"]
            assert any("nothing of the agent's log: out of memory" in text
                       for text in summary["findings"]), summary["findings"]
            unread.append(re.search(r"kept in (\S+),", printed).group(1))
        else:
            assert calls == STEPS, (calls, printed)
    assert len(unread) >= 3, found
    done = subprocess.run([str(PERF2TRACE), unread[0], "-o", str(folder / "x.json")],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.returncode == 0, done
    assert sum(1 for _ in harness.calls(harness.read_json(folder / "x.json"), "step", "steady")) == STEPS


def test_no_folder_stays_where_libc_finds_no_memory(tmp_path):
    """Unless its recording is kept, which is said."""
    failed = 0
    for first in range(100, 420, 10):
        place = tmp_path / str(first)
        place.mkdir()
        done = subprocess.run([str(GILTRACER), "-q", "--gil-source", "agent", "--python", DEBIAN_PYTHON,
                               "-o", str(tmp_path / "x.json"), target("costs"), "give_up", "10"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=harness.TIMEOUT_S,
                              env=dict(os.environ, LD_PRELOAD=str(FAULTS), TMPDIR=str(place),
                                       GT_FAULTS="giltracer libc.so malloc %d+ %d" % (first,
                                                                                      errno.ENOMEM)))
        printed = done.stderr.decode("utf-8", "replace")
        failed += "memory" in printed
        assert not [path for path in place.iterdir() if str(path) not in printed], (first, printed)
    assert failed >= 10, failed
