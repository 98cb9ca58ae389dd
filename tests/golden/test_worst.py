# SPDX-License-Identifier: MIT
"""Recordings of random waits, with losses: the worst windows and stretch are those that one finds by
looking at all of them, to the nanosecond."""
import random
import subprocess

import harness
import pytest
import worst

PID, COND, ACQUIRED = 100, 0x7f1200004000, 0x7f1200004000 + 88
THREADS = 6


class Text:
    """What perf script would print of threads that take turns, or sleep."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines, self.now, self.lost = [], 10**9, 0

    def line(self, tid, what):
        self.lines.append("%16s %5d/%-5d [000] %5d.%09d: %s" % (
            "python3", PID, tid, self.now // 10**9, self.now % 10**9, what))

    def signal(self, tid, name, address):
        if self.lost:
            self.lost += 1
        else:
            self.line(tid, "gil:%s: (7f00) cond=%#x" % (name, address))

    def take(self, tid):
        self.signal(tid, "signal", ACQUIRED)

    def sleep(self, most_ns):
        self.now += 1 + self.random.randrange(most_ns)

    def contend(self, until):
        """One has it, some wait, in turn; now and then nobody gets through to perf."""
        waiting = []
        tids = [PID + i for i in range(THREADS)]
        owner = self.random.choice(tids)
        self.take(owner)
        while self.now < until or waiting:
            self.sleep(3 * 10**6)
            free = [tid for tid in tids if tid != owner and tid not in waiting]
            if free and self.now < until and self.random.random() < 0.6:
                waiting.append(self.random.choice(free))
                self.signal(waiting[-1], "wait", COND)
                continue
            self.signal(owner, "signal", COND)
            self.sleep(1000)
            owner = waiting.pop(self.random.randrange(len(waiting))) if waiting else \
                self.random.choice(tids)
            self.take(owner)
        self.sleep(10**6)
        self.signal(owner, "signal", COND)

    def make(self, losses):
        for i in range(THREADS):
            self.line(PID + i, "PERF_RECORD_FORK(%d:%d):(%d:%d)" % (PID, PID + i, PID, PID))
            self.sleep(10**5)
        for _ in range(self.random.randrange(2, 6)):
            if losses and self.random.random() < 0.4:
                self.lost = 1
            self.contend(self.now + self.random.randrange(10**7, 4 * 10**8))
            if self.lost:
                count, self.lost = self.lost, 0
                self.line(PID, "PERF_RECORD_LOST lost %d" % count)
            self.sleep(2 * 10**9)
        for i in range(THREADS)[::-1]:
            self.line(PID + i, "PERF_RECORD_EXIT(%d:%d):(%d:%d)" % (PID, PID + i, PID, PID))
        return "\n".join(self.lines) + "\n"


def convert(text, folder):
    run = harness.Run([harness.PERF2TRACE, "gil", "-o", folder / "x.json"], folder,
                      stdin=subprocess.PIPE).finish(text.encode())
    assert run.status == 0, run
    return harness.read_json(folder / "x.json")


@pytest.mark.parametrize("losses", [False, True], ids=["whole", "losses"])
def test_random_recordings(losses, folder):
    told = unknown = 0
    for seed in range(12):
        document = convert(Text(seed).make(losses), folder)
        harness.check_document(document)
        told += len(worst.check(document))
        unknown += sum(gil["unknown_ns"] > 0 for gil in document["giltracer"]["gils"])
    assert told > (0 if losses else 3) and (unknown > 3) == losses, (told, unknown)
