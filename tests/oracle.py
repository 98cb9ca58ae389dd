# SPDX-License-Identifier: MIT
"""Who held the GIL and who waited, computed a second time: slowly, plainly, independently.

This is the other opinion that the program's results are compared with. It shares no code with
the program and favours the obvious over the fast: everything is in memory, every question is a
loop over all events.

What it knows (CPython's ceval_gil, 3.6 to 3.13):
  - acquiring ends with pthread_cond_signal(SWITCH), releasing begins with
    pthread_cond_signal(COND); SWITCH and COND lie close together in one process's memory;
  - a thread that has to wait calls pthread_cond_timedwait(COND), again every switch interval;
  - a thread holds at most one GIL at a time;
  - or, with probes on the functions: take_gil is entered, take_gil returns, drop_gil is entered.

    oracle.py FILE[.gz]    prints what it finds in the text of `perf script`
"""
import collections
import gzip
import re
import sys

NEAR_BYTES = 1024  # COND and SWITCH are no farther apart than this
RELEASED, ACQUIRED, WAIT, TAKE, TAKEN, DROP = "released acquired wait take taken drop".split()

Event = collections.namedtuple("Event", "time pid tid name address")
Span = collections.namedtuple("Span", "start end tid")

# comm may hold anything, so the head of a line is found from its tail.
HEAD = r"^(?P<comm>.*?)\s+(?P<a>-?\d+)(?:/(?P<b>-?\d+))?\s+(?:\[-?\d+\]\s+)?(?P<s>\d+)\.(?P<f>\d{6,9}):\s+"
PROBE = re.compile(HEAD.replace(".*?", ".*") +
                   r"(?:\d+\s+)?(?P<group>\w+):(?P<name>\w+):\s+"
                   r"\([0-9a-f]+(?: <- [0-9a-f]+)?\)(?: cond=(?P<cond>0x[0-9a-f]+|\d+))?(?:\s.*)?$")
TASK = re.compile(HEAD.replace(".*?", ".*") +
                  r"PERF_RECORD_(?P<what>FORK|EXIT)\((?P<p>-?\d+):(?P<t>-?\d+)\)"
                  r":\((?P<pp>-?\d+):(?P<pt>-?\d+)\)\s*$")
COMM = re.compile(HEAD + r"PERF_RECORD_COMM(?P<exec> exec)?: .*:(?P<p>-?\d+)/(?P<t>-?\d+)\s*$")
LOST = re.compile(HEAD.replace(".*?", ".*") + r"PERF_RECORD_LOST(?:_SAMPLES)? lost (?P<n>\d+)")
OTHER = re.compile(HEAD)


