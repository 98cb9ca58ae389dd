# SPDX-License-Identifier: MIT
"""Work by several threads, in two variants that differ in one thing: who keeps the GIL.

    pairs.py NAME hold|release

`hold` calls functions of C through PyDLL, which keeps the GIL, `release` the same ones through
CDLL. Of the pairs whose name begins with "python", `hold` is threads that compute in Python and
`release` is processes that do. Prints the nanoseconds that it took, start-up left out.
"""
import asyncio
import concurrent.futures
import ctypes
import multiprocessing.pool
import os
import queue
import socket
import sys
import threading
import time

HOLD = sys.argv[2] == "hold"
LOAD = ctypes.PyDLL if HOLD else ctypes.CDLL
LIBC, LIBCRYPT = LOAD(None), LOAD("libcrypt.so.1")


def sleep(ms):
    LIBC.usleep(ms * 1000)


def burn(ms):
    """About that many milliseconds of a CPU."""
    LIBCRYPT.crypt_r(b"secret", b"$6$rounds=%d$salt" % (ms * 5000), ctypes.create_string_buffer(1 << 16))


def compute(ms):
    """In Python."""
    total = 0
    for _ in range(ms):
        for number in range(35000):
            total += number * number
    return total


def run(*threads):
    """Each of them a list of functions with their arguments."""
    def body(steps):
        for function, *arguments in steps:
            function(*arguments)
    started = [threading.Thread(target=body, args=(steps,)) for steps in threads]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def sleepers():
    run(*[[(sleep, 70)] * 4 for _ in range(4)])


def burners():
    run(*[[(burn, 40)] * 8 for _ in range(2)])


def crowd():
    run(*[[(burn, 40)] * 5 for _ in range(5)])


def unbalanced():
    run([(burn, 40)] * 2, [(burn, 40)] * 4, [(burn, 45)] * 9)


def beside():
    """One calls, one computes in Python."""
    run([(burn, 40), (compute, 5)] * 7, [(compute, 350)])


def naps():
    """The same, asleep."""
    run([(sleep, 30), (compute, 3)] * 12, [(compute, 350)])


