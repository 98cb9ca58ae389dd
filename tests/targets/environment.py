# SPDX-License-Identifier: MIT
"""Prints as JSON what a program can find out about how it was started.

So that a run under giltracer can be compared with one without: descriptors and what they refer
to, ignored and blocked signals, working directory, arguments, environment, limits, ids, process
group (whether it leads one, whether it shares its parent's), umask, nice value.
"""
import json
import os
import resource
import signal
import sys


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the directory's own descriptor
        if "/proc/" not in target:
            found[name] = target
    return found


def signal_sets():
    with open("/proc/self/status") as status:
        return {line.split(":")[0]: line.split()[1]
                for line in status if line.startswith(("SigIgn", "SigBlk", "SigCgt"))}


def main():
    umask = os.umask(0)
    os.umask(umask)
    json.dump({
        "argv": sys.argv,
        "orig_argv": getattr(sys, "orig_argv", None),
        "executable": sys.executable,
        "path": sys.path,
        "main": sys.modules["__main__"].__dict__.get("__file__"),
        "cwd": os.getcwd(),
        "environ": dict(os.environ),
        "descriptors": descriptors(),
        "signals": signal_sets(),
        "sigpipe": str(signal.getsignal(signal.SIGPIPE)),
        "umask": umask,
        "nice": os.nice(0),
        "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "leads_group": os.getpgrp() == os.getpid(),
        "shares_group": os.getpgrp() == os.getpgid(os.getppid()),
        "session": os.getsid(0) == os.getpid(),
        "tty": [os.isatty(fd) for fd in range(3) if str(fd) in descriptors()],
    }, sys.stdout, sort_keys=True)


main()
