# SPDX-License-Identifier: MIT
import argparse
import json
import os
import runpy
import sys
import threading
import time

EVENTS, LOCK = [], threading.Lock()


def clock_us():
    return time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6


def profile(frame, event, argument, stack=threading.local()):
    calls = stack.__dict__.setdefault("calls", [])
    if event in ("call", "c_call"):
        calls.append(clock_us())
    elif calls:
        start, code = calls.pop(), frame.f_code
        name = (getattr(argument, "__qualname__", str(argument)) if event[0] == "c" else
                "%s (%s:%d)" % (code.co_name, code.co_filename, code.co_firstlineno))
        EVENTS.append({"ph": "X", "cat": "FEE", "pid": os.getpid(), "tid": threading.get_native_id(),
                       "ts": start, "dur": clock_us() - start, "name": name})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("-o", required=True)
    parser.add_argument("-m")
    parser.add_argument("-c")
    cut = sys.argv.index("--")
    options, words = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1:]
    if not options.quiet:
        print("Saving report to", options.o)
    sys.argv = words if not (options.m or options.c) else [options.m or "-c"] + words
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        if options.m:
            runpy.run_module(options.m, run_name="__main__", alter_sys=True)
        elif options.c:
            exec(compile(options.c, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.setprofile(None)
        with open(options.o, "w") as stream:
            json.dump({"traceEvents": EVENTS, "viztracer_metadata": {"version": "0"}}, stream)


main()