def main_too():
    """The main thread works before it joins; threads end in another order than it joins them."""
    threads = [threading.Thread(target=run, args=([(burn, 40)] * count,)) for count in (2, 6)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        burn(40)
    for thread in threads:
        thread.join()
    compute(30)


def feeder():
    """Jobs come one by one out of what one thread computes; two others do them."""
    jobs = queue.Queue()

    def work():
        while jobs.get():
            burn(45)
            compute(2)
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(14):
        compute(12)
        jobs.put(True)
    for worker in workers:
        jobs.put(False)
    for worker in workers:
        worker.join()


def bounded():
    """A queue that holds two: who fills it must wait for who empties it."""
    jobs = queue.Queue(2)

    def work():
        while jobs.get():
            sleep(60)
    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(10):
        burn(30)
        jobs.put(True)
    jobs.put(False)
    worker.join()


def pool():
    """More jobs than workers, of different sizes."""
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        list(executor.map(burn, [20, 45, 30, 45, 25, 40, 45, 20, 45, 35, 45, 30]))


def sleeping_pool():
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        list(executor.map(sleep, [40, 90, 60, 30, 80, 50, 70, 90, 40, 60]))


def stages():
    """One thread's output is the next one's input; both run the same function."""
    first, second = queue.Queue(), queue.SimpleQueue()

    def stage(source, drain, ms):
        while True:
            job = source.get()
            if job:
                burn(ms)
            if drain:
                drain.put(job)
            if not job:
                return
    threads = [threading.Thread(target=stage, args=arguments)
               for arguments in ((first, second, 25), (second, None, 45))]
    for thread in threads:
        thread.start()
    for job in [True] * 12 + [False]:
        first.put(job)
    for thread in threads:
        thread.join()


def locked():
    """A lock of their own keeps them apart: releasing the GIL helps but a little."""
    lock = threading.Lock()

    def critical():
        with lock:
            burn(40)
    run(*[[(critical,), (compute, 10)] * 6 for _ in range(2)])


def barrier():
    """Round by round, each as long as its longest part."""
    gate = threading.Barrier(2)
    run([(burn, 45), (gate.wait,), (burn, 20), (gate.wait,)] * 5,
        [(burn, 20), (gate.wait,), (burn, 45), (gate.wait,)] * 5)


def signalled():
    """One thread waits for what another one tells it."""
    ready = [threading.Event() for _ in range(8)]

    def tell():
        for event in ready:
            burn(40)
            event.set()

    def hear():
        for event in ready:
            event.wait()
            burn(40)
    run([(tell,)], [(hear,)])


def late():
    """Here who listens is slower: all has long been said when he asks."""
    ready = [threading.Event() for _ in range(8)]

    def tell():
        for event in ready:
            burn(25)
            event.set()

    def hear():
        for event in ready:
            event.wait()
            burn(50)
    run([(tell,)], [(hear,)])


def counted():
    """Four want to, two may at a time."""
    gate = threading.Semaphore(2)

    def work():
        with gate:
            sleep(50)
        compute(3)
    run(*[[(work,)] * 3 for _ in range(4)])


def rounds():
    """A pool is filled again when all its jobs are done."""
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        for _ in range(5):
            list(executor.map(burn, [40, 30, 50]))
            compute(20)


def chained():
    """Jobs that wait for the results of others."""
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        def after(future, ms):
            future.result()
            burn(ms)
        first = executor.submit(burn, 60)
        second, third = (executor.submit(after, first, ms) for ms in (40, 80))
        for last in executor.submit(after, second, 60), executor.submit(after, third, 30):
            last.result()


def thread_pool():
    with multiprocessing.pool.ThreadPool(3) as pool:
        pool.map(burn, [20, 45, 30, 45, 25, 40, 45, 20, 45], chunksize=1)


def loop():
    """Coroutines that hand their work to threads, one piece after another."""
    async def one(ms):
        for _ in range(4):
            await asyncio.get_event_loop().run_in_executor(None, burn, ms)
            compute(5)

    async def all_of_them():
        await asyncio.gather(one(40), one(30), one(20))
    asyncio.run(all_of_them())


def ticking_loop():
    """The same loop has timers."""
    async def tick():
        for _ in range(20):
            await asyncio.sleep(0.015)
            compute(1)

    async def all_of_them():
        executed = [asyncio.get_event_loop().run_in_executor(None, burn, 200) for _ in range(2)]
        await asyncio.gather(tick(), *executed)
    asyncio.run(all_of_them())


def sockets():
    """What one computes is sent to the other, who computes on."""
    ours, theirs = socket.socketpair()

    def client():
        for _ in range(8):
            burn(25)
            ours.send(b"x")

    def server():
        for _ in range(8):
            theirs.recv(1)
            burn(40)
    run([(client,)], [(server,)])


def daemon():
    """Another thread computes as long as there is a program."""
    def spin():
        while True:
            compute(1)
    threading.Thread(target=spin, daemon=True).start()
    for _ in range(8):
        burn(40)


def python(*sizes):
    """In Python alone: threads, or processes."""
    if HOLD:
        return run(*[[(compute, size)] for size in sizes])
    for size in sizes:
        if os.fork() == 0:
            compute(size)
            os._exit(0)
    for _ in sizes:
        os.wait()


def python_pair():
    python(400, 400)


def python_crowd():
    python(150, 250, 200, 300, 100)


def python_lopsided():
    python(600, 150)


PAIRS = {function.__name__: function for function in (
    sleepers, burners, crowd, unbalanced, beside, naps, main_too, feeder, bounded, pool,
    sleeping_pool, stages, locked, barrier, signalled, late, counted, rounds, chained, thread_pool,
    loop, ticking_loop, sockets, daemon, python_pair, python_crowd, python_lopsided)}

if __name__ == "__main__":
    began = time.perf_counter()
    PAIRS[sys.argv[1]]()
    print(int((time.perf_counter() - began) * 1e9))
