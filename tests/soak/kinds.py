# SPDX-License-Identifier: MIT
"""What goes wrong in a run. Each kind chooses all that is random in it beforehand, from the seed, and
then does it: to the environment, before the run, or to processes, while it runs."""
import errno
import os
import resource
import signal
import subprocess
import time

import harness
from processes import descendants, words_of

MODES = ("probes", "agent", "perf2trace", "offgil")
LAUNCHER = ("probes", "agent")
POLL_S = 0.003


def is_perf(*subcommands):
    def matches(words):
        return len(words) > 1 and os.path.basename(words[0]).startswith("perf") and \
            words[1] in subcommands
    return matches


def is_helper(words):
    return words[:1] == ["giltracer-sentry"]


def is_target(words):
    return len(words) > 1 and "python" in words[0] and words[1].endswith("steady.py")


class Fault:
    """Nothing goes wrong."""

    modes = MODES
    kills = ()  # signals that may end the program itself, as giltracer's own end
    hits_target = False
    mutes = False  # what it says may be lost, too

    def __init__(self, random, mode):
        self.random, self.mode, self.reached = random, mode, False
        self.choose()

    def choose(self):
        """All that is random."""

    def weaker(self):
        """It was not reached: try what is met earlier. False: there is nothing earlier."""
        return False

    def environment(self, folder):
        """Of the program, and what else is to be there."""
        return {}

    def limit(self):
        """In the new process."""

    def watch(self, process):
        """Called again and again while the program runs."""

    def after(self, folder, printed):
        """The program has ended."""

    def __str__(self):
        return "nothing"


class ToProcess(Fault):
    """A signal to the first process that matches, some time after it was there."""

    victims = ()  # (name, what matches)
    signals = (signal.SIGKILL,)
    longest_s = 0.4

    def choose(self):
        self.victim, self.matches = self.random.choice(self.victims)
        self.signal = self.random.choice(self.signals)
        self.delay_s = self.random.choice((0, self.random.uniform(0, self.longest_s)))
        self.seen_at = None

    def weaker(self):
        if not self.seen_at:  # it was not even there: a kept answer makes `perf probe` needless
            self.choose()
        self.delay_s, self.seen_at = self.delay_s / 4, None
        return True

    def find(self, process):
        return next((pid for pid in descendants(process.pid) if self.matches(words_of(pid))), None)

    def watch(self, process):
        if self.reached:
            return
        pid = self.find(process)
        if not pid:
            return
        self.seen_at = self.seen_at or time.monotonic()
        if time.monotonic() - self.seen_at < self.delay_s:
            return
        try:
            os.kill(pid, self.signal)
            self.reached = True
        except OSError:
            pass

    def __str__(self):
        return "%s to %s after %.0f ms" % (signal.Signals(self.signal).name, self.victim,
                                           1e3 * self.delay_s)


class PerfDies(ToProcess):
    """One of giltracer's perfs is killed, or crashes."""
    modes = ("probes",)
    victims = (("perf record", is_perf("record")), ("perf record", is_perf("record")),
               ("perf script", is_perf("script")), ("perf probe", is_perf("probe")))
    signals = (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)


class PerfStops(ToProcess):
    """One of giltracer's perfs does nothing any more, and does not end."""
    modes = ("probes",)
    victims = PerfDies.victims
    signals = (signal.SIGSTOP,)

    def environment(self, folder):
        return {"GILTRACER_PERF_TIMEOUT": "4"}


class HelperDies(ToProcess):
    modes = LAUNCHER
    victims = (("the helper", is_helper),)


