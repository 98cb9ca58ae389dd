# SPDX-License-Identifier: MIT
"""The agent that is loaded into a program that runs already: here by the program itself, with
ctypes. Its log is read back with agentlog_dump. No perf, no privilege."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter

import pytest

from harness import require
from test_agent import AGENT, BUILD, DUMP, Log, NEWEST, VERSIONS, every_python, name_of, those_of

EALREADY, EBUSY, EINVAL, ENOTCONN = 114, 16, 22, 107

# What each program begins with: attach(folder), detach().
PROLOGUE = """
import ctypes, os, sys, threading, time
_agent = ctypes.PyDLL({agent!r})
_agent.gt_agent_attach.argtypes = [ctypes.c_char_p]
def attach(number=0, **settings):
    folder = os.path.join({folder!r}, str(number))
    os.path.isdir(folder) or os.mkdir(folder, 0o700)
    settings.setdefault("dir", folder)
    text = "".join("GILTRACER_AGENT_%s=%s\\n" % (key.upper(), value)
                   for key, value in settings.items())
    return _agent.gt_agent_attach(text.encode())
def detach():
    return _agent.gt_agent_detach()
"""


def some_pythons():
    """The oldest, the newest, and the distribution's, which is stripped; the rest with --long."""
    some = {min(VERSIONS, key=VERSIONS.get), NEWEST, "/usr/bin/python3"}
    return pytest.mark.parametrize("python", [
        pytest.param(path, id=name_of(path), marks=[] if path in some else pytest.mark.long)
        for path in VERSIONS])


