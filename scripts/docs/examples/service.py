# SPDX-License-Identifier: MIT
"""A small service: one thread searches logs, one reads orders, one makes checksums, and one answers
requests. Who delays the answers, and in which function?"""
import hashlib
import json
import re
import threading
import time

LOG = "2026-11-29 12:00:00 worker-3 GET /orders/17 200\n" * 7000
ORDERS = json.dumps([{"id": 17, "name": "user-3", "price": 9.5}] * 16000)
BLOCK = b"giltracer" * 200000


def search():
    failed = re.compile(r"(\S+) (\S+) (\S+) 5\d\d")
    for _ in range(13):
        failed.findall(LOG)


def read():
    for _ in range(20):
        json.loads(ORDERS)


def check():
    for _ in range(12):
        hashlib.sha256(BLOCK).hexdigest()


def answer():
    for _ in range(10):
        time.sleep(0.002)


threads = [threading.Thread(target=job, name=job.__name__) for job in (search, read, check, answer)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