def read_text(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(str(path), "rb") as stream:
        return stream.read().decode("utf-8", "surrogateescape")


def nanoseconds(match):
    return int(match.group("s")) * 10**9 + int(match.group("f").ljust(9, "0"))


def probe_kind(group, name):
    """What a probe event means, by its name: the same conventions that perf itself follows."""
    if group.startswith("probe_") and "pthread_cond" not in name and "gil" not in name:
        return None
    name = re.sub(r"_\d+$", "", name)
    return {
        "signal": "signal", "pthread_cond_signal": "signal",
        "wait": WAIT, "pthread_cond_timedwait": WAIT,
        "take_gil": TAKE, "take_gil__return": TAKEN, "take_gil_return": TAKEN,
        "drop_gil": DROP,
    }.get(name)


class Recording:
    """All of a recording: `events` about the GIL in time order, and the lives of threads."""

    def __init__(self, text):
        self.events = []
        self.process_of = {}  # tid -> pid, as fork records say
        self.start = {}
        self.end = {}
        self.last = 0
        self.lost = 0
        self.execs = []  # (time, pid)
        for line in text.split("\n"):
            self.line(" " + line)  # without a comm, the first number may begin the line
        self.events.sort(key=lambda event: event.time)
        self.finish()

    def line(self, line):
        if "PERF_RECORD_" in line and self.task_line(line):
            return
        match = PROBE.match(line)
        if not match:
            match = OTHER.match(line)
            if match and not line.startswith(" \t"):
                self.seen(match)
            return
        self.seen(match)
        kind = probe_kind(match.group("group"), match.group("name"))
        if kind:
            cond = match.group("cond")
            pid, tid = self.ids(match)
            self.events.append(Event(nanoseconds(match), pid, tid, kind,
                                     int(cond, 0) if cond else None))

    def ids(self, match):
        """(pid or None, tid): one number is a tid, two are pid/tid."""
        if match.group("b") is None:
            return None, int(match.group("a"))
        return int(match.group("a")), int(match.group("b"))

    def seen(self, match):
        time = nanoseconds(match)
        pid, tid = self.ids(match)
        if time == 0 or tid <= 0:
            return
        self.last = max(self.last, time)
        if pid is not None and pid > 0:
            self.process_of.setdefault(tid, pid)
        self.start.setdefault(tid, time)

    def task_line(self, line):
        match = LOST.match(line)
        if match:
            self.lost += int(match.group("n"))
            self.seen(match)
            return True
        match = COMM.match(line)
        if match:
            self.seen(match)
            if match.group("exec"):
                self.execs.append((nanoseconds(match), int(match.group("p"))))
            return True
        match = TASK.match(line)
        if not match:
            return False
        time, tid = nanoseconds(match), int(match.group("t"))
        self.last = max(self.last, time)
        if match.group("what") == "FORK":
            self.process_of[tid] = int(match.group("p"))
            self.start[tid] = time
            self.start.setdefault(int(match.group("pt")), time)  # it lives, it forks
        else:
            self.process_of.setdefault(tid, int(match.group("p")))
            self.start.setdefault(tid, time)
            self.end[tid] = time
        return True

    def finish(self):
        for tid in self.start:
            self.end.setdefault(tid, self.last)

    def pid_of(self, event):
        """A thread's process; its own where nothing tells."""
        return event.pid if event.pid else self.process_of.get(event.tid, event.tid)


class Gil:
    """One GIL of one process image, with its spans in time order."""

    def __init__(self, pid, source, address, image, holds, waits):
        self.pid, self.source, self.address = pid, source, address
        self.start, self.end = image
        self.holds, self.waits = holds, waits

    def lifetime(self, recording, tid):
        """How long the thread lived while this program image had the GIL."""
        return min(recording.end[tid], self.end) - max(recording.start[tid], self.start)

    def per_thread(self):
        """tid -> {hold, wait, holds, waits, longest_wait, longest_hold}, times in ns."""
        table = {}
        for kind, spans in (("hold", self.holds), ("wait", self.waits)):
            for span in spans:
                row = table.setdefault(span.tid, collections.Counter())
                row[kind] += span.end - span.start
                row[kind + "s"] += 1
                row["longest_" + kind] = max(row["longest_" + kind], span.end - span.start)
        return table


def images(recording, pid, events):
    """Split a process's events where it executed another program: (events, start, end)."""
    times = sorted(time for time, who in recording.execs if who == pid)
    threads = {event.tid for event in events} | {pid}
    end_of_process = max(recording.end.get(tid, 0) for tid in threads) or recording.last
    bounds = [0] + times + [None]
    for begin, end in zip(bounds, bounds[1:]):
        part = [e for e in events if e.time >= begin and (end is None or e.time < end)]
        if part:
            yield part, begin, (end_of_process if end is None else end)


def cond_sequence(events, cond, switch):
    """What happened to this pair of addresses: (time, tid, RELEASED | ACQUIRED | WAIT).

    glibc's timed wait may signal COND itself, to pass a signal on that it ate: a signal by one who
    waits is no release.
    """
    found = []
    waiting = set()
    for event in events:
        if event.name == "signal" and event.address in (cond, switch):
            what = RELEASED if event.address == cond else ACQUIRED
        elif event.name == WAIT and event.address == cond:
            what = WAIT
        else:
            continue
        # The same call seen by two probes is one call.
        last = next((e for e in reversed(found) if e[2] != WAIT), None)
        if what != WAIT and last and last[1:] == (event.tid, what):
            continue
        if what == RELEASED and last and event.tid in waiting:
            continue
        if what == WAIT:
            waiting.add(event.tid)
        else:
            waiting.discard(event.tid)
        found.append((event.time, event.tid, what))
    return found


def alternates(sequence, lenient):
    """Acquired by T, then released by T, and so on; what loss breaks is let pass if lenient."""
    owner, first, good, bad = None, True, 0, 0
    for _, tid, what in sequence:
        if what == ACQUIRED:
            bad += owner is not None
            owner = tid
        elif what == RELEASED:
            if owner == tid:
                good += 1
            elif not (first and owner is None):
                bad += 1
            owner = None
        else:
            continue
        first = False
    return good > 0 and (bad == 0 or (lenient and bad * 10 < good))


def spans_of(sequence, thread_end, image_end):
    holds, waits = [], []
    owner, waiting = None, {}
    for time, tid, what in sequence:
        if what in (WAIT, TAKE):
            waiting.setdefault(tid, time)
        elif what == ACQUIRED:
            if owner:  # its release was lost
                holds.append(Span(owner[1], time, owner[0]))
            if tid in waiting:
                waits.append(Span(waiting.pop(tid), time, tid))
            owner = (tid, time)
        elif what == RELEASED and owner and owner[0] == tid:
            holds.append(Span(owner[1], time, tid))
            owner = None
    if owner:
        holds.append(Span(owner[1], min(thread_end(owner[0]), image_end), owner[0]))
    for tid, since in waiting.items():
        waits.append(Span(since, max(since, min(thread_end(tid), image_end)), tid))
    return holds, waits


def overlapping(spans, others):
    """Does one thread hold both at once?"""
    for span in spans:
        for other in others:
            if other.start >= span.end:
                break
            if span.tid == other.tid and other.end > span.start:
                return True
    return False


def oriented(recording, events, one, two):
    """Which of two near addresses is COND? Its sequence, or None when they are no GIL's.

    With one thread and no waiting the two look alike but for their distance (SWITCH comes
    behind COND since 3.7) and for what happened first.
    """
    fitting = []
    for cond, switch in ((one, two), (two, one)):
        sequence = cond_sequence(events, cond, switch)
        changes = [step for step in sequence if step[2] != WAIT]
        if not alternates(sequence, recording.lost > 0):
            continue
        waited_on = any(step[2] == WAIT for step in sequence)
        likely = (waited_on, switch - cond in (88, 96), changes[0][2] == ACQUIRED)
        fitting.append((likely, changes[0][0], cond, sequence))
    return max(fitting) if fitting else None


def known_from_start(recording, sequence, image_start):
    """A recording that begins while a thread holds: it has held since the beginning."""
    changes = [step for step in sequence if step[2] != WAIT]
    if changes[0][2] != RELEASED:
        return sequence
    tid = changes[0][1]
    return [(max(recording.start[tid], image_start), tid, ACQUIRED)] + sequence


def cond_gils(recording, pid, events, image):
    signalled = sorted({e.address for e in events if e.name == "signal"})
    candidates = []
    for i, one in enumerate(signalled):
        for two in signalled[i + 1:]:
            found = two - one <= NEAR_BYTES and oriented(recording, events, one, two)
            if found:
                candidates.append(found[1:])
    accepted = []
    for _, cond, sequence in sorted(candidates):
        sequence = known_from_start(recording, sequence, image[0])
        holds, waits = spans_of(sequence, lambda tid: recording.end[tid], image[1])
        if not any(overlapping(holds, gil.holds) for gil in accepted):
            accepted.append(Gil(pid, "cond", cond, image, holds, waits))
    return accepted


def function_gil(recording, pid, events, image):
    """take_gil and drop_gil: a take is a wait only if another thread held meanwhile."""
    sequence = []
    owner, entered = None, {}
    for event in events:
        if event.name == TAKE:
            entered.setdefault(event.tid, (event.time, owner not in (None, event.tid)))
        elif event.name == TAKEN:
            since = entered.pop(event.tid, None)
            if since and since[1]:
                sequence.append((since[0], event.tid, TAKE))
            sequence.append((event.time, event.tid, ACQUIRED))
            owner = event.tid
            entered = {tid: (time, True) for tid, (time, _) in entered.items()}
        elif event.name == DROP:
            sequence.append((event.time, event.tid, RELEASED))
            if owner == event.tid:
                owner = None
    for tid, (time, contended) in entered.items():
        if contended:
            sequence.append((time, tid, TAKE))
    if not any(what in (ACQUIRED, RELEASED) for _, _, what in sequence):
        return []
    sequence.sort(key=lambda step: step[0])
    sequence = known_from_start(recording, sequence, image[0])
    holds, waits = spans_of(sequence, lambda tid: recording.end[tid], image[1])
    return [Gil(pid, "functions", 0, image, holds, waits)]


def gils(text):
    """Every GIL in the text of `perf script`, by process and first acquisition."""
    recording = Recording(text)
    by_pid = collections.OrderedDict()
    for event in recording.events:
        by_pid.setdefault(recording.pid_of(event), []).append(event)
    found = []
    for pid, events in by_pid.items():
        for part, *image in images(recording, pid, events):
            if any(event.name == "signal" for event in part):
                found += cond_gils(recording, pid, part, image)
            else:
                found += function_gil(recording, pid, part, image)
    return found, recording


def holders_overlap(spans):
    """The first two spans of one GIL's holds that overlap, or None."""
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    for one, two in zip(ordered, ordered[1:]):
        if two.start < one.end:
            return one, two
    return None


def main():
    found, recording = gils(read_text(sys.argv[1]))
    for gil in found:
        print("pid %d GIL %#x from %s%s" % (gil.pid, gil.address, gil.source,
                                           ", holders overlap" if holders_overlap(gil.holds) else ""))
        for tid, row in sorted(gil.per_thread().items()):
            life = gil.lifetime(recording, tid)
            print("  %7d  life %8.3f ms  hold %5.1f%%  wait %5.1f%%  holds %d  waits %d  longest %.3f ms"
                  % (tid, life / 1e6, 100.0 * row["hold"] / max(life, 1),
                     100.0 * row["wait"] / max(life, 1), row["holds"], row["waits"],
                     row["longest_wait"] / 1e6))


if __name__ == "__main__":
    main()