class Late:
    def __init__(self, folder):
        self.folder = folder

    def run(self, python, code, status=0, env=None):
        script = self.folder / "target.py"
        script.write_text(PROLOGUE.format(agent=str(AGENT), folder=str(self.folder)) + code)
        done = subprocess.Popen([python, str(script)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, universal_newlines=True,
                                env=dict(os.environ, **(env or {})))
        self.pid = done.pid
        self.out, self.err = done.communicate(timeout=60)
        assert done.returncode == status, self.err
        assert not self.err
        return self.out

    def log(self, number=0):
        done = subprocess.run([str(DUMP), str(self.folder / str(number))], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, errors="replace")
        assert done.returncode == 0, done.stderr
        log = Log(done.stdout)
        assert log.quality["unordered"] == 0
        return log


@pytest.fixture
def late(tmp_path):
    return Late(tmp_path)


def open_at_start(log, tid, file="target.py"):
    """The calls of a thread before its first other event."""
    names = []
    for event, name in log.calls(file):
        if event.tid == tid:
            if event.kind != "call":
                break
            names.append(name)
    return names


HOLDER = """
usleep = ctypes.PyDLL(None).usleep
go, done = threading.Event(), threading.Event()
held = 0
def keep():
    global held
    begin = time.monotonic()
    usleep(100000)
    held += time.monotonic() - begin  # longer on a busy machine
def holder():
    go.wait()
    for _ in range(5):
        keep()
        time.sleep(0.01)
    done.set()
def waiter():
    go.wait()
    while not done.is_set():
        time.sleep(0.0001)
threads = [threading.Thread(target=f, name=f.__name__) for f in (holder, waiter)]
for t in threads: t.start()
time.sleep(0.05)
assert attach(python=1) == 0
go.set()
for t in threads: t.join()
assert detach() == 0
print(held)
"""


@every_python
@pytest.mark.timing
def test_a_wait_of_known_length_in_threads_that_run_already(late, python):
    held = float(late.run(python, HOLDER))
    log = late.log()
    tids = {e.rest[2:]: e.tid for e in log.of("comm") if e.rest.startswith("1 ")}
    assert set(tids) == {"holder", "waiter"}
    _holds, waits = log.gil(late.pid)
    assert abs(waits[tids["waiter"]] / 1e9 - held) <= held / 20
    kept = [e for e, name in log.calls("target.py") if name.endswith("keep")]
    assert [e.kind for e in kept] == ["call", "return"] * 5
    assert {e.tid for e in kept} == {tids["holder"]}
    assert open_at_start(log, tids["holder"])[0] == "holder"
    assert open_at_start(log, late.pid)[0] == "<module>"
    assert log.quality["dropped"] == 0 and not log.warnings


STATE = """
import gc, subprocess
def entries():
    # What the interpreter's GOT has for the functions that the agent replaces.
    address = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value
    maps = [(line.split()[-1], *(int(one, 16) for one in line.split()[0].split("-")))
            for line in open("/proc/self/maps")]
    owner, = [path for path, start, end in maps if start <= address < end]
    base = min(start for path, start, _end in maps if path == owner)
    found = {{}}
    for line in relocations(owner):
        words = line.split()
        if len(words) > 4 and words[4].split("@")[0] in {names}:
            at = int(words[0], 16)
            found[words[4]] = ctypes.c_uint64.from_address(at if at >= base else base + at).value
    return found
def relocations(owner, known={{}}):
    if owner not in known:
        known[owner] = subprocess.run(["readelf", "-rW", owner], stdout=subprocess.PIPE,
                                      check=True).stdout.decode().splitlines()
    return known[owner]
def hooks():
    tools = [sys.monitoring.get_tool(i) for i in range(6)] if sys.version_info >= (3, 12) else []
    return sys.getprofile(), sys.gettrace(), list(gc.callbacks), tools
"""

UNDONE = STATE + """
def other():
    while not over:
        time.sleep(0.001)
over = False
thread = threading.Thread(target=other)
thread.start()
hashlib = __import__("hashlib")
before = entries(), hooks()
for number in range(3):
    assert attach(number, python=1) == 0
    assert set(entries().values()).isdisjoint(before[0].values()) and before[0]
    time.sleep(0.02)
    assert detach() == 0
    assert (entries(), hooks()) == before
size = os.stat(os.path.join({folder!r}, "2", "log")).st_blocks
for _ in range(200):
    time.sleep(0)
assert os.stat(os.path.join({folder!r}, "2", "log")).st_blocks == size
assert detach() == {enotconn}
over = True
thread.join()
maps = open("/proc/self/maps").read()
assert {folder!r} not in maps
assert {folder!r} not in " ".join(os.readlink("/proc/self/fd/" + fd) for fd in
    os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
"""


@some_pythons()
def test_detaching_undoes_all(late, python):
    late.run(python, UNDONE.format(folder=str(late.folder), enotconn=ENOTCONN, names=(
        "pthread_cond_signal", "pthread_cond_timedwait", "sem_post", "sem_timedwait")))
    for number in range(3):
        log = late.log(number)
        assert log.of("signal") and log.of("call")
        assert {name for _e, name in log.calls("target.py")} >= {"<module>", "other"}


@some_pythons()
def test_open_calls_return(late, python):
    """What is open when the agent comes ends when it ends, also in a thread that is blocked."""
    late.run(python, """
lock = threading.Lock()
def inner():
    with lock:
        pass
def outer():
    inner()
    time.sleep(0.01)
lock.acquire()
thread = threading.Thread(target=outer, name="blocked")
thread.start()
time.sleep(0.05)
def main():
    assert attach(python=1) == 0
    lock.release()
    thread.join()
    time.sleep(0.01)
main()
time.sleep(0.01)
""")
    log = late.log()
    tid, = {e.tid for e in log.of("comm") if e.rest == "1 blocked"}
    assert open_at_start(log, tid) == ["outer", "inner"]
    of_thread = [(e.kind, name) for e, name in log.calls("target.py") if e.tid == tid]
    assert of_thread == [("call", "outer"), ("call", "inner"), ("return", "inner"),
                         ("return", "outer")]
    main = [(e.kind, name) for e, name in log.calls("target.py") if e.tid == late.pid]
    assert main[:2] == [("call", "<module>"), ("call", "main")] and ("return", "main") in main


@some_pythons()
def test_forked_children_follow(late, python):
    late.run(python, """
assert attach(python=1) == 0
def in_child():
    time.sleep(0.01)
child = os.fork()
if not child:
    in_child()
    os._exit(0)
assert os.waitpid(child, 0) == (child, 0)
print(child)
assert detach() == 0
child = os.fork()
if not child:
    in_child()
    os._exit(detach() != %d)
assert os.waitpid(child, 0) == (child, 0)
""" % ENOTCONN)
    log, child = late.log(), int(late.out)
    assert {(e.pid, name) for e, name in log.calls("target.py")
            if name == "in_child"} == {(child, "in_child")}
    assert [e.pid for e in log.of("exit")].count(child) and log.of("signal")
    assert {e.pid for e in log.of("signal")} == {late.pid, child}


@some_pythons()
def test_a_forked_child_ends_by_itself(late, python):
    """Its parent is detached from, and nobody comes to detach from the child."""
    late.run(python, (STATE + """
before = entries(), hooks()
assert attach(python=1) == 0
child = os.fork()
if not child:
    assert set(entries().values()).isdisjoint(before[0].values())
    end = time.monotonic() + 20
    while (entries(), hooks()) != before and time.monotonic() < end:
        time.sleep(0.001)
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < end:
        time.sleep(0.001)
    os._exit(time.monotonic() > end or {folder!r} in open("/proc/self/maps").read())
time.sleep(0.3)
assert detach() == 0
assert os.waitpid(child, 0) == (child, 0)
""").format(folder=str(late.folder), names=("pthread_cond_signal",)))


@some_pythons()
def test_a_profile_hook_of_the_program_stays(late, python):
    late.run(python, """
seen = []
def hook(frame, event, argument):
    seen.append(frame.f_code.co_name)
def traced():
    return 1
sys.setprofile(hook)
assert attach(python=1) == 0
traced()
assert sys.getprofile() is hook
assert detach() == 0
traced()
assert sys.getprofile() is hook
sys.setprofile(None)
assert seen.count("traced") == 4, seen
""")


def test_refusals(late):
    late.run(NEWEST, """
os.environ["GILTRACER_AGENT_PYTHON"] = "1"   # what the environment says is not for it
assert detach() == {ENOTCONN}
assert attach(dir="/tmp") == {EINVAL}
assert attach(what=1) == {EINVAL}
assert attach(dir={folder!r} + "/none") != 0
assert attach() == 0
assert attach(1) == {EALREADY}
sum(map(abs, range(10)))
assert detach() == 0
assert detach() == {ENOTCONN}
""".format(folder=str(late.folder), ENOTCONN=ENOTCONN, EINVAL=EINVAL, EALREADY=EALREADY))
    assert late.log().of("signal") and not late.log().of("call")


@some_pythons()
def test_attaching_and_detaching_at_once(late, python):
    """As after a giltracer that was killed in the middle. The program sees nothing of it."""
    late.run(python, """
sys.setswitchinterval(1e-5)
told, over = set(), False
def other():
    while not over:
        told.add(detach())
        time.sleep(0.0005)
thread = threading.Thread(target=other)
thread.start()
for _ in range(25):
    result = attach(python=1)
    assert result in (0, {EBUSY}, {EALREADY}), result
    sum([1] * 100)
    for name in ("control", "log"):
        try:
            os.unlink(os.path.join({folder!r}, "0", name))
        except OSError:
            pass
over = True
thread.join()
while detach() == {EBUSY}:
    time.sleep(0.001)
assert detach() == {ENOTCONN}
assert told <= {{0, {EBUSY}, {ENOTCONN}}} and {EBUSY} in told, told
""".format(folder=str(late.folder), EBUSY=EBUSY, EALREADY=EALREADY, ENOTCONN=ENOTCONN))


def test_a_preloaded_agent_is_there_already(late):
    folder = late.folder / "preloaded"
    folder.mkdir(0o700)
    late.run(NEWEST, "assert attach() == %d\nassert detach() == %d\n" % (EALREADY, ENOTCONN),
             env={"LD_PRELOAD": str(AGENT), "GILTRACER_AGENT_DIR": str(folder)})


def test_a_second_copy_is_refused(late):
    """Another giltracer's agent, from another place."""
    other = late.folder / "other.so"
    other.write_bytes(AGENT.read_bytes())
    late.run(NEWEST, """
assert attach() == 0
other = ctypes.PyDLL({other!r})
os.mkdir({folder!r}, 0o700)
assert other.gt_agent_attach(b"GILTRACER_AGENT_DIR=" + {folder!r}.encode()) == {EBUSY}
assert other.gt_agent_detach() == {ENOTCONN}
assert detach() == 0
assert other.gt_agent_attach(b"GILTRACER_AGENT_DIR=" + {folder!r}.encode()) == 0
assert attach(1) == {EBUSY}
assert other.gt_agent_detach() == 0
assert attach(2) == 0
""".format(other=str(other), folder=str(late.folder / "b"), EBUSY=EBUSY, ENOTCONN=ENOTCONN))
    assert late.log().of("signal") and late.log("b").of("signal")


def test_modules_that_are_loaded_later(late):
    """A module that was not there when the agent came: what it calls is seen, too."""
    source = late.folder / "later.c"
    source.write_text("""
#include <pthread.h>
int name_me(void) { return pthread_setname_np(pthread_self(), "named later"); }
""")
    library = late.folder / "later.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    late.run(NEWEST, """
assert attach() == 0
later = ctypes.CDLL({library!r})
time.sleep(0.001)
assert later.name_me() == 0
""".format(library=str(library)))
    assert [e.tid for e in late.log().of("comm") if e.rest == "0 named later"] == [late.pid]


def test_a_library_is_looked_for_as_ever(late):
    """dlopen searches the paths of the object that calls it, which must not become the agent's."""
    (late.folder / "lib").mkdir()
    for name, source, more in (
            ("lib/libwanted.so", "int wanted(void) { return 7; }", []),
            ("caller.so", "#include <dlfcn.h>\nvoid *find(void)"
                          " { return dlopen(\"libwanted.so\", RTLD_NOW); }",
             ["-Wl,-rpath," + str(late.folder / "lib")])):
        path = late.folder / "source.c"
        path.write_text(source)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(late.folder / name), str(path)] + more,
                       check=True)
    late.run(NEWEST, """
caller = ctypes.CDLL({caller!r})
caller.find.restype = ctypes.c_void_p
assert attach() == 0
time.sleep(0.001)
assert caller.find()
""".format(caller=str(late.folder / "caller.so")))


