# SPDX-License-Identifier: MIT
"""What a program really did, from the log that truthext.c keeps."""
import collections
import pathlib
import struct

HEADER, RECORD = struct.Struct("<8sQqq"), struct.Struct("<IIIIqqqqq")
HEADER_BYTES, RECORDS_MAX = 4096, 1 << 16
ASK, KEEP, WINDOW, ENDED = 1, 2, 3, 4
MS = 10**6
LATE_NS = 50 * MS

Record = collections.namedtuple("Record", "kind pid tid id t0 t1 cpu ready clock")
# An operation after it was asked for the GIL: least time of each kind that it must have had.
# whole_ready is None where the program could not read it.
Kept = collections.namedtuple("Kept", "wall cpu asleep whole_wall whole_cpu whole_ready")


def milestones(path):
    """(began_ns, ended_ns), 0 where not yet."""
    try:
        with open(str(path), "rb") as stream:
            head = stream.read(HEADER.size)
    except OSError:
        head = b""
    return HEADER.unpack(head)[2:] if len(head) == HEADER.size else (0, 0)


class Log:
    def __init__(self, path, interval_ns):
        data = pathlib.Path(path).read_bytes()
        magic, count, self.began, self.ended = HEADER.unpack_from(data)
        assert magic == b"gttruth1", "the program wrote no log"
        self.complete = count <= RECORDS_MAX
        self.interval_ns = interval_ns
        self.records = []
        for number in range(min(count, RECORDS_MAX)):
            record = Record(*RECORD.unpack_from(data, HEADER_BYTES + number * RECORD.size))
            if record.kind:
                self.records.append(record)
        ended = self.of(ENDED)
        self.pid = ended[-1].pid if ended else 0
        self.cpu_ns = ended[-1].cpu if ended else None
        self.kept = list(self.keeps())

    def of(self, kind):
        return [record for record in self.records if record.kind == kind]

    def keeps(self):
        """For each operation: what it must have done after a request. The GIL is asked back when a
        waiter's timer has run out, the switch interval after it came, and it got a CPU: that takes
        LATE_NS at most, of all the time that it had none. Where it had come before, another thread
        may have had the GIL since: then its timer must run out once more (take_gil's
        saved_switchnum)."""
        asks = sorted(self.of(ASK), key=lambda one: one.t0)
        for keep in self.of(KEEP):
            wall = cpu = asleep = 0
            ready = keep.ready if keep.ready >= 0 else None
            slept = 0 if ready is None else keep.t1 - keep.t0 - keep.cpu - ready
            for ask in asks:
                if ask.t0 >= keep.t1:
                    break
                if ask.pid != keep.pid or ask.tid == keep.tid:
                    continue
                unasked = self.interval_ns * (1 if ask.t0 >= keep.t0 else 2)
                unasked += min(max(ask.ready, 0), LATE_NS)
                after = min(ask.t1, keep.t1) - max(ask.t0, keep.t0) - unasked
                if after <= 0:
                    continue
                began = max(ask.clock, keep.clock - keep.cpu)  # the CPU clock, when both were there
                done = keep.clock - began - unasked - (keep.t1 - min(ask.t1, keep.t1))
                wall, cpu = max(wall, after), max(cpu, done)
                asleep = max(asleep, slept - (keep.t1 - keep.t0 - after))
            yield Kept(wall, max(0, cpu), max(0, asleep), keep.t1 - keep.t0, keep.cpu, ready)

    def kept_ns(self):
        """Time on a CPU or asleep after a request: at least this."""
        return sum(max(one.cpu, one.asleep) for one in self.kept if one.wall > 0)

    def beat(self):
        """Of the thread that only sleeps and asks, in the process that ended: (tid, time in that
        loop, waited in it at most, and at least), or None. A thread that lost its CPU may have
        done so just before or after its wait."""
        windows = [one for one in self.of(WINDOW) if one.pid == self.pid]
        if not windows:
            return None
        window = min(windows, key=lambda one: one.t0)
        asks = [one for one in self.of(ASK) if one.tid == window.tid and one.pid == self.pid]
        return (window.tid, window.t1 - window.t0, sum(one.t1 - one.t0 for one in asks),
                sum(map(least, asks)))

    def longest_wait(self):
        return max((least(one) for one in self.of(ASK) if one.pid == self.pid), default=0)


def least(ask):
    """That it must have waited."""
    return max(0, ask.t1 - ask.t0 - ask.ready) if ask.ready >= 0 else 0
