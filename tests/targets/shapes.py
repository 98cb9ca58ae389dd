# SPDX-License-Identifier: MIT
"""More pairs (see pairs.py): programs by the shape of what their threads wait for.

    shapes.py FOLDER NAME hold|release

FOLDER holds the module `holding`, made of holding.c (harness.build_holding). Its functions sleep
or compute, with the GIL or without it: what differs is that alone. Most sleep, so that the truth
does not depend on what else the machine does. Prints the nanoseconds that it took,
start-up left out.
"""
import asyncio
import collections
import concurrent.futures
import datetime
import itertools
import logging
import os
import queue
import sys
import threading
import time

sys.path.insert(0, sys.argv[1])
os.environ["HOLDING"] = sys.argv[3]
from holding import Matrix, apply, burn, nap  # noqa: E402


def in_threads(*bodies):
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- by the clock ---

def deadline():
    """As much as can be done until a time."""
    def work():
        end = time.monotonic() + 1
        while time.monotonic() < end:
            nap(20)
    in_threads(work, work)


def deadline_beside():
    """The same beside work of a known amount, which is over before."""
    def by_the_clock():
        end = time.time() + 1.2
        while time.time() < end:
            nap(15)

    def by_the_piece():
        for _ in range(15):
            nap(30)
    in_threads(by_the_clock, by_the_piece)


def deadline_outlasted():
    """Beside more work than until that time: what counts is the work."""
    def by_the_clock():
        end = time.time() + 0.3
        while time.time() < end:
            nap(15)

    def by_the_piece():
        for _ in range(30):
            nap(30)
    in_threads(by_the_clock, by_the_piece)


def elapsed():
    """Since it began, in a helper of its own."""
    def since(began):
        return time.perf_counter() - began

    def work():
        began = time.perf_counter()
        while True:
            if since(began) > 1:
                break
            nap(20)
    in_threads(work, work)


def schedule():
    """Begins every 60 ms, and sleeps for what is left."""
    def work():
        due = time.monotonic()
        for _ in range(18):
            nap(20)
            due += 0.06
            time.sleep(max(0, due - time.monotonic()))
    in_threads(work, work)


def schedule_late():
    """With the GIL kept, too late each time; else not."""
    def work():
        due = time.monotonic()
        for _ in range(12):
            nap(45)
            due += 0.06
            time.sleep(max(0, due - time.monotonic()))
    in_threads(work, work)


def event_schedule():
    """The same by an event that nobody sets."""
    stop = threading.Event()

    def work():
        due = time.monotonic()
        for _ in range(18):
            nap(20)
            due += 0.06
            stop.wait(due - time.monotonic())
    in_threads(work, work)


def rated():
    """One job every 50 ms, whoever does it."""
    lock, due = threading.Lock(), [time.monotonic()]

    def admit():
        with lock:
            due[0] += 0.05
            left = due[0] - time.monotonic()
        if left > 0:
            time.sleep(left)

    def job(_):
        admit()
        nap(30)
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        list(executor.map(job, range(20)))


def loop_schedule():
    """asyncio's timers, at times."""
    async def tick(loop):
        due = loop.time()
        for _ in range(16):
            nap(20)
            due += 0.06
            await asyncio.sleep(due - loop.time())

    async def both():
        loop = asyncio.get_running_loop()
        executed = loop.run_in_executor(None, lambda: [nap(25) for _ in range(15)])
        await tick(loop)
        await executed
    asyncio.run(both())


def periodic():
    """Sleeps that are as long, whatever was before: no clock."""
    def work():
        for _ in range(15):
            nap(30)
            time.sleep(0.03)
    in_threads(work, work)


def timed():
    """A known amount of work, with a look at the clock before and after each piece."""
    def work():
        took = []
        for _ in range(15):
            began = time.perf_counter()
            nap(30)
            took.append(time.perf_counter() - began)
    in_threads(work, work)


def timed_jobs():
    """The same in a pool's jobs."""
    def job(ms):
        began = time.perf_counter()
        nap(ms)
        return time.perf_counter() - began
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        list(executor.map(job, [25, 40, 15, 30] * 6))


def logged():
    """Says what it does as it does it."""
    logging.basicConfig(stream=open(os.devnull, "w"), level=logging.INFO)
    log = logging.getLogger("shapes")

    def work():
        for number in range(20):
            nap(25)
            log.info("did %d", number)
    in_threads(work, work)


def polled():
    """A flag that another thread sets after a second."""
    stop = []

    def work():
        while not stop:
            nap(20)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    stop.append(True)
    for thread in threads:
        thread.join()


def measured():
    """Until a time, and how long each piece took."""
    def work():
        took, end = [], time.time() + 1
        while time.time() < end:
            began = time.time()
            nap(20)
            took.append(time.time() - began)
    in_threads(work, work)


def at_least_once():
    """Looks after each piece only."""
    def work():
        end = time.perf_counter() + 1
        while True:
            nap(20)
            if time.perf_counter() > end:
                return
    in_threads(work, work)


