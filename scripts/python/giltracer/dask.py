# SPDX-License-Identifier: MIT
"""The GIL in each worker of a Dask cluster, as one report.

    import giltracer.dask

    with giltracer.dask.trace(client, "report.html") as report:
        client.gather(client.map(work, range(100)))
    print(report)

giltracer is to be installed on the workers as well. Their reports come home by Dask's own
connections and are merged by perf2trace.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import uuid
import warnings

from giltracer import _dask_worker, _program, _report
from giltracer._session import TraceError

try:
    import distributed
except ImportError as error:
    raise ImportError("giltracer.dask needs Dask's distributed, which cannot be imported (%s): pip "
                      "install distributed, or Debian's python3-distributed" % error)

WORKER_BYTES = 256 << 20  # of one worker's report, which is compressed
TOTAL_BYTES = 4 << 30
CHUNK_BYTES = 4 << 20
TOPIC = "giltracer"  # of Dask's events: who got the plugin
TOLD = 5  # missing workers that a warning names

# Options of perf2trace's, not of the workers'.
_OF_THE_MERGED = {"all_threads", "baseline", "fail_if", "perfetto_states"}
_OF_BOTH = {"keep_interpreter_frames", "keep_short_calls"}
_NOT_OPTIONS = {
    "keep": "nothing stays behind in workers",
    "open": "open the page when it is there",
    "what_if": "nothing is estimated of several recordings",
}

# Source, which a worker can read whose Python or giltracer is another one, or that has no giltracer:
# a plugin that cannot be unpickled would keep workers from joining.
ON_WORKER = '''
import asyncio

def giltracer_part():
    try:
        from giltracer import _dask_worker as part
    except Exception as error:
        return None, "giltracer cannot be imported there (%s): install it on the workers" % error
    if part.PROTOCOL != settings["protocol"]:
        return None, "giltracer is of another version there: install the same one everywhere"
    return part, ""

def make_plugin():
    from distributed import WorkerPlugin

    class GiltracerPlugin(WorkerPlugin):
        name = settings["name"]

        async def setup(self, worker):
            part, why = giltracer_part()
            try:
                if part:
                    await part.begin(settings["session"], settings["owner"], settings["words"],
                                     worker)
                # Before this is done, what a worker that joins sends gets lost.
                asyncio.get_event_loop().call_later(
                    0.1, worker.log_event, settings["topic"],
                    {"session": settings["session"], "worker": worker.address})
            except Exception:
                pass  # which would keep it from joining; asked later, it says that nothing began

        async def teardown(self, worker):
            part, why = giltracer_part()
            if part:
                await part.leave(settings["session"], worker)

    return GiltracerPlugin()

def make_call():
    async def giltracer_call(what, *arguments):
        part, why = giltracer_part()
        if not part:
            return {"why": why}
        return await getattr(part, what)(settings["session"], *arguments)
    return giltracer_call
'''


class _Call:
    """A function that is made on the worker."""

    def __init__(self, settings, make="make_call"):
        self._settings, self._make = settings, make

    def __call__(self, *arguments):
        raise TypeError("only a worker can call it")

    def __reduce__(self):
        return eval, ("exec(source) or %s()" % self._make,
                      {"source": ON_WORKER, "settings": self._settings})


class _Plugin(distributed.WorkerPlugin):
    def __init__(self, settings):
        self.name = settings["name"]
        self._call = _Call(settings, "make_plugin")

    def __reduce__(self):
        return self._call.__reduce__()


def _one_line(text, limit=500):
    return " ".join(str(text).split())[:limit]


def _name_of(names, address):
    """What the report calls a worker's process: fit for a name of a file."""
    shown = []
    for name in names[:3]:
        name = re.sub(r"^\w+://", "", str(name)) or address
        shown.append("worker-" + name if name.isdigit() else name)
    text = "+".join(shown) + ("+%d" % (len(names) - 3) if len(names) > 3 else "")
    return re.sub(r"[^A-Za-z0-9_=+.:-]", "_", text).lstrip(".-")[:80] or "worker"


