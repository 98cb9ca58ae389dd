# SPDX-License-Identifier: MIT
"""No test goes on for ever: one that does fails, names the processes that it had, and ends them. Nor
does what a test started: what still runs after the last test of a file is named, and ended.

Each step as a whole has a limit, too (scripts/test).
"""
import contextlib
import os
import threading
import time
import uuid

import pytest

import processes

LIMIT_S = 300
FIXTURES_S = 900  # which may build an interpreter
LONG_S = 3600  # for those marked `long`
AGAIN_S = 30  # where it waits for something else then
SAYS = "still running after %d s, with: %s"
MARK = "GT_TEST_SESSION=" + uuid.uuid4().hex

os.environ.update([MARK.split("=")])


def ours():
    return {*processes.descendants(os.getpid()), *processes.marked(MARK.encode())}


def end_what_is_left():
    """What did not end by itself within a second, if it was asked to."""
    left, began = [], time.monotonic()
    while ours() and time.monotonic() < began + 1:
        time.sleep(0.02)
    while ours() and time.monotonic() < began + 20:  # some may be about to start others
        left += processes.end(ours())
        time.sleep(0.02)
    return left


@contextlib.contextmanager
def limited(item, seconds):
    """By a thread: a test of pytest-xdist may run in any. Whoever waits for a process that was ended
    goes on then, and fails."""
    limit = LONG_S if item.get_closest_marker("long") else seconds
    over, ended = threading.Event(), []

    def watch():
        left = limit
        while not over.wait(left):
            ended.append("; ".join(processes.end(ours())) or "no process")
            left = AGAIN_S
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield
    over.set()
    watcher.join()
    if ended:
        pytest.fail(SAYS % (limit, ended[0]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with limited(item, FIXTURES_S):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with limited(item, LIMIT_S):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item, nextitem):
    with limited(item, FIXTURES_S):
        yield
    if not nextitem or nextitem.path != item.path:
        left = end_what_is_left()
        if left:
            item.warn(pytest.PytestWarning("left behind: " + "; ".join(left)))


def took_too_long(report):
    """Which is no matter of how the machine's time is shared."""
    return SAYS.split("%", maxsplit=1)[0] in report.longreprtext
