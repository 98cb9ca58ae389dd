# SPDX-License-Identifier: MIT
"""One thread sleeps 5 × 100 ms in C, another wants the GIL for exactly that time.

    holder.py hold      through ctypes.PyDLL, which keeps the GIL: the other waits 500 ms
    holder.py release   through ctypes.CDLL, which releases it: the other waits next to nothing

The handshake: the wanting thread blocks in os.read (GIL released). The sleeping thread writes
to the pipe through PyDLL, *without* giving up the GIL, and goes to sleep a few bytecodes later:
the reader wakes up and wants the GIL from then until the sleep is over. Between rounds the
sleeping thread waits until the other is back in os.read.

Prints the two thread ids (0 where Python is too old to tell) and, in nanoseconds, how long the
reader took in all from each write until it was back in Python: the truth to compare with, which
on a busy machine is more than 500 ms.

    <sleeper> <wanter> <truth>
"""
import ctypes
import os
import sys
import threading
import time

ROUNDS = 5
SLEEP_US = 100000
IDS = {}


def native_id():
    return getattr(threading, "get_native_id", lambda: 0)()


WRITTEN, BACK = [], []


def want(reader):
    IDS["wanter"] = native_id()
    read, clock = os.read, time.perf_counter
    for _ in range(ROUNDS):
        read(reader, 1)
        BACK.append(clock())


def wait_for_reader(rounds):
    """Until it has come back that often, and sleeps in os.read again."""
    (tid,) = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    asleep = False
    while len(BACK) < rounds or not asleep:
        time.sleep(0.005)
        with open("/proc/self/task/%s/stat" % tid) as stream:
            asleep = ") S " in stream.read()


def main(mode):
    keeping = ctypes.PyDLL(None)
    sleeping = keeping if mode == "hold" else ctypes.CDLL(None)
    write, usleep = keeping.write, sleeping.usleep
    write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    usleep.argtypes = [ctypes.c_uint]
    IDS["sleeper"] = native_id()
    reader, writer = os.pipe()
    wanter = threading.Thread(target=want, args=(reader,), name="wanter")
    wanter.start()
    clock = time.perf_counter
    for done in range(ROUNDS):
        wait_for_reader(done)
        WRITTEN.append(clock())
        write(writer, b"x", 1)
        usleep(SLEEP_US)
    wanter.join()
    truth = sum(back - written for written, back in zip(WRITTEN, BACK))
    print(IDS["sleeper"], IDS["wanter"], int(truth * 1e9))


main(sys.argv[1] if len(sys.argv) > 1 else "hold")
