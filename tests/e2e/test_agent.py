# SPDX-License-Identifier: MIT
"""The preloaded agent, by itself: the shared object is preloaded into real interpreters and its
log is read back with agentlog_dump. No perf, no privilege."""

import glob
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict, namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GT_BUILD", ROOT / "build"))
AGENT = BUILD / "libgiltracer-agent.so"
DUMP = BUILD / "agentlog_dump"


def find_interpreters():
    paths = ["/usr/bin/python3"] if os.path.exists("/usr/bin/python3") else []
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for path in sorted(glob.glob(f"{pyenv}/versions/3.*/bin/python3")):
        paths.append(path)
    return paths or [sys.executable]


def version_of(python):
    text = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"],
        stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    return tuple(map(int, text.split()))


VERSIONS = {python: version_of(python) for python in find_interpreters()}
NEWEST = max(VERSIONS, key=VERSIONS.get)


def name_of(path):
    return path.split("/versions/")[-1]


def those_of(wanted):
    return pytest.mark.parametrize("python", [path for path in VERSIONS if wanted(VERSIONS[path])],
                                   ids=name_of)


every_python = those_of(lambda version: True)

Event = namedtuple("Event", "ns pid tid kind rest")


class Log:
    def __init__(self, text):
        self.events, self.warnings, self.quality = [], [], {}
        for line in text.splitlines():
            if line.startswith("#"):
                words = line[2:].split()
                self.quality = {k: int(v) for k, v in zip(words[::2], words[1::2])}
            elif line.startswith("!"):
                self.warnings.append(line[2:])
            else:
                ns, pid, tid, kind, *rest = line.split(" ", 4)
                self.events.append(Event(int(ns), int(pid), int(tid), kind, (rest or [""])[0]))

    def of(self, *kinds):
        return [e for e in self.events if e.kind in kinds]

    def calls(self, file):
        """(event, name) of calls and returns of functions in that file."""
        for event in self.of("call", "return"):
            _flags, _value, function = event.rest.split(" ", 2)
            name, path, _line, _kind = function.rsplit("|", 3)
            if path.endswith(file):
                yield event, name

    def gil(self, pid):
        """Holds and waits by thread. The GIL's condition variables are found by structure: two
        are signalled in turn, and one is waited on, or else is the lower one. Asserts that
        holders never overlap."""
        signals = [e for e in self.of("signal") if e.pid == pid]
        most = [a for a, _ in Counter(e.rest for e in signals).most_common(2)]
        waited = {e.rest for e in self.of("wait") if e.pid == pid}
        released, acquired = sorted(most, key=lambda a: (a not in waited, int(a, 16)))
        holds, waits = Counter(), Counter()
        owner, since, waiting = None, 0, {}
        for e in self.events:
            if e.pid != pid:
                continue
            if e.kind == "wait" and e.rest == released:
                waiting.setdefault(e.tid, e.ns)
            elif e.kind == "signal" and e.rest == acquired:
                assert owner is None, f"{e.tid} takes what {owner} holds"
                owner, since = e.tid, e.ns
                if e.tid in waiting:
                    waits[e.tid] += e.ns - waiting.pop(e.tid)
            elif e.kind == "signal" and e.rest == released and owner is not None:
                assert owner == e.tid, f"{e.tid} drops what {owner} holds"
                holds[e.tid] += e.ns - since
                owner = None
        return holds, waits


