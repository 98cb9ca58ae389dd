# SPDX-License-Identifier: MIT
"""One thread does something that keeps the GIL, another wants it for exactly that time.

    culprits.py hold|release|regex|json|sort|collect|import [collecting]

"collecting": the garbage collector runs in between, as it does in most programs.

The handshake is that of holder.py: the wanting thread blocks in os.read, without the GIL; the
culprit writes to the pipe through PyDLL, which keeps the GIL, and does its deed a few bytecodes
later. Prints, in nanoseconds, how long the reader took in all from each write until it was back
in Python: the truth to compare with.
"""
import ctypes
import gc
import importlib.abc
import importlib.util
import json
import os
import re
import sys
import threading
import time

ROUNDS = 2
WRITTEN, BACK = [], []


def want(reader):
    read, clock = os.read, time.perf_counter
    for _ in range(ROUNDS):
        read(reader, 1)
        BACK.append(clock())


def hold():
    ctypes.PyDLL(None).usleep(250000)


def release():
    ctypes.CDLL(None).usleep(250000)


def regex(pattern=re.compile("(a+)+$"), text="a" * 22 + "b"):
    pattern.match(text)


def parse(text="[" + ",".join(['{"a": [1, 2, 3], "b": "c"}'] * 100000) + "]"):
    json.loads(text)


def sort(values=[number * 7919 % 1000003 for number in range(1000000)]):
    sorted(values)


def collect(heap=[]):
    gc.collect()


def load():
    __import__("gt_large_module_%d" % len(WRITTEN))


class FromMemory(importlib.abc.SourceLoader, importlib.abc.MetaPathFinder):
    """Large modules that need no file: reading one would release the GIL."""
    SOURCE = "".join("def f%d(a, b=%d):\n    return a + b * %d\n" % (line, line, line)
                     for line in range(6000)).encode()

    def find_spec(self, name, path=None, target=None):
        if name.startswith("gt_large_module"):
            return importlib.util.spec_from_loader(name, self)
        return None

    def get_filename(self, fullname):
        return fullname + ".py"

    def get_data(self, path):
        return self.SOURCE


def wait_for_reader(rounds):
    """Until it has come back that often, and sleeps in os.read again."""
    (tid,) = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    asleep = False
    while len(BACK) < rounds or not asleep:
        time.sleep(0.005)
        with open("/proc/self/task/%s/stat" % tid) as stream:
            asleep = ") S " in stream.read()


def main(name, collecting=False):
    deeds = {"hold": hold, "release": release, "regex": regex, "json": parse, "sort": sort,
             "collect": collect, "import": load}
    deed = deeds[name]
    sys.meta_path.insert(0, FromMemory())
    if name == "collect":
        collect.__defaults__[0].extend([[number] for number in range(2000000)])
    if not collecting:
        gc.disable()
    write = ctypes.PyDLL(None).write
    write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    ctypes.CDLL(None).usleep(1)
    reader, writer = os.pipe()
    wanter = threading.Thread(target=want, args=(reader,), name="wanter")
    wanter.start()
    clock = time.perf_counter
    for done in range(ROUNDS):
        wait_for_reader(done)
        WRITTEN.append(clock())
        write(writer, b"x", 1)
        deed()
    wanter.join()
    print(int(sum(back - written for written, back in zip(WRITTEN, BACK)) * 1e9))


main(*sys.argv[1:])
