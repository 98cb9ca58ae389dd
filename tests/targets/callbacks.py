# SPDX-License-Identifier: MIT
"""Python functions that native threads call back.

    callbacks.py OBJECT THREADS CALLS WAY[,WAY...] [ACTION]

OBJECT: callbacks.c, built. For each WAY of callbacks.c, each of THREADS makes CALLS calls of
`progress`, which computes for a millisecond or so. ACTION: "hook": it is `hooked` instead, which
sets sys.setprofile and removes it; "profile": `profiled`, which runs under cProfile. Prints how many
calls there were.
"""
import cProfile
import ctypes
import sys

WAYS = ["fresh", "nested", "detached", "own", "swapped"]


def progress(i):
    x = 0
    for k in range(20000):
        x += k


def hooked(i):
    sys.setprofile(lambda *arguments: None)
    progress(i)
    sys.setprofile(None)


def profiled(i):
    profile = cProfile.Profile()
    profile.enable()
    progress(i)
    profile.disable()


def main(path, threads, calls, ways, action="none"):
    function = {"none": progress, "hook": hooked, "profile": profiled}[action]
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int)(function)
    run = ctypes.CDLL(path).run
    print(sum(run(callback, int(threads), int(calls), WAYS.index(way)) for way in ways.split(",")))


main(*sys.argv[1:])