def stepwise():
    """In a function that is called for each piece, and says whether there is time for more."""
    def step(end):
        if time.monotonic() > end:
            return False
        nap(20)
        return True

    def work():
        end = time.monotonic() + 1
        while step(end):
            pass
    in_threads(work, work)


def left():
    """What is left of a timeout, by the date."""
    def work():
        end = datetime.datetime.now() + datetime.timedelta(seconds=1)
        while (end - datetime.datetime.now()).total_seconds() > 0:
            nap(20)
    in_threads(work, work)


def pool_deadline():
    """A pool's jobs work until a time."""
    def job(_):
        end, done = time.monotonic() + 0.5, 0
        while time.monotonic() < end:
            nap(15)
            done += 1
        return done
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        list(executor.map(job, range(4)))


def loop_deadline():
    """Coroutines hand work to threads until a time."""
    async def one():
        loop = asyncio.get_running_loop()
        end = loop.time() + 1
        while loop.time() < end:
            await loop.run_in_executor(None, nap, 20)

    async def both():
        await asyncio.gather(one(), one())
    asyncio.run(both())


def rated_hard():
    """One job every 50 ms, which is hardly more than they take with the GIL kept."""
    lock, due = threading.Lock(), [time.monotonic()]

    def job(_):
        with lock:
            now = time.monotonic()
            due[0] = max(due[0], now - 0.05) + 0.05
            left = due[0] - now
        time.sleep(max(0, left))
        nap(45)
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        list(executor.map(job, range(20)))


def ticker():
    """A schedule beside work that keeps the GIL for longer than its period."""
    done = []

    def tick():
        due = time.monotonic()
        while not done:
            due += 0.02
            left = due - time.monotonic()
            if left > 0:
                time.sleep(left)
            nap(2)

    def work():
        for _ in range(20):
            nap(35)
        done.append(True)
    in_threads(tick, work)


# --- jobs that any thread would have taken ---

JOBS = [30, 10, 25, 40, 15, 30, 20, 35] * 4


def deque():
    jobs = collections.deque(JOBS)

    def work():
        while True:
            try:
                ms = jobs.popleft()
            except IndexError:
                return
            nap(ms)
    in_threads(work, work, work)


def popped():
    jobs = list(JOBS)

    def work():
        while jobs:
            nap(jobs.pop())
    in_threads(work, work)


def indexed():
    lock, at = threading.Lock(), [0]

    def work():
        while True:
            with lock:
                index = at[0]
                at[0] += 1
            if index >= len(JOBS):
                return
            nap(JOBS[index])
    in_threads(work, work, work)


def iterated():
    jobs = iter(JOBS)

    def work():
        for ms in jobs:
            nap(ms)
    in_threads(work, work)


def numbered():
    numbers = itertools.count()

    def work():
        while True:
            index = next(numbers)
            if index >= len(JOBS):
                return
            nap(JOBS[index])
    in_threads(work, work)


def batches():
    """A few at a time out of a queue."""
    jobs = queue.Queue()
    for ms in JOBS * 2:
        jobs.put(ms / 2)

    def work():
        while True:
            batch = []
            try:
                while len(batch) < 4:
                    batch.append(jobs.get_nowait())
            except queue.Empty:
                pass
            if not batch:
                return
            for ms in batch:
                nap(ms)
    in_threads(work, work)


def emptied():
    """One at a time, until it is empty."""
    jobs = queue.Queue()
    for ms in JOBS:
        jobs.put(ms)

    def work():
        while True:
            try:
                ms = jobs.get_nowait()
            except queue.Empty:
                return
            nap(ms)
    in_threads(work, work, work)


def lopsided():
    """One of them does something else before; jobs go to who is free."""
    jobs = collections.deque([20] * 40)

    def work(before):
        if before:
            time.sleep(before)
        while True:
            try:
                ms = jobs.popleft()
            except IndexError:
                return
            nap(ms)
    in_threads(lambda: work(0), lambda: work(0.3))


def main_too():
    """The main thread takes some as well."""
    jobs = collections.deque(JOBS)

    def work():
        while True:
            try:
                ms = jobs.popleft()
            except IndexError:
                return
            nap(ms)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()


def simple_batches():
    """Batches out of the other queue."""
    jobs = queue.SimpleQueue()
    for ms in JOBS * 2:
        jobs.put(ms / 2)

    def work():
        while True:
            batch = []
            try:
                while len(batch) < 4:
                    batch.append(jobs.get_nowait())
            except queue.Empty:
                if not batch:
                    return
            for ms in batch:
                nap(ms)
    in_threads(work, work, work)


def unlocked():
    """An index that is shared without a lock, from the end of a list."""
    left = list(JOBS)

    def take():
        return left.pop(0) if left else None

    def work():
        while True:
            ms = take()
            if ms is None:
                return
            nap(ms)
    in_threads(work, work)


def phases():
    """Jobs of two kinds, one after the other."""
    first, second = collections.deque(JOBS[:16]), collections.deque(JOBS[16:])

    def work():
        for jobs in first, second:
            while True:
                try:
                    ms = jobs.popleft()
                except IndexError:
                    break
                nap(ms)
    in_threads(work, work)


