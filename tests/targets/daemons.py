# SPDX-License-Identifier: MIT
"""Ends while daemon threads want the GIL: some enter the take and never return from it."""
import threading
import time


def spin():
    while True:
        sum(range(100))


for _ in range(8):
    threading.Thread(target=spin, daemon=True).start()
time.sleep(0.2)
