"""What goes on around a program: other processes, quotas, disks that are too small."""
import contextlib
import os
import pathlib
import subprocess

CPU_CGROUPS = pathlib.Path("/sys/fs/cgroup/cpu")  # version 1
PERIOD_US = 100000


def why_no_quota():
    """None where a quota of version 1's cpu controller can be set, else the reason."""
    if not (CPU_CGROUPS / "cpu.cfs_quota_us").exists() and not \
            (CPU_CGROUPS / "cgroup.procs").exists():
        return "no cpu controller of cgroup version 1 in %s" % CPU_CGROUPS
    return None if os.access(str(CPU_CGROUPS), os.W_OK) else "not root: no quota can be set"


class Quota:
    """A cgroup with a quota in percent of one CPU."""

    def __init__(self, percent):
        self.path = CPU_CGROUPS / ("gt-truth-%d" % os.getpid())
        self.path.mkdir(exist_ok=True)
        (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (self.path / "cpu.cfs_quota_us").write_text(str(PERIOD_US * percent // 100))

    def enter(self):
        """For the process itself, before it runs a program."""
        (self.path / "cgroup.procs").write_text("0")

    def over(self):
        """Let those who are in it go on without: giltracer's own work on the report."""
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (CPU_CGROUPS / "cgroup.procs").write_text(pid)

    def remove(self):
        self.over()
        with contextlib.suppress(OSError):
            self.path.rmdir()


class Busy:
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

    def enter(self):
        pass


class SmallDisk:
    """A file system of 2 MB, in TMPDIR's place."""

    def __init__(self, path):
        self.path = path
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(path)], check=True)

    def enter(self):
        pass

    def over(self):
        pass

    def remove(self):
        subprocess.run(["umount", "-l", str(self.path)], check=True)


def make(entry, tmp):
    """The conditions of one run: things with enter() (in the child), over() (the program has
    ended) and remove()."""
    if entry.condition == "busy":
        return [Busy(4)]
    if entry.condition.startswith("quota"):
        return [Quota(int(entry.condition[len("quota"):]))]
    if entry.condition == "hole" and entry.hole == "tmpfs":
        return [SmallDisk(tmp)]
    return []