@some_pythons()
def test_many_times_in_a_row(late, python):
    """Under threads that come, work and go. Nothing of the process grows."""
    late.run(python, """
import shutil
over = False
def short():
    sum(range(100))
def busy():
    while not over:
        one = threading.Thread(target=short)
        one.start()
        one.join()
threads = [threading.Thread(target=busy) for _ in range(3)]
for t in threads: t.start()
def resident():
    return int([l for l in open("/proc/self/status") if l.startswith("VmRSS")][0].split()[1])
def once():
    assert attach(python=1) == 0
    time.sleep(0.002)
    assert detach() == 0
    shutil.rmtree(os.path.join({folder!r}, "0"))
for _ in range(4): once()
before = resident(), len(os.listdir("/proc/self/fd")), len(open("/proc/self/maps").readlines())
for _ in range(8): once()
after = resident(), len(os.listdir("/proc/self/fd")), len(open("/proc/self/maps").readlines())
over = True
for t in threads: t.join()
assert after[0] <= before[0] + 1024 and after[1] == before[1] and after[2] <= before[2] + 16, (
    before, after)
""".format(folder=str(late.folder)))


@pytest.mark.timing
@those_of(lambda version: version in ((3, 8), (3, 13)) or version == VERSIONS[NEWEST])
def test_what_remains_costs_nothing(late, python):
    """A loop of GIL cycles before, and after detaching."""
    ratio = float(late.run(python, """
import statistics
import gc
def loop():
    begin = time.process_time()
    for _ in range(2000):
        os.stat("/")
    return time.process_time() - begin
gc.disable()
loop()
before, after = [], []
# In turn, in two processes that differ in nothing else: an attached one would be slower alone.
reader, writer = os.pipe()
def times(count):
    return min(loop() for _ in range(count))
ready = [os.pipe() for _ in range(2)]
pid = os.fork()
if not pid:
    turn, answer = ready[0][0], ready[1][1]
    while os.read(turn, 1) == b"x":
        os.write(answer, b"%20.9f" % times(7))
    os._exit(0)
assert attach(python=1) == 0
loop()
assert detach() == 0
loop()
ratios = []
for _ in range(31):
    mine = times(7)
    os.write(ready[0][1], b"x")
    ratios.append(mine / float(os.read(ready[1][0], 20)))
os.write(ready[0][1], b"q")
os.waitpid(pid, 0)
print(statistics.median(ratios))
"""))
    print("%.4f of the time before" % ratio)
    assert ratio <= 1.02


