# SPDX-License-Identifier: MIT
"""What giltracer.dask does in a worker's process: begin, end, hand over, forget.

The client's plugin and its calls (dask.py, ON_WORKER) come here in the worker's event loop, which
must go on: what takes long runs in a thread of its own. A worker that cannot be recorded says why,
and works.
"""
import asyncio
import concurrent.futures
import os
import shutil
import tempfile
import threading
import uuid

PROTOCOL = 1  # of dask.py, which may be of another version

BEGIN_SECONDS = 60  # so long may recording keep a worker from joining

_recordings = {}  # by the session of the client: one for all workers of this process
_lock = threading.Lock()


def _in_thread(function):
    """A future of what the function returns. Its thread keeps nobody from exiting."""
    future = concurrent.futures.Future()

    def run():
        try:
            result = function()
        except BaseException as error:
            result = "%s: %s" % (type(error).__name__, error)
        future.set_result(result)

    threading.Thread(target=run, name="giltracer", daemon=True).start()
    return future


def _wait(future):
    # Who no longer waits must not cancel it for the others.
    return asyncio.shield(asyncio.wrap_future(future))


class _Recording:
    def __init__(self, session, owner):
        self.session = session
        self.owner = owner  # the client, in words
        self.token = uuid.uuid4().hex
        self.workers = {}  # address: name
        self.why = ""  # why nothing is recorded
        self.busy = False  # by another client's session
        self.begun = self.ended = None  # futures
        self._steps = threading.Lock()  # one of the three below at a time
        self._dropped = False
        self._report = self._folder = self._path = None

    def begin(self, words, parent):
        from giltracer import _trace

        with self._steps:
            if self._dropped:
                return
            try:
                # With all of giltracer's. Where the worker dies, Dask removes it.
                self._folder = tempfile.mkdtemp(prefix="giltracer-", dir=parent)
                self._path = os.path.join(self._folder, "report.json.gz")
                output = "--output=" + self._path.replace("%", "%%")
                self._report = _trace._begin(words + [output], (self._path,), self._folder)
            except Exception as error:
                self.why = str(error)
                self._remove()

    def end(self):
        from giltracer import _trace

        with self._steps:
            if self._report is None or self._dropped:
                return
            report, self._report = self._report, None
            try:
                _trace._end(report)
            except Exception as error:
                self.why = str(error)
                self._remove()

    def drop(self):
        """Leave nothing behind, at once."""
        from giltracer import _trace

        with self._steps:
            self._dropped = True
            report, self._report = self._report, None
            try:
                if report is not None:
                    _trace._drop(report)
            finally:
                self._remove()

    def _remove(self):
        folder, self._folder, self._path = self._folder, None, None
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    def size(self):
        return os.path.getsize(self._path) if self._path else 0

    def read(self, offset, count):
        with open(self._path, "rb") as file:
            file.seek(offset)
            return file.read(count)

    def state(self):
        return {"token": self.token, "why": self.why, "busy": self.busy, "owner": self.owner,
                "workers": dict(self.workers)}


def _join(session, owner, worker):
    """(the recording, is it to be begun)"""
    with _lock:
        recording = _recordings.get(session)
        new = recording is None
        if new:
            other = next((one for one in _recordings.values() if not one.busy), None)
            recording = _recordings[session] = _Recording(session, owner)
            if other is not None:
                recording.busy, recording.owner = True, other.owner
                recording.why = "the cluster is being traced already: " + other.owner
        recording.workers[worker.address] = str(worker.name)
    return recording, new and not recording.busy


async def begin(session, owner, words, worker):
    recording, new = _join(session, owner, worker)
    if new:
        parent = worker.local_directory
        recording.begun = _in_thread(lambda: recording.begin(words, parent))
    if recording.begun is not None:
        await asyncio.wait([_wait(recording.begun)], timeout=BEGIN_SECONDS)


async def state(session):
    recording = _recordings.get(session)
    if recording is None:
        return {"why": "recording did not begin there"}
    return recording.state()


async def end(session):
    """The state, and how long the report is."""
    recording = _recordings.get(session)
    if recording is None:
        return {"why": "recording did not begin there"}
    if recording.begun is not None:
        recording.why = recording.why or await _wait(recording.begun) or ""
        if recording.ended is None:
            recording.ended = _in_thread(recording.end)
        recording.why = recording.why or await _wait(recording.ended) or ""
    return dict(recording.state(), size=recording.size())


async def read(session, token, offset, count):
    recording = _recordings.get(session)
    if recording is None or recording.token != token:
        return b""
    return recording.read(offset, count)


async def leave(session, worker):
    """The last worker of the process that leaves ends all."""
    with _lock:
        recording = _recordings.get(session)
        if recording is None:
            return
        recording.workers.pop(worker.address, None)
        if recording.workers:
            return
        del _recordings[session]
    if recording.begun is not None:
        await asyncio.wait([_wait(_in_thread(recording.drop))], timeout=BEGIN_SECONDS)