class TargetDies(ToProcess):
    modes = LAUNCHER
    victims = (("the target", is_target),)
    signals = (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
    hits_target = True


class Itself(ToProcess):
    victims = (("the program", None),)
    longest_s = 1.2

    def find(self, process):
        return process.pid if words_of(process.pid) else None


class Interrupts(Itself):
    """What users send, to giltracer and to the group that it is in, as a terminal does."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kills = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a converter may just end by it
    hits_target = True

    def choose(self):
        super().choose()
        self.times = self.random.choice((1, 1, 2))
        self.sent = 0

    def watch(self, process):
        super().watch(process)
        if self.reached and self.sent + 1 < self.times:
            self.sent, self.reached = self.sent + 1, False
            self.seen_at, self.delay_s = time.monotonic(), 0.1

    def after(self, folder, printed):
        self.reached = self.reached or self.sent > 0

    def __str__(self):
        return super().__str__() + (", again" if self.times == 2 else "")


class IsKilled(Itself):
    kills = (signal.SIGKILL,)


class Crashes(Itself):
    """Signals that kill who does nothing about them: giltracer hands on what is sent to it."""
    hits_target = True
    signals = (signal.SIGSEGV, signal.SIGABRT, signal.SIGALRM, signal.SIGXCPU, signal.SIGBUS)
    kills = signals


class SmallDisk(Fault):
    """A file system of its own for temporary files, or for outputs, that gets full."""

    def choose(self):
        self.place = self.random.choice(("tmp", "out"))
        self.kib = self.random.choice((4, 64, 256, self.random.randrange(8, 2000)))
        if self.mode not in LAUNCHER:
            self.place = "out"

    def weaker(self):
        self.kib //= 4
        return self.kib >= 4

    def environment(self, folder):
        self.path = folder / self.place
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk,mode=1777" % self.kib, "none",
                        str(self.path)], check=True)
        return {"TMPDIR": str(folder / "tmp")}

    def after(self, folder, printed):
        self.reached = "No space left" in printed or "no room for" in printed

    def __str__(self):
        return "%d KiB of disk for %s" % (self.kib, self.place)


class Limit(Fault):
    modes = MODES

    def limit(self):
        resource.setrlimit(self.what, (self.most, self.hard))

    def after(self, folder, printed):
        self.reached = True  # as far as that can be known

    def __str__(self):
        return "at most %d %s" % (self.most, self.of)


class FileLimit(Limit):
    what, of, hard = resource.RLIMIT_FSIZE, "bytes in a file", resource.RLIM_INFINITY

    def choose(self):
        self.most = self.random.choice((0, 4096, self.random.randrange(1 << 12, 1 << 20)))


class Descriptors(Limit):
    what, of = resource.RLIMIT_NOFILE, "descriptors"

    def choose(self):
        self.most = self.hard = self.random.choice((8, 16, 32, self.random.randrange(10, 64)))


class Calls(Fault):
    """The n-th call of a function of libc fails (tests/faults)."""

    preload = harness.FAULTS
    names = {"probes": "giltracer", "agent": "giltracer"}
    functions = ()  # (function, number, objects, about how many calls there are)

    def choose(self):
        self.function, self.number, parts, most = self.random.choice(self.functions)
        self.part = self.random.choice(parts)
        self.n = 1 + int(most ** self.random.random())
        self.persists = "+" if self.random.random() < 0.3 else ""

    def weaker(self):
        if self.n == 1:  # a function that is not called at all
            self.choose()
        self.n = (self.n + 7) // 8
        return True

    def program(self):
        return self.names.get(self.mode, self.mode)

    def environment(self, folder):
        what = "%s %s %d%s %d" % (self.part, self.function, self.n, self.persists, self.number)
        return {"LD_PRELOAD": str(self.preload), "GT_FAULTS_LOG": str(folder / "fired"),
                "GT_FAULTS": ",".join("%s %s" % (one, what) for one in self.program().split())}

    def after(self, folder, printed):
        self.reached = (folder / "fired").exists()

    def __str__(self):
        return "%s %d%s of %s (%s) fails with %s" % (
            self.function, self.n, self.persists, self.program(), self.part,
            errno.errorcode.get(self.number, "half its length"))


class OwnCalls(Calls):
    """By code of the program itself: libuv ends a process in which its own pipes fail."""

    def choose(self):
        super().choose()
        if self.part == ".":
            self.part = self.program()


class Writes(OwnCalls):
    mutes = True
    functions = [("write", number, (".",), 60)
                 for number in (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, 0)]


class Allocations(OwnCalls):
    functions = [(name, errno.ENOMEM, (".", "libjansson", "libz", "libc.so"), most)
                 for name, most in (("malloc", 3000), ("calloc", 200), ("realloc", 2000),
                                    ("strdup", 100))]


class OtherCalls(OwnCalls):
    functions = [("open", errno.EMFILE, ("*",), 25), ("open", errno.EACCES, (".",), 25),
                 ("read", errno.EIO, (".",), 300), ("read", 0, (".",), 300),
                 ("pipe", errno.EMFILE, (".",), 8), ("fork", errno.EAGAIN, ("*",), 6),
                 ("stat", errno.EIO, (".",), 20), ("rename", errno.EIO, (".",), 1),
                 ("mkdir", errno.ENOSPC, (".",), 2), ("exec", errno.EACCES, ("*",), 3),
                 ("readlink", errno.EACCES, (".",), 3), ("fallocate", errno.ENOSPC, (".",), 2)]


class PerfCalls(Calls):
    """perf's own calls fail."""
    modes = ("probes", "perf2trace", "offgil")
    functions = [("write", errno.ENOSPC, ("*",), 40), ("open", errno.EMFILE, ("*",), 300),
                 ("malloc", errno.ENOMEM, ("*",), 3000), ("read", errno.EIO, ("*",), 100),
                 ("mmap", errno.EPERM, ("*",), 20)]

    def program(self):
        return "perf perf_*"


class AgentCalls(Calls):
    modes = ("agent", "probes")
    functions = [("mmap", errno.ENOMEM, (harness.AGENT.name,), 30),
                 ("open", errno.EMFILE, (harness.AGENT.name,), 60),
                 ("write", errno.EIO, (harness.AGENT.name,), 25),
                 ("write", 0, (harness.AGENT.name,), 25),
                 ("fallocate", errno.ENOSPC, (harness.AGENT.name,), 25),
                 ("calloc", errno.ENOMEM, (harness.AGENT.name,), 40),
                 ("stat", errno.EIO, (harness.AGENT.name,), 40)]

    def program(self):
        return "python*"


KINDS = {
    "perf dies": PerfDies, "perf stops": PerfStops, "perf's calls": PerfCalls,
    "the helper dies": HelperDies, "the target dies": TargetDies, "interrupted": Interrupts,
    "killed": IsKilled, "deadly signals": Crashes, "disk full": SmallDisk, "file's length": FileLimit,
    "descriptors": Descriptors, "writes": Writes, "allocations": Allocations,
    "other calls": OtherCalls, "the agent's calls": AgentCalls,
}
