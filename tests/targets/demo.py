# SPDX-License-Identifier: MIT
"""A small service as they are written every day, for a first look at a report.

A parser thread that loads JSON in one C call after another, a checker whose regular expressions
keep the GIL, a hasher that releases it, a poller that only wants to wake up every few
milliseconds, and the main thread that joins them. Who delays the poller?
"""
import hashlib
import json
import re
import threading
import time

SECONDS = 1.5


def parser(deadline):
    document = json.dumps([{"id": i, "name": "user-%d" % i, "tags": ["a", "b"]}
                           for i in range(20000)])
    while time.monotonic() < deadline:
        json.loads(document)


def checker(deadline):
    pattern = re.compile(r"(x+x+)+y")
    while time.monotonic() < deadline:
        pattern.match("x" * 16)


def hasher(deadline):
    block = b"giltracer" * 200000
    while time.monotonic() < deadline:
        hashlib.sha256(block).hexdigest()


def poller(deadline):
    while time.monotonic() < deadline:
        time.sleep(0.005)


def main():
    deadline = time.monotonic() + SECONDS
    threads = [threading.Thread(target=job, args=(deadline,), name=job.__name__)
               for job in (parser, checker, hasher, poller)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
