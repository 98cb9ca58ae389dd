# SPDX-License-Identifier: MIT
"""Programs whose GIL behaviour is known, and which log what they really did.

    programs.py NAME --log FILE --ext FILE [--interval S] [--crowd] [--hole KIND] …

`NAME` is one of PROGRAMS. truthext (truthext.c, a stable-ABI object that --ext names) keeps the log.
Every program has a thread "beat" that sleeps and asks for the GIL in C, and notes how long it
waited. Programs with a culprit have a thread "keeper" that does one operation again and again.
"""
import argparse
import collections
import ctypes
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import queue
import re
import signal
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

WORK_S = 0.5  # of programs that work until a clock says so
ALIVE = []  # what would keep the GIL when it is freed


def load_ext(path):
    loader = importlib.machinery.ExtensionFileLoader("truthext", path)
    spec = importlib.util.spec_from_file_location("truthext", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def started(functions, name):
    threads = [threading.Thread(target=function, name=name if len(functions) == 1 else
                                "%s-%d" % (name, number)) for number, function in
               enumerate(functions)]
    for thread in threads:
        thread.start()
    return threads


def joined(threads):
    for thread in threads:
        thread.join()


# --- programs that give way ------------------------------------------------------------------

def spin_until(until):
    x, clock = 0, time.monotonic
    while clock() < until:
        for number in range(2000):
            x += number
    return x


def python():
    until = time.monotonic() + WORK_S
    joined(started([lambda: spin_until(until)] * 3, "worker"))


def job(us):
    x, until = 0, time.monotonic() + us / 1e6
    while time.monotonic() < until:
        x += 1
    return x


def pool():
    lengths = [200, 500, 1000, 2000, 5000]
    with ThreadPoolExecutor(4) as executor:
        for done in [executor.submit(job, lengths[number % 5]) for number in range(250)]:
            done.result()


def small_c_calls(until, numbers=list(range(60)), pattern=re.compile("a+b")):
    while time.monotonic() < until:
        for _ in range(50):
            sorted(numbers)
            pattern.match("aaaaab")
            json.loads("[1,2,3]")
            sum(numbers)


def smallc():
    until = time.monotonic() + WORK_S
    joined(started([lambda: small_c_calls(until)] * 2, "worker"))


def small_sums(until):
    while time.time() < until:
        sum(range(100))


def five():
    until = time.time() + WORK_S
    joined(started([lambda: small_sums(until)] * 5, "worker"))


def compress_and_hash(until, data=os.urandom(1 << 18) + bytes(1 << 18)):
    releases_too = hashlib.sha256.__module__ == "_hashlib"  # OpenSSL's; Python's own does not
    while time.monotonic() < until:
        zlib.compress(data, 6)
        if releases_too:
            hashlib.sha256(data).digest()
        time.sleep(0.001)


def releases():
    until = time.monotonic() + WORK_S
    joined(started([lambda: compress_and_hash(until), lambda: spin_until(until)], "worker"))


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def recurse(until):
    while time.monotonic() < until:
        fib(14)


def calls():
    until = time.monotonic() + WORK_S
    joined(started([lambda: recurse(until)] * 2, "worker"))


def progress(number):
    x = 0
    for step in range(20000):
        x += step
    return x


def native():
    ext.native(3, 40, 0, 8000, progress)


def produce(jobs, until):
    number = 0
    while time.monotonic() < until:
        jobs.put(number)
        number += 1
    jobs.put(None)


def consume(jobs, lock, results):
    for number in iter(jobs.get, None):
        x = 0
        for step in range(300):
            x += step
        with lock:
            results[number % 7] = x
    jobs.put(None)


def queues():
    jobs, lock, results = queue.Queue(50), threading.Lock(), {}
    until = time.monotonic() + WORK_S
    joined(started([lambda: produce(jobs, until)] + [lambda: consume(jobs, lock, results)] * 2,
                   "worker"))


# --- what keeps the GIL: one call of each is one deed ---------------------------------------

def regex(pattern=re.compile("(a+)+$"), text="a" * 22 + "b"):
    pattern.match(text)


def sort():
    values = [number * 7919 % 1000003 for number in range(600000)]
    ALIVE.append(values)
    yield
    while True:
        sorted(values)
        yield


def pydll():
    call = ctypes.PyDLL(arguments.ext).truth_burn
    yield
    while True:
        call(arguments.size or 150000)
        yield


def extension():
    ext.burn(150000)


def add_up():
    sum(range(9000000))


def loop():
    collections.deque(map(math.sqrt, range(3000000)), 0)


class FromMemory(importlib.abc.SourceLoader, importlib.abc.MetaPathFinder):
    """Large modules that need no file: reading one would release the GIL."""
    SOURCE = "".join("def f%d(a, b=%d):\n    return a + b * %d\n" % (line, line, line)
                     for line in range(8000)).encode()

    def find_spec(self, name, path=None, target=None):
        if name.startswith("gt_large_module"):
            return importlib.util.spec_from_loader(name, self)
        return None

    def get_filename(self, fullname):
        return fullname + ".py"

    def get_data(self, path):
        return self.SOURCE


def load():
    sys.meta_path.insert(0, FromMemory())
    yield
    for number in range(100):
        __import__("gt_large_module_%d" % number)
        yield


def collect():
    ALIVE.append([[number] for number in range(1200000)])
    yield
    while True:
        gc.collect()
        yield


def power(base=3, exponent=2000000):
    base ** exponent


def multiply():
    operand, size = ext.Operand(), arguments.size or 25000
    yield
    while True:
        operand @ size
        yield


def asleep():
    nap = ctypes.PyDLL(None).usleep
    yield
    while True:
        nap(150000)
        yield


def polling():
    poll = ctypes.PyDLL(None).poll
    yield
    while True:
        poll(None, 0, 150)
        yield


def mutex():
    ext.lock_mutex(150000)


def native_keeper():
    ext.native(1, 3, 150000, 10000, None)


def deadlock():
    """"first" has the mutex, and wants the GIL back; "second" has the GIL, and wants the mutex. A
    signal ends it."""
    signal.alarm(1)

    def second():
        time.sleep(0.05)
        ext.locked_call(list)
    first = threading.Thread(target=ext.locked_call, args=(lambda: time.sleep(0.15),), name="first")
    first.start()
    joined(started([second], "second") + [first])


# --- putting together -----------------------------------------------------------------------

def keep(deed, rounds, pause_s):
    begin, end, steps = ext.begin, ext.end, None
    if getattr(deed, "__code__").co_flags & 0x20:  # a generator: prepared up to its first yield
        steps = deed()
        next(steps)
        deed = steps.__next__
    for _ in range(rounds):
        begin()
        deed()
        end()
        if pause_s:
            time.sleep(pause_s)


def keeps(deed, rounds=3, pause_s=0.01):
    def run():
        joined(started([lambda: keep(deed, arguments.rounds or rounds, pause_s)], "keeper"))
    run.__name__ = deed.__name__
    return run


PROGRAMS = {
    "python": python, "pool": pool, "smallc": smallc, "five": five, "releases": releases,
    "calls": calls, "native": native, "queues": queues,
    "regex": keeps(regex, 2), "sort": keeps(sort), "pydll": keeps(pydll),
    "extension": keeps(extension), "sum": keeps(add_up), "loop": keeps(loop),
    "import": keeps(load), "collect": keeps(collect), "power": keeps(power, 3),
    "multiply": keeps(multiply, 16, 0), "small": keeps(pydll, 40, 0), "asleep": keeps(asleep),
    "deadlock": deadlock, "polling": keeps(polling), "mutex": keeps(mutex), "native-keeper": native_keeper,
}


def crowd_member():
    x = 0
    while not crowd_over.wait(0.02):
        for number in range(200):
            x += number


def make_hole(kind):
    """What ends a log early, or a process."""
    if kind == "setuid":
        os.setuid(65534)
    elif kind == "chroot":
        ctypes.CDLL("libgcc_s.so.1")  # glibc loads it when a thread ends
        os.chroot(os.path.join(os.path.dirname(arguments.log), "empty"))
        os.chdir("/")
    elif kind == "close":
        os.closerange(3, 4096)
    elif kind == "killed":
        pid = os.fork()
        if pid == 0:
            started([lambda: spin_until(time.monotonic() + 30)] * 2, "victim")
            ext.beat(3000)
        threading.Timer(0.25, lambda: (os.kill(pid, signal.SIGKILL), os.waitpid(pid, 0))).start()


def main():
    if arguments.interval:
        sys.setswitchinterval(arguments.interval)
    ext.open(arguments.log)
    gc.disable()  # what it keeps the GIL for is true, and nobody here would know
    if arguments.hole:
        make_hole(arguments.hole)
    beats = started([lambda: ext.beat(arguments.beat)], "beat")
    crowd = started([lambda: ext.beat(20000)] * 30 + [crowd_member] * 30, "crowd") \
        if arguments.crowd else []
    ext.began()
    PROGRAMS[arguments.name]()
    ext.ended()
    ext.stop()
    crowd_over.set()
    joined(beats + crowd)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PROGRAMS)
    parser.add_argument("--ext", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--interval", type=float)
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--hole")
    parser.add_argument("--rounds", type=int, help="operations of the keeper")
    parser.add_argument("--size", type=int, help="us of CPU time of one, where that can be chosen")
    parser.add_argument("--beat", type=int, default=3000, help="us between requests")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    crowd_over = threading.Event()
    ext = load_ext(arguments.ext)
    main()
