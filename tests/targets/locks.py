# SPDX-License-Identifier: MIT
"""Threads that wait for locks in known ways; what each does is known by construction.

    locks.py held        one threading.Lock, held 20 ms at a time by 4 threads, 10 times each
    locks.py rlock       the same with an RLock, entered twice
    locks.py condition   3 threads wait for news; a notifier goes on holding the lock for 100 ms
    locks.py queue       a consumer waits for items: news, no lock
    locks.py join        the main thread joins a thread that sleeps: news, no lock
    locks.py event       a thread waits for an event: news, no lock
    locks.py idle        pools, queues, timers and a log's listener that mostly have nothing to do
    locks.py timeout     a thread gives a lock up after 50 ms, four times
    locks.py reused      locks of one address, one after the other
    locks.py own         4 threads with a lock of their own each

Prints as JSON what the threads measured themselves: how long each waited, in ns.
"""
import concurrent.futures
import json
import logging.handlers
import queue
import sys
import threading
import time

waited = {}
HOLD = 0.02


def timed(acquire):
    start = time.monotonic_ns()
    acquire()
    name = threading.current_thread().name
    waited[name] = waited.get(name, 0) + time.monotonic_ns() - start


def keep_it(lock, twice):
    for _ in range(10):
        timed(lock.acquire)
        if twice:
            lock.acquire()
        time.sleep(HOLD)
        if twice:
            lock.release()
        lock.release()


def run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def named(count, target, *args):
    return [threading.Thread(target=target, args=args, name=f"worker-{i}") for i in range(count)]


def held():
    run(named(4, keep_it, threading.Lock(), False))


def rlock():
    run(named(4, keep_it, threading.RLock(), True))


def wait_for_news(condition, state):
    with condition:
        while not state:
            condition.wait()


def notify(condition, state):
    time.sleep(0.1)
    with condition:
        state.append(1)
        condition.notify_all()
        time.sleep(0.1)


def condition():
    state, news = [], threading.Condition()
    run(named(3, wait_for_news, news, state)
        + [threading.Thread(target=notify, args=(news, state), name="notifier")])


def take_items(items):
    while items.get() is not None:
        pass


def put_items(items):
    for _ in range(10):
        time.sleep(HOLD)
        items.put(1)
    items.put(None)


def of_queue():
    items = queue.Queue()
    run(named(1, take_items, items) + [threading.Thread(target=put_items, args=(items,))])


def join():
    run(named(1, time.sleep, 0.3))


def event():
    one = threading.Event()
    run(named(1, one.wait) + [threading.Thread(target=lambda: (time.sleep(0.3), one.set()))])


def use_pool():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(sum, [range(20000)] * 8))
            time.sleep(0.1)


def use_simple_queue():
    items = queue.SimpleQueue()
    threads = named(3, take_items, items)
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(0.1)
        for _ in range(6):
            items.put(1)
    for _ in threads:
        items.put(None)
    for thread in threads:
        thread.join()


def use_timers(left=4):
    if left:
        timer = threading.Timer(0.1, use_timers, (left - 1,))
        timer.start()
        timer.join()


def use_listener():
    records = queue.Queue()
    listener = logging.handlers.QueueListener(records)
    listener.start()
    for _ in range(4):
        time.sleep(0.1)
        records.put(logging.makeLogRecord({}))
    listener.stop()


def idle():
    uses = [use_pool, use_timers, use_listener]
    uses += [use_simple_queue] if hasattr(queue, "SimpleQueue") else []
    run([threading.Thread(target=use) for use in uses])


def give_up(lock):
    for _ in range(4):
        timed(lambda: lock.acquire(timeout=0.05))


def timeout():
    lock = threading.Lock()
    with lock:
        run(named(1, give_up, lock))


def reused():
    for _ in range(5):
        lock = threading.Lock()
        lock.acquire()
        thread = threading.Thread(target=timed, args=(lock.acquire,), name="worker-0")
        thread.start()
        time.sleep(HOLD)
        lock.release()
        thread.join()
        lock.release()
        del lock, thread


def use_own():
    lock = threading.Lock()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        with lock:
            pass


def own():
    run(named(4, use_own))


if __name__ == "__main__":
    {"held": held, "rlock": rlock, "condition": condition, "queue": of_queue, "join": join,
     "idle": idle, "event": event, "timeout": timeout, "reused": reused, "own": own}[sys.argv[1]]()
    print(json.dumps(waited))
