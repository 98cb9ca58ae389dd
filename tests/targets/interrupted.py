# SPDX-License-Identifier: MIT
"""Runs until interrupted; Python's own SIGINT handling: traceback, death by the signal."""
import threading
import time


def background():
    while True:
        sum(range(1000))


threading.Thread(target=background, daemon=True).start()
print("ready", flush=True)
time.sleep(30)