@pytest.fixture
def agent(tmp_path):
    directory = tmp_path / "log"
    directory.mkdir(mode=0o700)

    class Agent:
        dir = directory
        process = None

        def env(self, **options):
            env = dict(os.environ, LD_PRELOAD=str(AGENT), GILTRACER_AGENT_DIR=str(directory))
            env.update({f"GILTRACER_AGENT_{k.upper()}": str(v) for k, v in options.items()})
            return env

        def start(self, interpreter, code, **options):
            script = tmp_path / "target.py"
            script.write_text(code)
            return subprocess.Popen([interpreter, str(script), "an argument"], env=self.env(**options),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    universal_newlines=True)

        def run(self, interpreter, code, status=0, **options):
            self.process = self.start(interpreter, code, **options)
            self.out, self.err = self.process.communicate(timeout=120)
            assert self.process.returncode == status, self.err
            return self.log()

        def dump(self, *arguments):
            return subprocess.run([str(DUMP), *arguments, str(directory)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, universal_newlines=True, errors="replace")

        def trim(self):
            """Cut off what was never used of the file, which is sparse."""
            path = directory / "log"
            with path.open("r+b") as stream:
                end = 0
                while True:
                    try:
                        end = os.lseek(stream.fileno(), end, os.SEEK_DATA)
                        end = os.lseek(stream.fileno(), end, os.SEEK_HOLE)
                    except OSError:
                        break
                stream.truncate((end + 65535) // 65536 * 65536)
            return path

        def log(self):
            dump = self.dump()
            assert dump.returncode == 0, dump.stderr
            log = Log(dump.stdout)
            assert log.quality["unordered"] == 0
            return log

    return Agent()


def lifetimes(log):
    born, ended = {}, {}
    for e in log.events:
        if e.kind == "fork":
            born[e.pid, e.tid] = e.ns
        elif e.kind == "exit":
            ended[e.pid, e.tid] = e.ns
    return {key: ended[key] - born[key] for key in born}


TINY_CALLS = """
for _ in range(300):
    for number in range(100000): pass
    str(number).encode()
"""


@every_python
def test_who_loses_its_cpu_as_its_usage_is_read_loses_it_before_what_it_calls(agent, python):
    """That system call is where a used up time slice ends: what is called then is no part of it."""
    log = agent.run(python, TINY_CALLS, python=1)
    encodes = [e for e in log.events if e.kind == "call" and " str.encode|" in e.rest]
    read = {e.ns for e in log.events if e.kind == "usage"}
    assert len(encodes) >= 300 and len(read) > 100, (len(encodes), len(read))
    assert not read & {e.ns for e in encodes}


TWO_THREADS = """
import threading, time
both = threading.Barrier(2)
def work():
    both.wait()
    end = time.time() + 0.5
    while time.time() < end:
        sum(range(2000))
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
"""


@every_python
@pytest.mark.timing
def test_two_threads_share_the_gil(agent, python):
    log = agent.run(python, TWO_THREADS)
    pid = agent.process.pid
    holds, waits = log.gil(pid)
    lives = lifetimes(log)
    workers = [tid for p, tid in lives if p == pid and tid != pid]
    assert len(workers) == 2
    for tid in workers:
        # Half each on an idle machine; a busy one may favour either.
        assert 0.05 < holds[tid] / lives[pid, tid] < 0.95
        assert 0.05 < waits[tid] / lives[pid, tid] < 0.95
        assert holds[tid] + waits[tid] <= lives[pid, tid]
    assert log.quality["dropped"] == 0 and not log.warnings


@every_python
def test_names_without_function_trace(agent, python):
    code = """
import threading, time
threads = [threading.Thread(target=time.sleep, args=(0.2,), name=f"sleeper {i}") for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
"""
    log = agent.run(python, code)
    named = {e.rest for e in log.of("comm") if e.rest.startswith("1 ")}
    assert named == {"1 sleeper 0", "1 sleeper 1", "1 sleeper 2"}
    assert not log.of("call")


HOLDER = """
import ctypes, threading, time
usleep = ctypes.{kind}(None).usleep
ready = threading.Event()
def holder():
    ready.wait()
    for _ in range(5):
        usleep(100000)
        time.sleep(0)
def other():
    ready.set()
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        time.sleep(0.0001)
threads = [threading.Thread(target=f) for f in (holder, other)]
for t in threads: t.start()
for t in threads: t.join()
"""


@pytest.mark.parametrize("kind,low,high", [("PyDLL", 0.45, 0.55), ("CDLL", 0, 0.035)])
@pytest.mark.timing
def test_wait_of_known_length(agent, kind, low, high):
    log = agent.run(NEWEST, HOLDER.format(kind=kind))
    _holds, waits = log.gil(agent.process.pid)
    assert low <= max(waits.values(), default=0) / 1e9 <= high


def test_single_thread_never_waits(agent):
    log = agent.run(NEWEST, "import os\nfor _ in range(20000): os.stat('/')\n")
    holds, waits = log.gil(agent.process.pid)
    assert not waits and len(log.of("signal")) > 40000
    assert holds[agent.process.pid] > 0


FUNCTIONS = """
import threading, time
class A:
    def method(self, n):
        return [self.get(i) for i in range(n)]
    def get(self, i):
        return len(str(i))
def generator():
    yield 1
    yield 2
def boom():
    raise ValueError
def outer():
    def inner(): return 5
    return inner()
def work():
    A().method(3); list(generator()); outer()
    try: boom()
    except ValueError: pass
    threading.current_thread().name = "renamed"
    time.sleep(0.001)
thread = threading.Thread(target=work, name="worker A")
thread.start()
thread.join()
work()
import gc
gc.collect()
"""


@every_python
def test_functions_of_all_threads(agent, python):
    log = agent.run(python, FUNCTIONS, python=1)
    pid = agent.process.pid
    calls, stacks = defaultdict(Counter), defaultdict(list)
    for event, name in log.calls("target.py"):
        if event.kind == "call":
            calls[event.tid][name] += 1
            stacks[event.tid].append(name)
        else:
            assert stacks[event.tid].pop() == name
    assert len(calls) == 2
    for tid, seen in calls.items():
        assert seen["work"] == seen["A.method"] == seen["boom"] == seen["outer"] == 1
        assert seen["outer.<locals>.inner"] == 1
        assert seen["A.get"] == seen["generator"] == 3
        assert (seen["<module>"] == 1) == (tid == pid)
    names = [(e.tid == pid, e.rest) for e in log.of("comm") if e.rest.startswith("1 ")]
    assert names == [(False, "1 worker A"), (False, "1 renamed"), (True, "1 renamed")]
    assert any("gc.collect generation 2|" in e.rest for e in log.of("call"))
    assert sum("sleep|time|" in e.rest for e in log.of("call")) == 2
    unwound = [n for e, n in log.calls("target.py") if e.kind == "return" and e.rest[0] == "8"]
    assert unwound == ["boom", "boom"]
    if VERSIONS[python] >= (3, 12):
        flags = [e.rest[0] for e, n in log.calls("target.py") if n == "generator" and e.tid == pid]
        assert flags == ["0", "4", "1", "4", "1", "0"]  # call, yield, resume, yield, resume, return


EMBEDDER = """
#include <dlfcn.h>
int main(int argc, char **argv)
{
    void *library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 1;
    for (int i = 0; i < 2; i++) {
        ((void (*)(void))dlsym(library, "Py_Initialize"))();
        ((int (*)(const char *))dlsym(library, "PyRun_SimpleString"))(
            "import threading\\n"
            "def inner(): return sum(range(10))\\n"
            "def work(): inner()\\n"
            "t = threading.Thread(target=work)\\nt.start()\\nt.join()\\nwork()\\n");
        ((void (*)(void))dlsym(library, "Py_Finalize"))();
    }
    return 0;
}
"""


def with_library():
    """(interpreter, its shared library) of those that have one, and that tell of their end."""
    where = "import sysconfig as s; v = s.get_config_var; print(v('LIBDIR') + '/' + v('INSTSONAME'))"
    for python, version in VERSIONS.items():
        library = subprocess.check_output([python, "-c", where], universal_newlines=True).strip()
        if version >= (3, 8) and os.path.exists(library) and ".so" in library:
            yield python, library


@pytest.mark.parametrize("python,library", with_library(), ids=name_of)
def test_embedded_and_initialised_twice(agent, python, library, tmp_path):
    source, program = tmp_path / "embed.c", tmp_path / "embed"
    source.write_text(EMBEDDER)
    subprocess.run(["cc", "-o", str(program), str(source), "-ldl"], check=True)
    env = dict(agent.env(python=1), PYTHONHOME=str(Path(python).parents[1]))
    subprocess.run([str(program), library], env=env, check=True)
    log = agent.log()
    calls = Counter((e.kind, n) for e, n in log.calls("<string>") if n in ("inner", "work"))
    assert set(calls.values()) == {4} and len(calls) == 4 and not log.warnings


@every_python
def test_target_cannot_tell(agent, python):
    code = """
import sys, threading
print(sys.argv, sys.path, sorted(globals()), sys.getprofile(), sys.gettrace(), __name__)
print(threading.active_count(), sys.getrecursionlimit(), sys.flags)
looks = []
class Curious(threading.Thread):
    def __getattribute__(self, name):
        looks.append(name)
        return super().__getattribute__(name)
thread = Curious(target=len, args=((),), name="curious")
thread.start()
thread.join()
thread.name = "renamed"
print(looks)
"""
    agent.run(python, code, python=1)
    traced = agent.out
    plain = subprocess.run(agent.process.args, stdout=subprocess.PIPE, universal_newlines=True,
                           check=True)
    assert traced == plain.stdout and agent.err == ""
    assert agent.log().quality["dropped"] == 0


@every_python
def test_times_are_monotonic_nanoseconds(agent, python):
    code = """
import time
now = getattr(time, "monotonic_ns", lambda: int(time.monotonic() * 1e9))
def marker(): pass
for _ in range(50):
    before = now(); marker(); after = now()
    print(before, after)
    time.sleep(0.002)
"""
    log = agent.run(python, code, python=1)
    calls = [e.ns for e, name in log.calls("target.py") if name == "marker" and e.kind == "call"]
    bounds = [tuple(map(int, line.split())) for line in agent.out.splitlines()]
    assert len(calls) == len(bounds) == 50
    for ns, (before, after) in zip(calls, bounds):
        assert before - 2000 <= ns <= after + 2000


@every_python
def test_profile_hook_of_the_target(agent, python):
    """Theirs has its way; before 3.12 there is one only, and ours comes back behind it."""
    code = """
import os, sys, threading
seen = []
def hook(frame, event, arg): seen.append(event)
def mine(): pass
def while_hooked():
    sys.setprofile(hook); mine(); mine(); sys.setprofile(None)
def after(): mine()
def work():
    while_hooked()
    os.stat("/"); os.stat("/")
    after()
while_hooked()
%s
after()
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(seen.count("call"), sys.getprofile())
"""
    version = VERSIONS[python]
    # Before 3.8 nobody tells that theirs is gone; a use of the GIL lets the agent look.
    look = "" if version >= (3, 8) else "threading.Thread(target=int).start(); os.stat('/')"
    log = agent.run(python, code % look, python=1)
    assert agent.out == "4 None\n"
    stacks, names = defaultdict(list), Counter()
    for event, name in log.calls("target.py"):
        if event.kind == "call":
            names[name, "/".join(stacks[event.tid][-1:])] += 1
            stacks[event.tid].append(name)
        else:
            assert stacks[event.tid].pop() == name
    assert not any(stacks.values())
    assert sum(n for (name, _), n in names.items() if name == "after") == 2
    assert names["mine", "after"] == 2
    assert names["mine", "while_hooked"] == (4 if version >= (3, 12) else 0)
    said = [w for w in log.warnings if "sys.setprofile" in w]
    assert len(said) == (0 if version >= (3, 12) else 1)


SUBINTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import threading
code = 'import threading\\ndef inner(n):\\n  return sum(range(n))\\n' \
       'def work():\\n  for _ in range(3): inner(1000)\\n' \
       't = threading.Thread(target=work); t.start(); t.join()\\nwork()\\n'
def run():
    new = interpreters.create()
    interpreters.run_string(new, code)
    interpreters.destroy(new)
run()
thread = threading.Thread(target=run)
thread.start()
thread.join()
run()
"""


@those_of(lambda version: version in ((3, 8), (3, 12), (3, 13)))  # whose can start threads
def test_functions_of_sub_interpreters(agent, python):
    log = agent.run(python, SUBINTERPRETERS, python=1)
    calls = Counter((e.kind, n) for e, n in log.calls("<string>"))
    assert calls["call", "inner"] == calls["return", "inner"] == 18
    assert calls["call", "work"] == calls["return", "work"] == 6
    inner = {e.tid for e, n in log.calls("<string>") if n == "inner"}
    assert len(inner) == 5 and agent.process.pid in inner
    assert not log.warnings and log.quality["dropped"] == 0


def test_profilers_of_the_target_work(agent):
    code = """
import cProfile, sys
def mine(): pass
p = cProfile.Profile()
p.enable(); mine(); p.disable()
print(any("mine" in str(k) for k in map(lambda s: s.code, p.getstats())))
"""
    for python in VERSIONS:
        agent.run(python, code, python=1)
        assert agent.out == "True\n"


FILTERED = """
import time
def leaf(): pass
def middle(): leaf()
def top(): middle()
def slow(): time.sleep(0.01)
for _ in range(10): top()
slow()
"""


@every_python
@pytest.mark.parametrize("options,expected", [
    ({}, {"top": 10, "middle": 10, "leaf": 10, "slow": 1}),
    ({"min_ns": 5000000}, {"slow": 1}),
    ({"exclude": "*/target.py"}, {}),
    ({"include": "*/other.py\n*/target.py"}, {"top": 10, "middle": 10, "leaf": 10, "slow": 1}),
    ({"include": "*/other.py"}, {}),
])
def test_filters(agent, python, options, expected):
    log = agent.run(python, FILTERED, python=1, **options)
    names = Counter(n for e, n in log.calls("target.py") if e.kind == "call")
    names.pop("<module>", None)
    assert names == expected
    if options.get("include") == "*/other.py":
        assert not [e for e in log.of("call") if "|gc|" not in e.rest]


@every_python
def test_depth_and_c_calls(agent, python):
    code = "def f(n):\n    return n and f(n - 1) + abs(n)\nf(50)\n"
    log = agent.run(python, code, python=1, max_depth=20, c_calls=0)
    depth = deepest = 0
    for event in log.of("call", "return"):
        if "|gc|" not in event.rest:
            depth += 1 if event.kind == "call" else -1
            deepest = max(deepest, depth)
    calls = [e for e, n in log.calls("target.py") if n == "f"]
    assert deepest == 20 and 0 < len(calls) <= 40 and len(calls) % 2 == 0
    assert not any(e.rest.endswith("|1") for e in log.of("call"))


@those_of(lambda version: version == VERSIONS[NEWEST] >= (3, 12))
@pytest.mark.timing
def test_budget_switches_off_what_drowns_the_rest(agent, python):
    code = """
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def once(): fib(27)
once()
"""
    log = agent.run(python, code, python=1, budget=15)
    off = [e.rest.split(" ", 2) for e in log.of("untraced")]
    assert any(f.startswith("fib|") and int(calls) >= 256 for _, calls, f in off)
    names = Counter(n for e, n in log.calls("target.py"))
    assert names["once"] == 2 and names["fib"] < 1200000


def test_a_place_that_calls_all_sorts(agent):
    """It is looked at as long as functions of C are called from it."""
    code = """
class Thing: pass
def mine(x): return x
def work():
    for i in range(40000): (mine if i % 2 else abs)(i)
    for i in range(20000): Thing()
work()
"""
    log = agent.run(NEWEST, code, python=1, budget=0)
    calls = Counter(e.rest.split(" ", 2)[2].split("|")[0] for e in log.of("call"))
    assert calls["abs"] == calls["mine"] == 20000
    assert len(log.of("untraced")) == (1 if VERSIONS[NEWEST] >= (3, 12) else 0)


def test_import_before_tracing(agent):
    log = agent.run(NEWEST, "import sys; print('colorsys' in sys.modules)", python=1,
                    **{"import": "colorsys,no.such.module"})
    assert agent.out == "True\n"
    assert any("cannot import no.such.module" in w for w in log.warnings)


@every_python
def test_fifty_children(agent, python):
    code = """
import os, time
def child(): time.sleep(0.001)
pids = []
for _ in range(50):
    pid = os.fork()
    if not pid:
        child()
        os._exit(7)
    pids.append(pid)
print(*pids)
for pid in pids: assert os.waitpid(pid, 0)[1] == 7 << 8
"""
    log = agent.run(python, code, python=1)
    children = set(map(int, agent.out.split()))
    forks = {e.pid: e.rest for e in log.of("fork") if e.pid in children}
    parent = agent.process.pid
    assert set(forks) == children and set(forks.values()) == {f"{parent} {parent}"}
    assert {e.pid for e, n in log.calls("target.py") if n == "child"} == children
    assert {e.pid for e in log.of("exit")} == children | {parent}


@every_python
@pytest.mark.parametrize("death,status", [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ("import os; os._exit(9)", 9),
    ("import sys; sys.exit(8)", 8),
    ("import os, sys; os.execv(sys.executable, ['p', '-c', 'import time; time.sleep(0)'])", 0),
])
def test_nothing_is_lost_at_the_end(agent, python, death, status):
    code = f"import time\ndef last(): pass\nfor _ in range(100): time.sleep(0)\nlast()\n{death}\n"
    log = agent.run(python, code, status=status, python=1)
    assert [n for e, n in log.calls("target.py") if e.kind == "call"].count("last") == 1
    assert len(log.of("exit")) == 1 and log.quality["damaged"] == 0
    assert len(log.of("exec")) == (2 if "exec" in death else 1)


@pytest.mark.timing
def test_end_of_a_child_that_computes(agent):
    """os._exit long after the last use of the GIL: the exit is when it was."""
    code = """
import os, time
pid = os.fork()
if not pid:
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end: pass
    os._exit(0)
os.waitpid(pid, 0)
"""
    log = agent.run(NEWEST, code)
    lives = lifetimes(log)
    child = [ns for (pid, _), ns in lives.items() if pid != agent.process.pid]
    assert len(child) == 1 and 0.3e9 <= child[0] < 1.0e9


POOLS = """
import sys, multiprocessing, concurrent.futures as futures
def square(n): return n * n
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(20)) == [n * n for n in range(20)]
    with futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, range(20))) == [n * n for n in range(20)]
    with futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(20))) == [n * n for n in range(20)]
