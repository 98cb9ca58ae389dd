# SPDX-License-Identifier: MIT
"""Programs on a terminal of their own, of a given size, as people run them."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
import unicodedata

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()=>78][0-9A-B]?")


class Shown:
    """What came to the terminal: `raw` as it came, `text` without escape sequences."""

    def __init__(self, status, raw):
        self.status, self.raw = status, raw
        self.text = ESCAPE.sub("", raw.decode("utf-8", "replace")).replace("\r\n", "\n")

    def lines(self):
        """Of what a line held before a carriage return nothing is left."""
        lines = self.text.split("\n")
        return [line.rsplit("\r", 1)[-1] for line in lines[:-1] + [last for last in lines[-1:] if last]]

    def widest(self):
        return max(self.lines(), key=width)

    def __repr__(self):
        return "status %s\n%s" % (self.status, self.text)


def width(line):
    """The columns that it takes, by Python's own tables."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    none = sum(unicodedata.category(char) in ("Mn", "Me", "Cf") for char in line)
    return len(line) + wide - none


def size_of(slave, columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def own_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_all(master, into):
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one that had it open is gone
            return
        if not data:
            return
        into.append(data)


class Terminal:
    """A terminal for one or several programs; finish() closes it and tells what came to it."""

    def __init__(self, columns=80, rows=24):
        self.master, self.slave = pty.openpty()
        size_of(self.slave, columns, rows)
        self.parts, self.answered = [], 0
        self.reader = threading.Thread(target=read_all, args=(self.master, self.parts), daemon=True)
        self.reader.start()

    def start(self, argv, folder, **env):
        own = dict(os.environ, TERM="xterm", **env)
        for name in ("COLUMNS", "LINES", *(["NO_COLOR"] if "NO_COLOR" not in env else [])):
            own.pop(name, None)
        return subprocess.Popen([str(word) for word in argv], stdin=self.slave, stdout=self.slave,
                                stderr=self.slave, cwd=str(folder), env=own,
                                preexec_fn=own_terminal)

    def answer(self, prompt, text, timeout=60):
        """Type a text where the program asks for it: after what it has shown until now."""
        deadline = time.monotonic() + timeout
        while not b"".join(self.parts)[self.answered:].endswith(prompt.encode()):
            assert time.monotonic() < deadline, b"".join(self.parts)
            time.sleep(0.01)
        self.answered = len(b"".join(self.parts))
        os.write(self.master, text.encode())

    def finish(self, process, timeout=60):
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        os.close(self.slave)
        self.reader.join(10)
        os.close(self.master)
        return Shown(status, b"".join(self.parts))


def run(argv, folder, columns=80, rows=24, **env):
    """Run it to its end on a terminal of that size."""
    terminal = Terminal(columns, rows)
    return terminal.finish(terminal.start(argv, folder, **env))
