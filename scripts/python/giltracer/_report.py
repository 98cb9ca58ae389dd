# SPDX-License-Identifier: MIT
"""What was recorded, as an object."""
import html
import os
import threading
import time

from giltracer._session import TraceError


def _duration(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return "%.1f %s" % (ns / size, unit)
    return "%.1f µs" % (ns / 1e3)


def _percent(part, whole):
    return "%.1f%%" % (100.0 * part / whole) if whole else "?"


def _table(head, rows):
    """All cells are text of the recorded program's."""
    def line(tag, cells):
        return "<tr>%s</tr>" % "".join("<%s>%s</%s>" % (tag, html.escape(str(cell)), tag)
                                       for cell in cells)
    return "<table><thead>%s</thead><tbody>%s</tbody></table>" % (
        line("th", head), "".join(line("td", row) for row in rows))


def _thread_cells(row):
    life = row["lifetime_ns"]
    blocker = row["blocked_by"][0] if row["blocked_by"] else None
    return ["%d%s" % (row["tid"], "*" if row["main"] else ""), row["label"], _duration(life),
            _percent(row["free_ns"], life), _percent(row["hold_ns"], life),
            _percent(row["wait_ns"], life), _duration(row["longest_wait_ns"]),
            "%s (%.0f%%)" % (blocker["label"], 100 * blocker["share"]) if blocker else ""]


def _blocker_cells(row):
    place = "%s:%s" % (row["file"], row["line"]) if row["file"] else ""
    return [row["function"], place, _duration(row["waiting_ns"]), "%.1f%%" % (100 * row["share"]),
            _duration(row["longest_hold_ns"])]


class Report:
    """Empty until the recording has ended; then

    summary   what --summary writes: a dict by lib/report/SCHEMA.md
    threads   a row of it for each thread that used a GIL, with what it held and waited
    blockers  a row for each function, or thread, that others waited for
    verdict   the first sentence on it: is the program bound by the GIL
    findings  all sentences
    messages  what giltracer had to say of the run, as lines
    outputs   the files that were written

    str() is the table that giltracer prints; a notebook shows it as HTML.
    """

    def __init__(self, outputs):
        self._pid = os.getpid()
        self._session = None
        self._ending = False
        self._filled = None
        self._why = "it is still being recorded"
        self._text = ""
        self.outputs = outputs
        self.messages = []
        self.began = "%s, by thread %s" % (time.strftime("%H:%M:%S"),
                                           threading.current_thread().name)

    def _set_session(self, session):
        self._session = session

    def _session_forked(self):
        if self._session is not None:
            self._session.forget()
        self._why = "it is of the process that began it, not of a forked child"

    def _finish(self):
        try:
            self._filled, said = self._session.finish()
        except TraceError as error:
            self._why = str(error)
            raise
        except BaseException:
            self._why = "waiting for it was interrupted"
            raise
        lines = said.splitlines()
        self.messages = [line[len("giltracer: "):] for line in lines
                         if line.startswith("giltracer: ")]
        self.outputs = tuple(line[len("wrote "):] for line in self.messages
                             if line.startswith("wrote "))
        self._text = "\n".join(line for line in lines
                               if not line.startswith("giltracer: ")).strip("\n")

    def _abandon(self):
        self._why = "it was given up"
        self._session.forget()

    @property
    def summary(self):
        if self._filled is None:
            raise TraceError("there is no report: " + self._why)
        return self._filled

    @property
    def threads(self):
        return [row for gil in self.summary["gils"] for row in gil["threads"]]

    @property
    def blockers(self):
        return self.summary["blockers"]

    @property
    def findings(self):
        return self.summary["findings"]

    @property
    def verdict(self):
        return self.findings[0] if self.findings else ""

    def __str__(self):
        if self._filled is None:
            return "no report: " + self._why
        return self._text

    __repr__ = __str__

    def _repr_html_(self):
        if self._filled is None:
            return "<p>%s</p>" % html.escape(str(self))
        parts = []
        for gil in self.summary["gils"]:
            parts.append("<p><b>%s</b> (pid %d)</p>" % (html.escape(gil["process"] or ""),
                                                        gil["pid"]))
            parts.append(_table(["tid", "thread", "life", "no gil", "has gil", "gil wait",
                                 "longest wait", "blocked by"],
                                [_thread_cells(row) for row in gil["threads"]]))
        if self.blockers:
            parts.append(_table(["function", "place", "waiting for it", "share", "longest hold"],
                                [_blocker_cells(row) for row in self.blockers[:10]]))
        parts += ["<p>%s</p>" % html.escape(sentence) for sentence in self.findings]
        return "<div>%s</div>" % "".join(parts)