"""


@every_python
def test_pools(agent, python):
    log = agent.run(python, POOLS, python=1)
    squares = [e for e, n in log.calls("target.py") if n == "square" and e.kind == "call"]
    assert len(squares) == 100
    assert len({e.pid for e in squares}) >= 5
    assert log.quality["damaged"] == 0 and log.quality["dropped"] == 0


def test_many_threads_lose_nothing(agent):
    code = """
import os, threading
f = os.open("/dev/zero", os.O_RDONLY)
def work():
    for _ in range(1500): os.lseek(f, 0, 0)
threads = [threading.Thread(target=work) for _ in range(64)]
for t in threads: t.start()
for t in threads: t.join()
"""
    log = agent.run(NEWEST, code)
    pid = agent.process.pid
    log.gil(pid)
    signals = Counter(e.tid for e in log.of("signal"))
    workers = [n for tid, n in signals.items() if tid != pid]
    assert len(workers) == 64 and min(workers) >= 2 * 1500
    assert log.quality["dropped"] == 0


def test_size_is_bounded(agent):
    code = "import os\nfor _ in range(200000): os.stat('/')\n"
    log = agent.run(NEWEST, code, max_bytes=512 * 1024)
    assert log.quality["bytes"] <= 512 * 1024
    assert log.quality["stopped"] > 0 and len(log.of("stopped")) == 1
    assert 20000 < len(log.of("signal")) < 300000  # of 400,000; most take two bytes


@pytest.mark.needs_root
def test_full_disk(agent):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k,mode=700", "none", agent.dir],
                   check=True)
    try:
        log = agent.run(NEWEST, "import os\nfor _ in range(100000): os.stat('/')\nprint('done')\n")
        assert agent.out == "done\n"
        (stopped,) = log.of("stopped")
        assert stopped.pid == agent.process.pid and "No space left" in stopped.rest
        assert len(log.of("signal")) > 1000
        assert all(e.ns <= stopped.ns for e in log.of("signal"))
    finally:
        subprocess.run(["umount", agent.dir], check=True)


def test_folder_must_be_private(agent):
    agent.dir.chmod(0o755)
    process = agent.start(NEWEST, "print('runs')")
    assert process.communicate()[0] == "runs\n"
    assert list(agent.dir.iterdir()) == []
    agent.dir.chmod(0o700)
    dump = agent.dump()
    assert dump.returncode == 1 and len(dump.stderr.splitlines()) == 1
    assert "agent was not loaded" in dump.stderr


def test_descriptors_are_left_alone(agent):
    code = """