@those_of(lambda version: version < (3, 11))
def test_functions_that_were_defined_long_ago_have_their_qualified_names(late, python):
    late.run(python, """
class Outer:
    class Inner:
        def method(self):
            def nested():
                pass
            nested()
def factory():
    def made():
        pass
    return made
made = factory()
inner = Outer.Inner()
assert attach(python=1) == 0
inner.method()
made()
""")
    names = {name for _e, name in late.log().calls("target.py")}
    assert names >= {"Outer.Inner.method", "Outer.Inner.method.<locals>.nested",
                     "factory.<locals>.made", "<module>"}, names


@pytest.mark.parametrize("compiler", ["IPython.core.compilerop.CachingCompiler",
                                      "ipykernel.compiler.XCachingCompiler"])
def test_functions_of_notebook_cells_have_the_cells_names(late, compiler):
    module, name = compiler.rsplit(".", 1)
    try:
        __import__(module)
    except ImportError as error:
        require(str(error))
    late.run("/usr/bin/python3", """
from importlib import import_module
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.compile = getattr(import_module({module!r}), {name!r})()
def cell(text):
    shell.run_cell(text, store_history=True).raise_error()
cell("1 + 1")
cell("import time\\n\\ndef first():\\n    time.sleep(0)")
assert attach(python=1) == 0
cell("first()\\ndef second():\\n    first()\\nsecond()")
assert detach() == 0
""".format(module=module, name=name))
    cells = {name: e.rest.rsplit("|", 3)[1:3] for e, name in late.log().calls("]")}
    assert cells["first"] == ["Cell [2]", "3"] and cells["second"] == ["Cell [3]", "2"], cells