class Report(_report.Report):
    """As giltracer.Report, and

    missing   why a worker is not in it, by the worker's address
    workers   what the report calls the worker's process, by the worker's address
    """

    def __init__(self, outputs):
        super().__init__(outputs)
        self.missing = {}
        self.workers = {}

    def _lines_of_missing(self):
        return ["Not in this report: worker %s: %s." % (_one_line(address), _one_line(why))
                for address, why in sorted(self.missing.items())]

    def __str__(self):
        return "\n\n".join([super().__str__()] + self._lines_of_missing())

    __repr__ = __str__

    def _repr_html_(self):
        return super()._repr_html_() + "".join(
            "<p>%s</p>" % _report.html.escape(line) for line in self._lines_of_missing())


class _Merger:
    """perf2trace, of the workers' reports. To the Report it is what a Session is."""

    def __init__(self, program, folder, outputs, words):
        self._program, self._folder = program, folder
        self._outputs = _program.output_words(outputs) or [
            "--output=" + os.path.join(folder, "none.folded")]
        self._words = words
        self.files = {}  # by the address of a worker
        self.bytes = 0  # of all of them

    def file_for(self, address, name):
        """perf2trace calls a report by the name of its file."""
        folder = tempfile.mkdtemp(dir=self._folder)
        path = self.files[address] = os.path.join(folder, name + ".json.gz")
        return path

    def leave_out(self, address):
        os.unlink(self.files.pop(address))

    def check(self):
        """TraceError: it would refuse outputs or options, which shows before it reads."""
        nothing = os.path.join(self._folder, "nothing.json")
        _, said, _ = self._run(self._words + self._outputs, [nothing])
        if nothing not in said:
            raise TraceError(self._without_prefix(said))

    def bad_ones(self):
        """Why perf2trace refuses one: by the address."""
        found = {}
        for address, path in self.files.items():
            nowhere = "--output=" + os.path.join(self._folder, "none.folded")
            _, said, status = self._run([nowhere], [path])
            if status != 0:
                found[address] = "its report cannot be read: " + self._without_prefix(said)
        return found

    def finish(self):
        text, said, status = self._run(self._words + self._outputs, list(self.files.values()))
        # 3, 4: the report is there, and a condition is breached or cannot be judged.
        if status not in (0, 3, 4) or not text:
            raise TraceError(self._without_prefix(said) or "perf2trace ended without a word")
        lines = [line for line in said.splitlines() if self._folder not in line]
        return json.loads(text), "\n".join(re.sub("^perf2trace: ", "giltracer: ", line)
                                           for line in lines)

    @staticmethod
    def _without_prefix(said):
        return _one_line(re.sub("(?m)^perf2trace: ", "", said))

    def _run(self, words, files):
        with tempfile.TemporaryFile() as summary, tempfile.TemporaryFile() as messages:
            status = subprocess.call(
                [self._program, "--no-color", "--summary", "/dev/fd/%d" % summary.fileno(),
                 *words, *files], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=messages, pass_fds=[summary.fileno()])
            summary.seek(0)
            messages.seek(0)
            return (summary.read().decode("utf-8", "replace"),
                    messages.read().decode("utf-8", "replace"), status)


def _state_of(answer):
    """What a worker answered, or failed with: of the types that are expected."""
    if isinstance(answer, BaseException):
        return {"why": "it does not answer (%s: %s)" % (type(answer).__name__, answer)}
    if not isinstance(answer, dict):
        return {"why": "its answer makes no sense"}
    state = {"why": _one_line(answer.get("why", "")), "token": str(answer.get("token", "")),
             "owner": _one_line(answer.get("owner", "")), "busy": bool(answer.get("busy")),
             "size": answer.get("size", 0)}
    workers = answer.get("workers", {})
    if not isinstance(state["size"], int) or not isinstance(workers, dict):
        return {"why": "its answer makes no sense"}
    return dict(state, names=[name for _, name in sorted((str(one), str(workers[one]))
                                                         for one in workers)])


