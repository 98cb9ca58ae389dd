# SPDX-License-Identifier: MIT
"""What goes on around a program: other processes, quotas, disks that are too small."""
import atexit
import contextlib
import functools
import os
import pathlib
import subprocess
import tempfile

PERIOD_US = 100000
V2_MOUNT = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


@functools.lru_cache(None)
def cpu_hierarchy():
    """Where the cpu controller of cgroup version 1 is mounted, now if need be; or None."""
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            left, right = line.split(" - ")
            kind, _, options = right.split(None, 2)
            if kind == "cgroup" and "cpu" in options.strip().split(","):
                return pathlib.Path(left.split()[4])
    if os.geteuid() != 0:
        return None
    own = tempfile.mkdtemp(prefix="gt-truth-cpu-")
    done = subprocess.run(["mount", "-t", "cgroup", "-o", "cpu", "cpu", own],
                          stderr=subprocess.DEVNULL)
    if done.returncode:
        os.rmdir(own)
        return None
    atexit.register(lambda: subprocess.run(["umount", "-l", own]) and os.rmdir(own))
    return pathlib.Path(own)


def why_no_quota():
    """None where a quota of version 1's cpu controller can be set, else the reason."""
    if os.geteuid() != 0:
        return "not root: no quota can be set"
    return None if cpu_hierarchy() else "cgroup version 1 has no cpu controller here"


def is_ours(pid):
    """giltracer, or the perf that it runs; the program itself stays, also when it has ended."""
    try:
        name = os.path.basename(os.readlink("/proc/%s/exe" % pid))
    except OSError:
        return False
    return name == "giltracer" or name.startswith("perf")


class Condition:
    """What goes on around one run; also nothing."""

    env = {}  # more of its environment

    def enter(self):
        """In the process itself, before it runs giltracer."""

    def tick(self):
        """Now and then while it runs."""

    def over(self):
        """The program says that its work has ended: giltracer's own work on the report need not
        take long."""

    def remove(self):
        """All has ended."""


class Quota(Condition):
    """A cgroup with a quota in percent of one CPU; giltracer reads of it in the kernel's files, or in
    a folder that looks like version 2's."""

    def __init__(self, percent, folder=None):
        self.path = cpu_hierarchy() / ("gt-truth-%d" % os.getpid())
        self.path.mkdir(exist_ok=True)
        (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (self.path / "cpu.cfs_quota_us").write_text(str(PERIOD_US * percent // 100))
        self.copy = None
        if folder:
            self.copy = folder / "sys/fs/cgroup/pod"
            self.copy.mkdir(parents=True)
            (folder / "proc/self").mkdir(parents=True)
            (folder / "proc/self/cgroup").write_text("0::/pod\n")
            (folder / "proc/self/mountinfo").write_text(V2_MOUNT)
            (self.copy / "cpu.max").write_text("%d %d\n" % (PERIOD_US * percent // 100, PERIOD_US))
            self.env = {"GILTRACER_CGROUP_ROOT": str(folder)}
            self.tick()

    def throttled(self):
        """(how often, how many ns), as the kernel counts."""
        words = (self.path / "cpu.stat").read_text().split()
        numbers = dict(zip(words[::2], map(int, words[1::2])))
        return numbers["nr_throttled"], numbers["throttled_time"]

    def tick(self):
        if self.copy:
            count, ns = self.throttled()
            text = "usage_usec 1\nnr_periods 9\nnr_throttled %d\nthrottled_usec %d\n"
            text = (text % (count, ns // 1000)).encode().ljust(200)
            file = os.open(str(self.copy / "cpu.stat"), os.O_WRONLY | os.O_CREAT)
            os.pwrite(file, text, 0)  # it is never seen empty
            os.close(file)

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def release(self, which):
        for pid in (self.path / "cgroup.procs").read_text().split():
            if which(pid):
                with contextlib.suppress(OSError):
                    (self.path.parent / "cgroup.procs").write_text(pid)

    def over(self):
        self.release(is_ours)

    def remove(self):
        self.release(lambda pid: True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


class Busy(Condition):
    """Processes that want a CPU all the time."""

    def __init__(self, count):
        self.children = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"],
                                          stdin=subprocess.DEVNULL) for _ in range(count)]

    def over(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait()
        self.children = []

    remove = over


class SmallDisk(Condition):
    """A file system of 2 MB, in TMPDIR's place."""

    def __init__(self, path):
        self.path = path
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(path)], check=True)

    def remove(self):
        subprocess.run(["umount", "-l", str(self.path)], check=True)


def make(entry, folder):
    """The condition of one run, whose files are in `folder`."""
    if entry.condition == "busy":
        return Busy(4)
    if entry.condition.startswith("quota"):
        percent = int(entry.condition[len("quota"):])
        return Quota(percent, folder / "cgroups" if entry.version2 else None)
    if entry.condition == "hole" and entry.hole == "tmpfs":
        return SmallDisk(folder / "tmp")
    return Condition()
