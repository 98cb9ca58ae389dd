# SPDX-License-Identifier: MIT
"""What records itself, with scripts/python/giltracer: recorded.py MODE OUTPUT…

Each mode is a function below, and says what is true of it. What a test looks at is printed as one
line of JSON. `holds` keeps the GIL 5 times for 100 ms while `waiter`, which was started long before,
wants it: it waits for as long.
"""
import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

import giltracer

libc = ctypes.PyDLL(None)  # its functions keep the GIL
PR_SET_NAME = 15


def waiter(name=b"waiter"):
    libc.prctl(PR_SET_NAME, name, 0, 0, 0)
    while True:
        time.sleep(0.001)


def start_waiter(*name):
    threading.Thread(target=waiter, args=name, daemon=True).start()
    time.sleep(0.1)


def holds():
    """How long they took, which is longer on a busy machine."""
    held = 0
    for _ in range(5):
        begin = time.monotonic()
        libc.usleep(100000)
        held += time.monotonic() - begin
        time.sleep(0.02)
    return held


def descriptors():
    return sorted(name for name in os.listdir("/proc/self/fd")
                  if os.path.exists("/proc/self/fd/" + name))


def refusal(action, *arguments, **named):
    try:
        action(*arguments, **named)
    except (giltracer.TraceError, TypeError, ValueError) as error:
        return "%s: %s" % (type(error).__name__, error)
    return None


def tell(**found):
    print(json.dumps(found), flush=True)


def block(*outputs):
    """All that a report has."""
    start_waiter()
    before = descriptors()
    with giltracer.trace(*outputs) as report:
        early = refusal(lambda: report.summary)
        held = holds()
    tell(held_ns=held * 1e9, summary=report.summary, text=str(report), html=report._repr_html_(), early=early,
         threads=report.threads, blockers=report.blockers, verdict=report.verdict,
         left=[fd for fd in descriptors() if fd not in before])


def raises(output):
    """The block ends by an exception, and the program by it, too."""
    start_waiter()
    with giltracer.trace(output):
        libc.usleep(50000)
        raise KeyError("of the program")


def decorated():
    """Recursion is one recording; a coroutine is recorded to its end; generators are refused."""
    recorder = giltracer.trace(gil_source="futex")

    @recorder
    def countdown(n):
        return countdown(n - 1) if n else "done"

    @recorder
    async def later():
        await asyncio.sleep(0.3)
        return "late"

    def generator():
        yield

    results = [countdown(3), asyncio.new_event_loop().run_until_complete(
        later())]
    tell(results=results, name=countdown.__name__, source=countdown.report.summary["run"]["gil_source"],
         wall_ns=later.report.summary["run"]["wall_ns"], generator=refusal(recorder, generator))


def refusals():
    """One recording at a time, and only what trace() can do."""
    found = {"stop": refusal(giltracer.stop)}
    giltracer.start()
    found["nested"] = refusal(giltracer.start)
    other = threading.Thread(target=lambda: found.update(
        concurrent=refusal(lambda: giltracer.trace().__enter__())))
    other.start()
    other.join()
    enders = []
    ender = threading.Thread(target=lambda: enders.append(giltracer.stop()))
    ender.start()
    ender.join()
    found["ended"] = enders[0].verdict
    found["twice"] = refusal(giltracer.stop)
    found["unknown"] = refusal(giltracer.start, no_such_thing=3)
    found["ending"] = refusal(giltracer.start, "report.txt")
    found["pid"] = refusal(giltracer.start, pid=3)
    found["stream"] = refusal(giltracer.start, "-")
    tell(**found)


def forks():
    """A child has nothing to end and leaves the recording alone; the program has only its own
    children, and what it executes has none of our descriptors."""
    before = descriptors()
    seen = []
    with giltracer.trace() as report:
        listing = subprocess.check_output(["ls", "/proc/self/fd"], close_fds=False)
        pid = os.fork()
        if pid == 0:
            kept = [fd for fd in descriptors() if fd not in before]
            os._exit(0 if refusal(giltracer.stop) and not
                     [fd for fd in descriptors() if fd in kept] else 1)
        seen.append(os.waitpid(pid, 0)[1])
        try:
            seen.append(os.wait())
        except ChildProcessError:
            seen.append("no child")
        pid = os.fork()
        if pid == 0:
            return  # by __exit__, which is of the parent's recording
        os.waitpid(pid, 0)
    tell(seen=seen, processes=len(report.summary["gils"]), verdict=report.verdict,
         listing=listing.decode().split(), before=before)


def signals():
    """All signals that could end a recording are ignored, and come; those of the program stay."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
               signal.SIGUSR2, signal.SIGCHLD]
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    start_waiter()
    with giltracer.trace() as report:
        os.killpg(0, signal.SIGINT)
        os.killpg(0, signal.SIGTERM)
        holds()
    tell(waits=[row["wait_ns"] for row in report.threads if row["label"] == "waiter"],
         ignored=[signal.getsignal(number) == signal.SIG_IGN for number in numbers])


def hostile():
    """Names are text."""
    start_waiter(b"<b>&\"x</b>")
    with giltracer.trace() as report:
        holds()
    tell(html=report._repr_html_(), labels=[row["label"] for row in report.threads])


def killed():
    """giltracer is killed: the program goes on, and is told; an exception has its way."""
    def kill():
        here = os.getpid()
        for name in os.listdir("/proc"):
            try:
                with open("/proc/%s/cmdline" % name, "rb") as stream:
                    words = stream.read().split(b"\0")
            except OSError:
                continue
            if words[1:3] == [b"--pid", str(here).encode()]:
                os.kill(int(name), signal.SIGKILL)
    giltracer.start()
    kill()
    said = refusal(giltracer.stop)
    passed = None
    try:
        with giltracer.trace():
            kill()
            raise KeyError("of the program")
    except KeyError:
        passed = True
    giltracer.start()
    tell(said=said, passed=passed, again=giltracer.stop().verdict)


def at_exit(output):
    """What still records when the program ends is ended, and written."""
    giltracer.start(output)
    print("end", flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