import os
print(sorted(int(f) for f in os.listdir("/proc/self/fd"))[:-1])
os.closerange(3, 100)
fd = os.open("/dev/null", os.O_WRONLY)
for _ in range(20000): os.stat("/")
print(fd)
"""
    log = agent.run(NEWEST, code, python=1)
    assert agent.out == "[0, 1, 2]\n3\n"
    assert len(log.of("signal")) > 40000


def test_other_programs_leave_no_log(agent):
    code = "import subprocess; print(subprocess.check_output(['sh', '-c', 'ls /; sort /etc/passwd']))"
    log = agent.run(NEWEST, code)
    assert log.quality["processes"] == 1


def test_damaged_logs(agent):
    agent.run(NEWEST, FUNCTIONS, python=1)
    agent.trim()
    chosen = random.Random(7)
    originals = {path: path.read_bytes() for path in agent.dir.iterdir()}
    for attempt in range(300):
        for path, data in originals.items():
            data = bytearray(data)
            for _ in range(chosen.choice((0, 1, 8, 200))):
                data[chosen.randrange(min(len(data), chosen.choice((64, 1024, 10**9))))] = \
                    chosen.randrange(256)
            if chosen.random() < 0.3:
                data = data[:chosen.randrange(len(data))]
            path.write_bytes(data)
        dump = agent.dump("-q")
        assert dump.returncode in (0, 1), (attempt, dump.returncode, dump.stderr)
        if dump.returncode:
            assert len(dump.stderr.splitlines()) == 1


def test_truncated_log_gives_what_was_there(agent):
    agent.run(NEWEST, "import os\nfor _ in range(300000): os.stat('/')\n")
    whole = agent.log()
    path = agent.trim()
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2 + 5])
    cut = agent.log()
    assert 0.2 < len(cut.events) / len(whole.events) < 0.9
    assert cut.quality["damaged"] == 1 and any("cut short" in w for w in cut.warnings)
    assert len(cut.of("lost")) == 1
    # Nobody knows whose units the missing ones were: of no process is the rest known.
    stopped, = cut.of("stopped")
    assert stopped.rest.endswith("its log is damaged") and stopped.ns <= cut.events[0].ns
