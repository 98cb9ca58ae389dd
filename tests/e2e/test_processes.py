# SPDX-License-Identifier: MIT
"""Processes are told apart: by their command lines, titles, and multiprocessing's names."""
import re

import harness
import pytest
from harness import trace

POOL = """
import multiprocessing, sys, threading
def job(n):
    threads = [threading.Thread(target=sum, args=(range(100000),)) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    processes = [context.Process(target=job, args=(n,), name="worker %d" % n) for n in range(3)]
    for process in processes: process.start()
    for process in processes: process.join()
"""

TITLE = """
import ctypes, os, signal, threading
place = int(open("/proc/self/stat").read().rpartition(")")[2].split()[45])
length = len(open("/proc/self/cmdline", "rb").read())
title = b"gunicorn: worker [app]"
if os.fork() == 0:
    assert length > len(title)
    ctypes.memset(place, 0, length)
    ctypes.memmove(place, title, len(title))
    thread = threading.Thread(target=sum, args=(range(1000000),))
    thread.start()
    thread.join()
    if %r: os.kill(os.getpid(), signal.SIGKILL)
else:
    os.wait()
"""


@pytest.mark.parametrize("method, source", [("fork", "agent"), ("spawn", "auto"),
                                            ("forkserver", "auto")])
def test_multiprocessing(method, source, folder):
    program = folder / "program.py"
    program.write_text(POOL)
    traced = trace([program, method], folder, harness.an_interpreter(3, 8),
                   ["--gil-source", source])
    gils = traced.summary["gils"]
    roles = {gil["role"]: gil for gil in gils if "role" in gil}
    assert set(roles) >= {"worker 0", "worker 1", "worker 2"}, harness.describe(traced.summary)
    main, = [gil for gil in gils if gil["pid"] == traced.summary["run"]["root_pid"]]
    assert main["title"] == "program.py " + method and "role" not in main
    assert main["command"][1:] == [str(program), method]
    for name in ("worker 0", "worker 1", "worker 2"):
        assert roles[name]["title"].endswith(" [%s]" % name)
        assert re.search(r"^%d +\d.* %s$" % (roles[name]["pid"],
                                            re.escape(roles[name]["title"])), traced.run.err,
                         re.M), traced.run
    if method == "fork":
        assert {gil["parent_pid"] for gil in roles.values()} == {main["pid"]}
    else:
        assert "multiprocessing: resource tracker" in {gil["title"] for gil in gils}


@pytest.mark.parametrize("killed", [False, True])
def test_a_title_that_a_process_gives_itself(killed, folder):
    program = folder / "a-program-with-a-long-name.py"
    program.write_text(TITLE % killed)
    traced = trace([program], folder, harness.an_interpreter(3, 8), [])
    parent, child = sorted(traced.summary["gils"], key=lambda gil: "parent_pid" in gil)
    assert child["parent_pid"] == parent["pid"]
    assert child["title"] == "gunicorn: worker [app]" and child["command"] == [child["title"]]
    assert parent["title"] == program.name