def inline():
    """Jobs of a few calls each."""
    jobs = collections.deque(JOBS)

    def work():
        while True:
            try:
                ms = jobs.popleft()
            except IndexError:
                return
            nap(ms / 3)
            time.sleep(0.002)
            nap(ms / 3)
    in_threads(work, work, work)


def divided():
    """Everybody has jobs of his own: one has more of them."""
    def work(jobs):
        for ms in jobs:
            nap(ms)
    in_threads(lambda: work([20] * 10), lambda: work([20] * 20), lambda: work([20] * 30))


# --- bounded queues ---

def full():
    """Who fills it could be done long before, if it held more."""
    jobs = queue.Queue(1)

    def fill():
        for _ in range(15):
            nap(15)
            jobs.put(True)
        jobs.put(False)
        for _ in range(15):
            nap(20)

    def empty():
        while jobs.get():
            nap(35)
    in_threads(fill, empty)


def full_pool():
    """The same with two who empty it."""
    jobs = queue.Queue(2)

    def fill():
        for _ in range(24):
            nap(8)
            jobs.put(True)
        for _ in range(2):
            jobs.put(False)
        for _ in range(10):
            nap(20)

    def empty():
        while jobs.get():
            nap(40)
    in_threads(fill, empty, empty)


def full_later():
    """With the GIL kept by others it never is full."""
    jobs = queue.Queue(2)

    def fill():
        for _ in range(20):
            nap(8)
            jobs.put(True)
        jobs.put(False)
        for _ in range(15):
            nap(20)

    def empty():
        while jobs.get():
            time.sleep(0.02)

    def beside():
        for _ in range(15):
            nap(30)
    in_threads(fill, empty, beside)


# --- pools ---

def pool_of(ms, count, workers=3):
    def job(_):
        nap(ms)
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        list(executor.map(job, range(count)))


def pool_fifth():
    pool_of(0.2, 2000)


def pool_two():
    pool_of(2, 400)


def pool_ten():
    pool_of(10, 90)


def pool_fifty():
    pool_of(50, 20)


# --- the rest ---

def locked():
    """A lock of their own round half of it."""
    lock = threading.Lock()

    def work():
        for _ in range(12):
            with lock:
                nap(25)
            nap(25)
    in_threads(work, work)


def all_locked():
    """Round all of it: nothing is gained."""
    lock = threading.Lock()

    def work():
        for _ in range(15):
            with lock:
                nap(30)
    in_threads(work, work)


def background():
    """A daemon works along, for as long as the program does."""
    def work():
        while True:
            nap(20)
    threading.Thread(target=work, daemon=True).start()
    for _ in range(20):
        nap(30)


def callbacks():
    """C that calls Python that calls C."""
    def called():
        nap(10)

    def work():
        apply(called, 20, 10)
    in_threads(work, work)


def coroutines():
    """Work that a loop hands to threads, piece by piece."""
    async def one(ms):
        for _ in range(6):
            await asyncio.get_running_loop().run_in_executor(None, nap, ms)

    async def together():
        await asyncio.gather(one(40), one(30), one(20))
    asyncio.run(together())


def uneven_coroutines():
    """The same, with pieces that are not alike."""
    async def one(ms, count):
        for _ in range(count):
            await asyncio.get_running_loop().run_in_executor(None, nap, ms)

    async def together():
        await asyncio.gather(one(60, 4), one(10, 24), one(20, 8))
    asyncio.run(together())


def multiplied():
    """An operation, of which no call is seen."""
    def work():
        matrix = Matrix(12)
        for _ in range(40):
            matrix = matrix @ matrix
    in_threads(work, work)


def stepped():
    """An iterator of C's."""
    def work():
        for _ in Matrix(9, 50):
            pass
    in_threads(work, work)


def children():
    """The same function in two processes, in each of which threads wait for it."""
    def work():
        for _ in range(15):
            nap(25)
    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            in_threads(work, work)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def burners():
    """On a CPU."""
    def work():
        for _ in range(10):
            burn(40)
    in_threads(work, work)


SHAPES = {function.__name__: function for function in (
    deadline, deadline_beside, deadline_outlasted, elapsed, measured, at_least_once, stepwise,
    left,
    pool_deadline, loop_deadline, schedule, schedule_late, event_schedule, rated, rated_hard,
    loop_schedule, ticker, periodic, timed, timed_jobs, logged, polled, deque, popped, indexed,
    iterated, numbered, batches, simple_batches, emptied, lopsided, main_too, unlocked, phases,
    inline, divided, full, full_pool, full_later, pool_fifth, pool_two, pool_ten, pool_fifty,
    locked, all_locked, background, callbacks, coroutines,
    uneven_coroutines, multiplied, stepped, children,
    burners)}

if __name__ == "__main__":
    began = time.perf_counter()
    SHAPES[sys.argv[2]]()
    print(int((time.perf_counter() - began) * 1e9))