class _Session:
    """The plugin in the cluster, and what is asked of it."""

    def __init__(self, client, words):
        self.client = client
        self.id = uuid.uuid4().hex
        self.name = "giltracer-" + self.id
        self._settings = {
            "protocol": _dask_worker.PROTOCOL, "session": self.id, "name": self.name,
            "topic": TOPIC, "words": words,
            "owner": "since %s, by process %d on %s; if that has gone: "
                     "client.unregister_worker_plugin(%r)" % (
                         time.strftime("%H:%M:%S"), os.getpid(), socket.gethostname(), self.name)}

    def begin(self):
        """The states of the workers: by address. TraceError: none records, or another does."""
        client, plugin = self.client, _Plugin(self._settings)
        register = getattr(client, "register_plugin", None) or client.register_worker_plugin
        failure = None
        try:
            register(plugin, name=self.name)
        except Exception as error:  # of one worker, perhaps: the others tell
            failure = error
        states = self.ask("state")
        busy = next((state for state in states.values() if state.get("busy")), None)
        if busy:
            raise TraceError(busy["why"])
        if states and all(state["why"] for state in states.values()):
            raise TraceError("no worker can be traced; " + "; ".join(
                sorted({state["why"] for state in states.values()})[:3]))
        if failure is not None and not states:
            raise TraceError("Dask takes no plugin: %s" % _one_line(failure))
        return states

    def ask(self, *what):
        answers = self.client.run(_Call(self._settings), *what, on_error="return")
        return {str(address): _state_of(answer) for address, answer in answers.items()}

    def were_there(self):
        """Addresses of workers that got the plugin, also of those that have gone."""
        events = self.client.get_events(TOPIC)
        return {str(event["worker"]) for _, event in events or ()
                if isinstance(event, dict) and event.get("session") == self.id
                and "worker" in event}

    def fetch(self, address, state, path):
        """Why its report did not come whole, or ""."""
        with open(path, "wb") as file:
            while file.tell() < state["size"]:
                answers = self.client.run(
                    _Call(self._settings), "read", state["token"], file.tell(),
                    min(CHUNK_BYTES, state["size"] - file.tell()), workers=[address],
                    on_error="return")
                data = answers.get(address)
                if not isinstance(data, bytes) or not 0 < len(data) <= CHUNK_BYTES:
                    return "it went before its report was here"
                file.write(data)
        return ""

    def end(self):
        """Why the plugin stays in the cluster, or ""."""
        try:
            self.client.unregister_worker_plugin(self.name)
            return ""
        except Exception as error:
            why = _one_line(error)
        if self.client.status == "closed":
            why = "the client was closed meanwhile"
        return ("recording goes on where the cluster does, for %s: end it by another client's "
                "unregister_worker_plugin(%r)." % (why, self.name))


_traced = set()  # schedulers, by their ids
_traced_lock = threading.Lock()


