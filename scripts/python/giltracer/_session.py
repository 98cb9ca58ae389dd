# SPDX-License-Identifier: MIT
"""A giltracer that records this process: started, waited for, ended.

It is no child of this process: it leaves at once (cmd/giltracer/control.h), so that os.wait() of
the program finds only the program's own children. Both speak by a pair of sockets.
"""
import json
import os
import socket
import subprocess
import tempfile

from giltracer import _agent, _program

REMEDY = ("without these rights: start the program by `python -m giltracer`, which needs none; "
          "otherwise run it as root, or have root run `giltracer --setup GROUP` once")


class TraceError(RuntimeError):
    """giltracer could not record, or there is no report. Says why, and what helps."""


class Session:
    """One recording. Made by the process that is recorded; in a child that it forks it is nothing
    but a descriptor, which `forget` closes."""

    def __init__(self, words, temporary=None):
        program = _program.find()
        if not program:
            raise TraceError("the program giltracer is not found: put it on PATH, or name it in "
                             "the environment as GILTRACER=/path/of/giltracer")
        self.words = words
        self._temporary = temporary  # the folder of what giltracer keeps for the time being
        self.pid = os.getpid()
        self._received = b""
        self._socket = self._messages = self._summary = None
        self._agent = None  # the library, while it records in this process
        try:
            self._open(program)
        except BaseException:  # an interrupt, too
            self.forget()
            raise

    def _open(self, program):
        self._messages = tempfile.TemporaryFile(prefix="giltracer-")
        self._summary = tempfile.TemporaryFile(prefix="giltracer-")
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(True)  # whatever socket.setdefaulttimeout says
        with theirs:
            status = self._call(program, theirs)
        if status == 0 and self._serve() == "recording":
            return
        raise TraceError(self._why())

    def _call(self, program, theirs):
        fds = (theirs.fileno(), self._summary.fileno())
        command = [program, "--pid", str(self.pid), "--control-fd", str(fds[0]), "--summary",
                   "/dev/fd/%d" % fds[1], "--no-color"] + self.words
        # A giltracer.auto that is set for children is not for this one.
        environment = {name: value for name, value in os.environ.items()
                       if name != "GILTRACER_AUTO"}
        if self._temporary:
            environment["TMPDIR"] = self._temporary
        try:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=self._messages, pass_fds=fds, close_fds=True,
                                    env=environment).wait()
        except OSError as error:
            raise TraceError("cannot run %s: %s" % (program, error))

    def _serve(self):
        """Load the agent, if giltracer asks for it; what it says then."""
        line = self._line()
        while line.startswith("call "):
            symbol, library, settings = self._take(int(line[len("call "):])).split(b"\0")
            result, why = _agent.call(symbol, library, settings)
            if result == 0 and symbol == _agent.ATTACH:
                self._agent = library
            self._socket.sendall(("%d %s\n" % (result, why.replace("\n", " "))).encode(
                "utf-8", "replace"))
            line = self._line()
        return line

    def _take(self, count):
        while len(self._received) < count:
            data = self._socket.recv(65536)
            if not data:
                return b"\0\0"
            self._received += data
        data, self._received = self._received[:count], self._received[count:]
        return data

    def _end_agent(self):
        """Not in a forked child, where the agent goes on for as long as it may."""
        library, self._agent = self._agent, None
        if library and self.pid == os.getpid():
            _agent.call(_agent.DETACH, library)

    def _line(self):
        """What giltracer says next; "" when it has gone."""
        while b"\n" not in self._received:
            data = self._socket.recv(4096)
            if not data:
                return ""
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return line.decode("ascii", "replace")

    def _said(self):
        self._messages.seek(0)
        return self._messages.read().decode("utf-8", "replace")

    def _why(self):
        lines = [line[len("giltracer: "):] if line.startswith("giltracer: ") else line
                 for line in self._said().splitlines() if line.strip()]
        why = "; ".join(lines) or "giltracer ended without a word"
        return "%s (%s)" % (why, REMEDY) if "root" in why else why

    def finish(self):
        """End the recording, wait for the reports: (summary, what giltracer said)."""
        try:
            self._end_agent()
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:  # giltracer has gone: its duration is over, or it was killed
                pass
            ended = self._line().startswith("ended ")
            self._summary.seek(0)
            text = self._summary.read().decode("utf-8", "replace")
            if not ended or not text:
                raise TraceError(self._why())
            return json.loads(text), self._said()
        finally:
            self.forget()

    def forget(self):
        """Close all. Where giltracer records still, that ends it, but not in a forked child."""
        self._end_agent()
        for one in (self._socket, self._messages, self._summary):
            if one:
                one.close()
        self._socket = self._messages = self._summary = None