def results(text):
    """{test: outcome} of CPython's own tests, run with -v."""
    found = {}
    for name, where, outcome in re.findall(
            r"(?m)^(\w+) \(([\w.]+)\)(?:\n.*)? \.\.\. (?:.*\n)*?.*?(ok|FAIL|ERROR|skipped)\b", text):
        found["%s.%s" % (where, name)] = outcome
    return found


@pytest.mark.long
@pytest.mark.parametrize("suite", ["test_threading", "test_signal", "test_subprocess"])
@those_of(lambda version: version in ((3, 8), (3, 11), (3, 12), (3, 13)))
def test_cpython_s_own_tests_while_attached_and_detached(python, suite, tmp_path):
    """Once a second, from outside: the results are those of a run alone."""
    words = [python, "-m", "test", "-v", suite]
    if subprocess.run([python, "-c", "import test." + suite], stderr=subprocess.DEVNULL).returncode:
        require("%s has no tests of its own" % python)

    def run(beside):
        with open(str(tmp_path / "out"), "w+") as stream:
            process = subprocess.Popen(words, cwd=str(tmp_path), stdout=stream,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            while process.poll() is None:
                beside(process.pid)
            stream.seek(0)
            return results(stream.read())

    told = Counter()

    def come_and_go(pid):
        folder = tmp_path / ("log-%d" % sum(told.values()))
        folder.mkdir(0o700)
        for symbol, settings in (
                ("gt_agent_attach", "GILTRACER_AGENT_DIR=%s\nGILTRACER_AGENT_PYTHON=1\n" % folder),
                ("gt_agent_detach", "")):
            done = subprocess.run([str(BUILD / "late_call"), str(pid), str(AGENT), symbol, settings],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            told[symbol, done.returncode] += 1
            time.sleep(0.5)
        shutil.rmtree(str(folder))

    alone = run(lambda pid: time.sleep(0.2))
    attached = run(come_and_go)
    assert told["gt_agent_attach", 0] >= 3 and told["gt_agent_detach", 0] >= 3, told
    assert len(alone) > 20 and attached == alone, {
        name: (alone.get(name), attached.get(name)) for name in set(alone) | set(attached)
        if alone.get(name) != attached.get(name)}
