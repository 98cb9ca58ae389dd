# SPDX-License-Identifier: MIT
"""Tests that depend on time, marked `timing`: the only ones that are repeated.

They say how a machine's time is shared, which other work on it makes untrue for a moment. One that
fails is run again, with new fixtures, twice at most, and must pass then; first it is waited for
that others take less than a quarter of a CPU, for five minutes in all. What was repeated is
printed with its failure and with the CPU time that others took meanwhile; scripts/test counts it,
and fails when there was more than a handful. A test without the mark is never repeated.
"""
import os
import time

import pytest
from _pytest.runner import runtestprotocol

import limits

ATTEMPTS = 3
BUSY = 0.25  # CPUs
PATIENCE_S = 300  # for all tests
RUN = []  # the timing tests that were run
WAITED = [0]  # seconds, until others did nothing
REPEATED = []  # (test, what failed, how busy the machine was)


def cpu_seconds():
    """(CPU time that the machine spent, the part of it that is ours and our children's)"""
    with open("/proc/stat") as stream:
        ticks = [int(word) for word in stream.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    spent = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    times = os.times()
    return spent, times.user + times.system + times.children_user + times.children_system


def wait_until_calm():
    """Without this process and its children, which are waited for."""
    while WAITED[0] < PATIENCE_S:
        before, began = cpu_seconds(), time.monotonic()
        time.sleep(0.5)
        spent, ours = (now - then for now, then in zip(cpu_seconds(), before))
        took = time.monotonic() - began
        if spent - ours < BUSY * took:
            return
        WAITED[0] += took


def attempt(item, nextitem):
    """Its reports, and in words how busy the machine was."""
    before, began = cpu_seconds(), time.monotonic()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    spent, ours = (now - then for now, then in zip(cpu_seconds(), before))
    busy = "others took %.1f s of CPU time in %.1f s" % (spent - ours, time.monotonic() - began)
    return reports, busy


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if not item.get_closest_marker("timing"):
        return None
    RUN.append(item.nodeid)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for number in range(ATTEMPTS):
        reports, busy = attempt(item, nextitem)
        failed = [report for report in reports if report.failed]
        if not failed or number == ATTEMPTS - 1 or limits.took_too_long(failed[0]):
            break
        REPEATED.append((item.nodeid, failed[0].longreprtext, busy))
        item._initrequest()  # new fixtures
        wait_until_calm()
    for report in reports:
        if report.failed:
            report.sections.append(("machine", busy))
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    if not RUN:
        return
    terminalreporter.section("timing tests")
    for name, text, busy in REPEATED:
        terminalreporter.write_line(text)
        terminalreporter.write_line("timing test repeated: %s (%s)" % (name, busy))
    if WAITED[0]:
        terminalreporter.write_line("waited %.0f s until others did less" % WAITED[0])
    terminalreporter.write_line("timing tests run: %d" % len(RUN))
