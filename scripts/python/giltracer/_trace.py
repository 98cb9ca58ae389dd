# SPDX-License-Identifier: MIT
"""trace(), start() and stop()."""
import atexit
import functools
import inspect
import os
import threading
import warnings

from giltracer import _program
from giltracer._report import Report
from giltracer._session import Session, TraceError


class _Process:
    """What there is once per process. A forked child has none of its parent's."""

    def __init__(self):
        self.pid = os.getpid()
        self.lock = threading.Lock()  # held while it is decided who records
        self.owner = None  # the Report that is being recorded


_process = _Process()


def _this_process():
    global _process
    if _process.pid != os.getpid():  # forked: only this thread is left
        inherited = _process.owner
        _process = _Process()
        if inherited is not None:
            inherited._session_forked()
    return _process


def _begin(words, outputs, temporary=None):
    process = _this_process()
    report = Report(outputs)
    with process.lock:
        if process.owner is not None:
            raise TraceError("this process is being recorded already, since %s: one recording at "
                             "a time (end that one first)" % process.owner.began)
        process.owner = report
    try:
        report._set_session(Session(words, temporary))
    except BaseException:
        process.owner = None
        raise
    return report


def _end_by(report, act):
    """Also for who did not begin it, which is in a forked child nothing to end. Returns why it cannot
    be ended, else None."""
    process = _this_process()
    if report._pid != process.pid:
        return None
    with process.lock:
        if process.owner is not report or report._ending:
            return "has ended already, or is about to"
        if report._session is None:
            return "has not begun yet: wait until start() returns"
        report._ending = True
    try:
        act()
    finally:
        process.owner = None
    return None


def _end(report):
    why_not = _end_by(report, report._finish)
    if why_not:
        raise TraceError("this recording " + why_not)


def _drop(report):
    """End it, and write nothing: giltracer finds that nobody waits."""
    _end_by(report, report._abandon)


class trace:
    """Record this process: trace("report.html", state_detect=True).

    `outputs` are files as giltracer's -o takes them; none: the report is in memory only. `options`
    are giltracer's, with underscores: python_trace=False is --no-python-trace, e=["cycles"] is
    -e cycles.

    As a context manager it gives the Report, which is filled when the block ends, also by an
    exception, which is passed on. As a decorator it records each call of the function, a coroutine
    to its end; the last Report is the function's attribute `report`. All threads of the process
    are recorded, and children that it makes meanwhile. Only one recording can run at a time: a
    second one raises TraceError.
    """

    def __init__(self, *outputs, **options):
        self._outputs = tuple(os.fsdecode(output) for output in outputs)
        self._words = _program.words(outputs, options)
        self._report = None
        self._thread = None

    def __enter__(self):
        report = _begin(self._words, self._outputs)
        self._report = report
        return report

    def __exit__(self, kind, error, traceback):
        report, self._report = self._report, None
        try:
            _end(report)
        except TraceError as failure:
            if kind is None:
                raise
            warnings.warn("no report: %s" % failure, RuntimeWarning, stacklevel=2)
        return False

    def __call__(self, function):
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("trace() records calls, and a generator works after its call: record "
                            "the loop that runs it")
        make = _asynchronous if inspect.iscoroutinefunction(function) else _synchronous
        wrapper = functools.wraps(function)(make(self, function))
        wrapper.report = None
        return wrapper


def _synchronous(recorder, function):
    inside = threading.local()

    def wrapper(*arguments, **named):
        if getattr(inside, "recorded", False):  # it calls itself
            return function(*arguments, **named)
        once = trace.__new__(trace)
        once.__dict__.update(recorder.__dict__)
        with once as wrapper.report:
            inside.recorded = True
            try:
                return function(*arguments, **named)
            finally:
                inside.recorded = False
    return wrapper


def _asynchronous(recorder, function):
    async def wrapper(*arguments, **named):
        once = trace.__new__(trace)
        once.__dict__.update(recorder.__dict__)
        with once as wrapper.report:
            return await function(*arguments, **named)
    return wrapper


def _end_at_exit():
    owner = _this_process().owner
    if owner is not None and owner._session is not None and not owner._ending:
        _end(owner)


def start(*outputs, **options):
    """Begin to record, as trace() does. What still records when the program ends is ended then.
    Returns the Report, which stop() fills."""
    return _start(_program.words(outputs, options), tuple(os.fsdecode(one) for one in outputs))


def _start(words, outputs):
    report = _begin(words, outputs)
    atexit.unregister(_end_at_exit)
    atexit.register(_end_at_exit)
    return report


def stop():
    """End what start() began, from any thread. Returns its Report. In a child that was forked
    meanwhile, there is nothing to end: TraceError."""
    report = _this_process().owner
    if report is None:
        raise TraceError("nothing is being recorded in this process: call start() first")
    _end(report)
    return report
