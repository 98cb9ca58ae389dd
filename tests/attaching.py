# SPDX-License-Identifier: MIT
"""For tests of what runs already: recording it by its pid."""
import os
import pathlib
import uuid

import harness
import pytest
from harness import giltracer


def some_interpreters(*more):
    """The oldest, the newest, the distribution's, which is stripped, and these versions; the rest
    with --long."""
    found = sorted(harness.interpreters(), key=lambda one: one.version)
    some = {one.name for one in found[:1] + found[-1:]} | {
        one.name for one in found if not one.has_symbols or one.version[:2] in more}
    return [pytest.param(one, id=str(one), marks=[] if one.name in some else pytest.mark.long)
            for one in found]


def record(pid, folder, *options, status=0, **more):
    """Record a process, and check the report as any other."""
    output = folder / ("attached-%s.json" % uuid.uuid4().hex[:8])
    run = giltracer(["--pid", pid, "-o", output, *options], folder, **more)
    assert run.status == status, run
    document = harness.read_json(output)
    harness.check_document(document)
    return harness.Traced(run, document)


def what_is_left(pid):
    """Threads, descriptors, and resident pages."""
    folder = pathlib.Path("/proc/%d" % pid)
    resident = int((folder / "statm").read_text().split()[1])
    return len(os.listdir(folder / "task")), len(os.listdir(folder / "fd")), resident


def is_recorded(pid):
    """By the agent, that is: are its files mapped?"""
    maps = pathlib.Path("/proc/%d/maps" % pid).read_text()
    return "/control" in maps or "/log" in maps
