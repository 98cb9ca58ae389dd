# SPDX-License-Identifier: MIT
"""Servers do not notice that they are recorded again and again while they work: each answer is
right and comes, nothing piles up, and afterwards they are as fast as before."""
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import harness
import pytest
from attaching import is_recorded, record, what_is_left
from harness import require

ANSWER = b"199990000"
AGENT = ("--gil-source", "agent")
LONG = bool(os.environ.get("GT_LONG"))


class Server:
    """Its pids are those that answer, and the one that made them."""

    def __init__(self, kind, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = "http://127.0.0.1:%d/" % port
        words = [harness.DEBIAN_PYTHON, harness.target("server"), str(port)]
        if kind == "gunicorn":
            words = [harness.DEBIAN_PYTHON, "-m", "gunicorn", "-w", "2", "-b",
                     "127.0.0.1:%d" % port, "--chdir", str(harness.TARGETS), "server:application"]
        self.log = open(str(folder / "server.log"), "wb")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        harness.wait_for(self.answers, "it does not answer")
        pid = self.process.pid
        children = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()
        self.pids = [pid] + [int(child) for child in children]
        self.silent = [pid] if children else []
        return self

    def answers(self):
        try:
            return self.ask() == ANSWER
        except urllib.error.URLError:
            return False

    def ask(self):
        return urllib.request.urlopen(self.url, timeout=10).read()

    def __exit__(self, *unused):
        os.killpg(self.process.pid, 9)
        self.process.wait()
        self.log.close()


class Client:
    """Asks for as long as it lasts; an error is an answer, too."""

    def __init__(self, server):
        self.server, self.answers, self.over = server, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            try:
                self.answers.append(self.server.ask())
            except OSError as error:
                self.answers.append(repr(error))

    def rate(self, seconds):
        before, began = len(self.answers), time.monotonic()
        time.sleep(seconds)
        return (len(self.answers) - before) / (time.monotonic() - began)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.over.set()
        self.thread.join()


@pytest.mark.timing
@pytest.mark.parametrize("kind, options", [
    pytest.param("threads", (), id="threads-probes", marks=pytest.mark.needs_perf),
    pytest.param("threads", AGENT, id="threads-agent", marks=pytest.mark.long),
    pytest.param("gunicorn", (), id="gunicorn-probes",
                 marks=[pytest.mark.needs_perf, pytest.mark.long]),
    pytest.param("gunicorn", AGENT, id="gunicorn-agent")])
def test_a_server_does_not_notice(kind, options, folder):
    """With --long 200 times: those of gunicorn's processes in turn."""
    if kind == "gunicorn":
        found = subprocess.run([harness.DEBIAN_PYTHON, "-c", "import gunicorn"],
                               stderr=subprocess.DEVNULL).returncode == 0
        require(None if found else "gunicorn is not installed")
    times, settled = (200, 6) if LONG else (3, 3)
    with Server(kind, folder) as server, Client(server) as client:
        alone = client.rate(4 if LONG else 1)
        for number in range(times):
            pid = server.pids[number % len(server.pids)]
            traced = record(pid, folder, *options, "--duration", "500ms" if LONG else "200ms")
            assert pid in server.silent or any(harness.calls(traced.document, "answer")), traced.run
            if number + 1 == settled:
                left = [what_is_left(one)[1:] for one in server.pids]
        after = client.rate(4 if LONG else 1)
        harness.wait_for(lambda: not any(map(is_recorded, server.pids)), "a process is recorded")
        for one, (files, resident) in zip(server.pids, left):
            assert what_is_left(one)[1] <= files + 1
            assert what_is_left(one)[2] <= resident + 256, "pages"
        assert server.process.poll() is None
    assert len(client.answers) > 100 and set(client.answers) == {ANSWER}, set(client.answers)
    print("%s: %.0f requests per second before, %.0f after" % (kind, alone, after))
    assert not LONG or after > 0.8 * alone, (alone, after)