class trace:
    """Record each worker's process of the client's cluster: trace(client, "report.html").

    `outputs` and `options` are those of giltracer.trace(); without outputs the report is in memory
    only. Workers that join while the block runs are recorded from then on. A worker that cannot be
    recorded, or is gone when the block ends, works on as ever: report.missing says why, and a
    RuntimeWarning. TraceError: none of them can be recorded, or the cluster is being traced already.
    """

    def __init__(self, client, *outputs, **options):
        if not isinstance(client, distributed.Client):
            raise TypeError("the first argument is Dask's Client, not %s" % type(client).__name__)
        if client.asynchronous:
            raise TypeError("an asynchronous Client cannot be waited for: make one without "
                            "asynchronous=True")
        for name in _NOT_OPTIONS:
            if name in options:
                raise TypeError("trace() takes no option %s: %s" % (name, _NOT_OPTIONS[name]))
        self._client = client
        self._outputs = tuple(os.fsdecode(output) for output in outputs)
        _program.output_words(outputs)  # refuses some
        self._words = _program.option_words(
            {name: value for name, value in options.items() if name not in _OF_THE_MERGED})
        self._merge_words = _program.option_words(
            {name: value for name, value in options.items()
             if name in _OF_THE_MERGED or name in _OF_BOTH})
        self._session = self._report = self._scheduler = None

    def __enter__(self):
        self._program = _program.find_beside("perf2trace")
        if not self._program:
            raise TraceError("the program perf2trace is not found, which merges the workers' "
                             "reports: install it beside giltracer, or on PATH")
        with self._merger() as merger:
            merger.check()
        self._claim()
        session = _Session(self._client, self._words)
        try:
            self._known = session.begin()
        except BaseException:
            session.end()
            self._release()
            raise
        self._session, self._report = session, Report(self._outputs)
        return self._report

    @contextlib.contextmanager
    def _merger(self):
        with tempfile.TemporaryDirectory(prefix="giltracer-") as folder:
            yield _Merger(self._program, folder, self._outputs, self._merge_words)

    def _claim(self):
        scheduler = self._client.scheduler_info()["id"]
        with _traced_lock:
            if self._session is not None or scheduler in _traced:
                raise TraceError("the cluster is being traced already, by this process: one "
                                 "recording at a time (end that one first)")
            _traced.add(scheduler)
        self._scheduler = scheduler

    def _release(self):
        with _traced_lock:
            _traced.discard(self._scheduler)

    def __exit__(self, kind, error, traceback):
        report, session = self._report, self._session
        self._report = self._session = None
        failure, left = None, ""
        try:
            with self._merger() as merger:
                try:
                    self._collect(report, session, merger)
                finally:
                    left = session.end()
                self._merge(report, merger)
        except Exception as caught:
            failure = caught if isinstance(caught, TraceError) else TraceError(
                "Dask failed: %s: %s" % (type(caught).__name__, _one_line(caught)))
            report._why = str(failure)
        finally:
            self._release()
        missing = report._lines_of_missing()
        told = missing[:TOLD] + ["%d more." % (len(missing) - TOLD)] * (len(missing) > TOLD)
        told += ["no report: %s" % failure] * (failure is not None and kind is not None)
        if told or left:
            warnings.warn(" ".join(told + [left] * bool(left)), RuntimeWarning, stacklevel=2)
        if failure is not None and kind is None:
            raise failure
        return False

    def _collect(self, report, session, merger):
        states = session.ask("end")
        for address in session.were_there() - set(states) - set(self._known):
            report.missing[address] = "it joined, and left before the block ended"
        for address, before in self._known.items():
            if address not in states:
                report.missing[address] = before["why"] or "it left before the block ended"
            elif before.get("token") != states[address].get("token") and not before["why"]:
                report.missing[address] = ("it was started anew while the block ran: what it did "
                                           "before is lost")
        fetched = {}
        for address, state in sorted(states.items()):
            why = state["why"]
            if not why and state["token"] not in fetched:
                name = _name_of(state["names"], address)
                fetched[state["token"]] = name, self._fetch(session, address, state, merger, name)
            if not why:
                name, why = fetched[state["token"]]
            if why:
                report.missing[address] = why
            else:
                report.workers[address] = name

    @staticmethod
    def _fetch(session, address, state, merger, name):
        """Why its report is not here, or ""."""
        if state["size"] > WORKER_BYTES or merger.bytes + state["size"] > TOTAL_BYTES:
            return ("its report has %d MB, and no more than %d MB are fetched of one worker, and "
                    "%d MB of all: trace a shorter block, or with python_trace=False" %
                    (state["size"] >> 20, WORKER_BYTES >> 20, TOTAL_BYTES >> 20))
        merger.bytes += state["size"]
        why = session.fetch(address, state, merger.file_for(address, name))
        if why:
            merger.leave_out(address)
        return why

    @staticmethod
    def _merge(report, merger):
        if not report.workers:
            reasons = sorted(set(report.missing.values()))[:3]
            raise TraceError("no worker has a report: %s" % ("; ".join(reasons) or
                                                             "none was there in the end"))
        report._set_session(merger)
        try:
            report._finish()
        except TraceError:
            bad = merger.bad_ones()
            if not bad or len(bad) == len(merger.files):
                raise
            # One that cannot be read must not be the end of the others'.
            for address, why in bad.items():
                name = report.workers[address]
                merger.leave_out(address)
                for other in [one for one in report.workers if report.workers[one] == name]:
                    del report.workers[other]
                    report.missing[other] = why
            report._finish()
        report._session = None
