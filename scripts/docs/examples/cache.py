# SPDX-License-Identifier: MIT
"""Four threads share a cache whose lock is held while it loads: none of them waits for the GIL."""
import threading
import time


class Cache:
    def __init__(self):
        self.lock = threading.Lock()
        self.kept = {}

    def put(self, name):
        with self.lock:
            self.kept[name] = self.load(name)

    def load(self, name):
        time.sleep(0.02)
        return len(name)


def work(cache, number):
    for step in range(5):
        cache.put("%d-%d" % (number, step))


shared = Cache()
threads = [threading.Thread(target=work, args=(shared, i), name="worker-%d" % i) for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
