# SPDX-License-Identifier: MIT
"""No test goes on for ever: one that does fails, names the processes that it had, and ends them.

Its fixtures have no limit: they may build an interpreter. Each step as a whole has (scripts/test).
"""
import os
import signal

import pytest

import processes

LIMIT_S = 300
LONG_S = 3600  # for those marked `long`
AGAIN_S = 30  # where it waits for something else then
SAYS = "still running after %d s, with: %s"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    limit = LONG_S if item.get_closest_marker("long") else LIMIT_S

    def ended(*_):
        doing = processes.end_descendants(os.getpid())  # first: their pipes are waited for
        pytest.fail(SAYS % (limit, "; ".join(doing) or "no process"))
    before = signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, limit, AGAIN_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def took_too_long(report):
    """Which is no matter of how the machine's time is shared."""
    return SAYS.split("%", maxsplit=1)[0] in report.longreprtext
