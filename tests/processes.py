# SPDX-License-Identifier: MIT
"""Who runs below a process, or was started by it and has lost its parent since, as /proc tells."""
import glob
import os


def stat_of(pid):
    """(parent, state) or None."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            fields = stream.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), fields[0]


def resident_bytes(pid):
    with open("/proc/%d/statm" % pid) as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descendants(root):
    """Who lives below it: the kernel's lists of children, which cost less than all of /proc."""
    found, todo = [], [root]
    while todo:
        for path in glob.iglob("/proc/%d/task/*/children" % todo.pop()):
            try:
                with open(path) as stream:
                    children = [int(word) for word in stream.read().split()]
            except OSError:
                continue
            found += [pid for pid in children if (stat_of(pid) or (0, "X"))[1] not in "ZX"]
            todo += children
    return found


def words_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            return [word.decode("utf-8", "replace") for word in stream.read().split(b"\0")]
    except OSError:
        return []


def marked(mark):
    """Who lives whose environment has these bytes, but for the caller."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as stream:
                found = mark in stream.read()
        except OSError:
            continue
        if found and (stat_of(int(entry)) or (0, "X"))[1] not in "ZX":
            yield int(entry)


def end(pids):
    """With SIGKILL; what they were."""
    ended = []
    for pid in pids:
        ended.append(" ".join(words_of(pid)).strip())
        try:
            os.kill(pid, 9)
        except OSError:
            pass
    return ended
