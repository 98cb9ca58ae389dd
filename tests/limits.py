# SPDX-License-Identifier: MIT
"""No test goes on for ever: one that does fails, names the processes that it had, and ends them. Nor
does what a test started: what still runs after the last test of a file is named, and ended.

Each step as a whole has a limit, too (scripts/test).
"""
import contextlib
import os
import signal
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
    limit = LONG_S if item.get_closest_marker("long") else seconds

    def ended(*_):
        doing = processes.end(ours())  # first: their pipes are waited for
        pytest.fail(SAYS % (limit, "; ".join(doing) or "no process"))
    before = signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, limit, AGAIN_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


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
