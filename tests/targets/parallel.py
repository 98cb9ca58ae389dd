# SPDX-License-Identifier: MIT
"""Threads that need no GIL, and what stops them all. Modes:

    calls N       4 threads that each call `step` N times, and share nothing
    same N        4 threads, started at once, that each call 200 functions of one module N times: the
                  first calls of each function are made by all threads at once
    own S         4 threads that compute in lists of their own for S seconds
    collect S     beside them, the main thread calls gc.collect() again and again for S seconds
    types S       the same with 50 assignments to the __class__ of an object, each of which stops all:
                  before each, all threads have run again, as one that has not yet woken from the
                  last pause does not have to stop for the next
    list S        4 threads extend and empty one list for S seconds
    dict S        the same with one dict
    read N        the main thread alone reads a file N times
    switch MODULE 2 threads compute, and after a while the main thread imports MODULE

The last line says how often that was done, and for how many nanoseconds, by the program's own clock.
"""
import gc
import importlib
import sys
import threading
import time

done = False
progress = [0] * 4  # when each of the threads of work_beside() ran last, by perf_counter_ns()


def step(number):
    return number * 3 % 7


def call(times):
    for number in range(times):
        step(number)


def call_all(functions, times, barrier):
    barrier.wait()
    for function in functions:
        for number in range(times):
            function(number)


def compute(index):
    mine = []
    while not done:
        mine.append(len(mine) * 3 % 7)
        if len(mine) >= 1000:
            mine.clear()
            progress[index] = time.perf_counter_ns()


def work_beside(seconds, work, count=4):
    """Call `work` for so many seconds beside threads that compute; how often, and its time."""
    global done
    threads = [threading.Thread(target=compute, args=(index,), name="worker-%d" % index)
               for index in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    end = time.perf_counter() + seconds
    calls = nanoseconds = 0
    while time.perf_counter() < end:
        before = time.perf_counter_ns()
        if work():
            calls += 1
            nanoseconds += time.perf_counter_ns() - before
        time.sleep(0.02)
    done = True
    for thread in threads:
        thread.join()
    return calls, nanoseconds


class One:
    pass


class Other:
    pass


def let_all_run():
    now = time.perf_counter_ns()
    while min(progress) <= now:
        time.sleep(0.0005)


def change():
    changed = One()
    for number in range(50):
        let_all_run()
        changed.__class__ = One if number % 2 else Other
    return True


def collect():
    gc.collect()
    return True


def fill_list(shared, more):
    while not done:
        shared.extend(more)
        del shared[:]


def fill_dict(shared, more):
    while not done:
        shared.update(more)
        shared.clear()


def read(times):
    for _ in range(times):
        with open(__file__, "rb") as file:
            file.read()


def share(seconds, fill, shared, more):
    threading.Timer(seconds, finish).start()
    run_all(fill, (shared, more))


def finish():
    global done
    done = True


def run_all(target, arguments):
    threads = [threading.Thread(target=target, args=arguments, name="worker-%d" % index)
               for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(mode, value):
    calls = nanoseconds = 0
    if mode == "calls":
        run_all(call, (int(value),))
    elif mode == "same":
        names = {}
        for number in range(200):
            exec("def function_%d(x): return x" % number, names)
        functions = [names["function_%d" % number] for number in range(200)]
        run_all(call_all, (functions, int(value), threading.Barrier(4)))
    elif mode == "switch":
        imported = []
        calls, nanoseconds = work_beside(
            0.5, lambda: imported or imported.append(importlib.import_module(value)), count=2)
    elif mode == "read":
        read(int(value))
    elif mode == "list":
        share(float(value), fill_list, [], [None] * 1000000)
    elif mode == "dict":
        share(float(value), fill_dict, {}, dict.fromkeys(range(100000)))
    else:
        heap = [[number] for number in range(300000)] if mode == "collect" else []
        works = {"own": lambda: False, "collect": collect, "types": change}
        calls, nanoseconds = work_beside(float(value), works[mode])
        del heap
    print(calls, nanoseconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
