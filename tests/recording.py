# SPDX-License-Identifier: MIT
"""Recordings of the tests' own: GIL probes, the futex source's probes, futex calls and scheduling of
one run, by perf alone.

One run seen by every source at once is the only fair comparison of sources: two runs of a program
never contend alike. `Recording.text` gives what one source would have seen of it.
"""
import contextlib
import functools
import os
import re
import subprocess
import tempfile
import time
import uuid

import harness

TRACK_STATES = 1 << 29  # lib/report/chrome.c: + thread index
ON_CPU_OR_READY = ("running", "runnable (preempted)", "runnable (woken)")
FUTEX = ("syscalls:sys_enter_futex", "syscalls:sys_exit_futex")
SWITCH = "sched:sched_switch"
STACKS = "sched:sched_switch/call-graph=dwarf,stack-size=2048/"
SCHED = ("sched:sched_wakeup", "sched:sched_wakeup_new", "sched:sched_process_fork",
         "sched:sched_process_exit")


def libc_of(python):
    """The libc that an interpreter maps."""
    code = "print(next(l.split()[-1] for l in open('/proc/self/maps') if '/libc' in l))"
    return subprocess.run([python.path, "-c", code], stdout=subprocess.PIPE, check=True,
                          timeout=20).stdout.decode().strip()


def install(words, group, tries=15):
    """Two perf probe at once can get in each other's way: the loser tries again."""
    for attempt in range(tries):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=60)
        if done.returncode == 0:
            return
        remove(group)
        time.sleep(min(0.2 * (attempt + 1), 1))
    raise AssertionError(done.stderr.decode(errors="replace"))


def remove(group):
    subprocess.run(["perf", "probe", "-q", "-d", group + ":*"], stdin=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)


@functools.lru_cache(maxsize=None)
def contended_places(python):
    """Where giltracer puts the futex source's probes: definitions without their group."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([str(harness.GILTRACER), "-v", "--gil-source", "futex", "--python",
                               python, "-c", "pass"], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    found = re.findall(r"(?m)^probe: +[^:\s]+:(contended_\w+) in .* at (0x[0-9a-f]+)( on return)?$",
                       done.stderr.decode())
    assert found, done.stderr.decode()
    registers = ("%x0", "%x1") if os.uname().machine == "aarch64" else ("%di", "%si")
    wake, cond = "uaddr=%s:x64 op=%s:x32" % registers, "cond=%s:x64" % registers[0]
    return ["%s=%s%s" % (event, offset, "%return result=$retval:x32" if back else
                         " " + (wake if "wake" in event else cond))
            for event, offset, back in found]


@contextlib.contextmanager
def gil_probes(libc, contended=()):
    """The two libc probes, and others there, in a group that no giltracer's clean-up takes for its
    own."""
    group = "gtest_%s" % uuid.uuid4().hex[:10]
    register = "%x0" if os.uname().machine == "aarch64" else "%di"
    words = []
    for event, function in (("signal", "pthread_cond_signal"),
                            ("wait", "pthread_cond_timedwait")):
        words += ["-a", "%s:%s=%s cond=%s:x64" % (group, event, function, register)]
    for definition in contended:
        words += ["-a", "%s:%s" % (group, definition)]
    try:
        install(["perf", "probe", "-f", "-x", libc, *words], group)  # beside others
        yield group
    finally:
        remove(group)


class Recording:
    """The whole text of one run, and the parts of it that a source sees."""

    def __init__(self, path, whole, group):
        self.path, self.whole, self.group = path, whole, group

    def text(self, probes=True, futex=True, sched=True, stacks=True, contended=False):
        drop, text = [], self.whole
        if not stacks:  # frames, and the empty line that ends a stack
            text = re.sub(rb"(?m)^(?:\s+[0-9a-f]+ .*\))?\n", b"", text)
        if not probes and self.group:
            drop.append(re.escape(self.group) + r":(?!contended)\w+:")
        if not contended and self.group:
            drop.append(re.escape(self.group) + r":contended\w+:")
        if not futex:
            drop.append(r"syscalls:sys_(?:enter|exit)_futex:")
        if not sched:
            drop.append(r"(?:sched:\w+:|PERF_RECORD_SWITCH)")
        if not drop:
            return text
        pattern = re.compile((r"(?m)^.*\s(?:%s).*\n" % "|".join(drop)).encode())
        return pattern.sub(b"", text)


def record(folder, python, argv, probes=True, futex=True, sched=True, stacks=False,
           contended=False):
    """Record a run of a Python program; stacks only when asked, their text is long."""
    places = contended_places(python.path) if contended else ()
    path = folder / ("recording-%s.data" % uuid.uuid4().hex[:8])
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(gil_probes(libc_of(python), places)) if probes else None
        events = [group + ":*"] if probes else []
        events += FUTEX if futex else ()
        events += (STACKS if stacks else SWITCH, *SCHED) if sched else ()
        words = ["perf", "record", "-q", "-N", "-B", "-k", "CLOCK_MONOTONIC", "-c", "1",
                 "-m", "16M", "-o", str(path)]
        words += ["--switch-events"] if sched else []
        words += ["-d"] if stacks else []
        for event in events:
            words += ["-e", event]
        done = subprocess.run([*words, "--", python.path, *argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
    options = ["--show-switch-events", "--show-mmap-events"]
    fields = "comm,pid,tid,cpu,time,event,trace" + (",ip,sym,dso" if stacks else "")
    return Recording(path, harness.perf_script(path, *options, "-F", fields), group)


def states(document):
    """The state spans by tid: lists of (start, end, name) in ns, in the order of time."""
    tids = {TRACK_STATES + row["thread"]: row["tid"] for row in document["giltracer"]["threads"]}
    found = {tid: [] for tid in tids.values()}
    for event in document["traceEvents"]:
        if event.get("cat") == "sched":
            start = harness.nanoseconds(event["ts"])
            found[tids[event["tid"]]].append(
                (start, start + harness.nanoseconds(event["dur"]), event["name"]))
    return {tid: sorted(spans) for tid, spans in found.items()}


def gil_spans(document, name):
    """Waits or holds by tid, as states()."""
    found = {}
    for event in harness.gil_spans(document, name):
        start = harness.nanoseconds(event["ts"])
        found.setdefault(event["args"]["tid"], []).append(
            (start, start + harness.nanoseconds(event["dur"]), name))
    return {tid: sorted(spans) for tid, spans in found.items()}


def overlap(one, two):
    """How long spans of two sorted lists coincide, in ns."""
    total, j = 0, 0
    for start, end, _ in one:
        while j < len(two) and two[j][1] <= start:
            j += 1
        k = j
        while k < len(two) and two[k][0] < end:
            total += min(end, two[k][1]) - max(start, two[k][0])
            k += 1
    return total


def named(spans, *names):
    return [span for span in spans if span[2] in names]


def length(spans):
    return sum(end - start for start, end, _ in spans)


def convert(text, folder, *words):
    """perf2trace's report of some text."""
    name = uuid.uuid4().hex[:8]
    source, output = folder / (name + ".txt"), folder / (name + ".json")
    source.write_bytes(text)
    done = subprocess.run([str(harness.PERF2TRACE), *words, str(source), "-o", str(output)],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=90)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return harness.read_json(output)
