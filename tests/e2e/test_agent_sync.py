# SPDX-License-Identifier: MIT
"""What the agent records of threads' synchronisation, and of their CPU time."""
import pytest
from test_agent import NEWEST, agent, every_python  # noqa: F401

SYNCHRONISES = """
import concurrent.futures, threading, time
event, gate = threading.Event(), threading.Semaphore(2)
assert not event.wait(0.001)
event.set()
assert event.wait()
assert gate.acquire() and gate.acquire(False) and not gate.acquire(timeout=0)
gate.release()
assert gate.acquire(timeout=5)
gate.release()
with concurrent.futures.ThreadPoolExecutor(1) as executor:
    future = executor.submit(lambda: False)
    while not future.done():
        time.sleep(0.001)
    assert future.result() is False
print(hex(id(event))[2:], hex(id(gate))[2:], hex(id(future))[2:])
"""


@every_python
def test_events_futures_and_semaphores(agent, python):  # noqa: F811
    """Who waits in vain has not seen it set; a result may well be False. Tokens are recorded of who
    would have waited for one."""
    log = agent.run(python, SYNCHRONISES, python=1)
    event, gate, future = agent.out.split()

    def of(address):
        return [e.kind for e in log.events if e.kind.startswith(("event-", "permit-"))
                and e.rest.split()[0] == address]
    assert of(event) == ["event-set", "event-seen"]
    assert of(gate) == ["permit-taken", "permit-given", "permit-taken", "permit-given"]
    assert of(future) == ["event-set", "event-seen"]


BURSTS = """
import threading, time
def burst():
    deadline = time.perf_counter() + 0.0015
    while time.perf_counter() < deadline:
        pass
for _ in range(200):
    time.sleep(0.001)
    burst()
"""


@pytest.mark.timing
def test_readings_are_as_of_now(agent):  # noqa: F811
    """What was computed before a reading is in it: between two of them there is no more CPU time
    than time."""
    log = agent.run(NEWEST, BURSTS)
    readings = [(e.ns, int(e.rest.split()[0], 16)) for e in log.of("usage")]
    assert len(readings) > 400
    late = [(after[0] - before[0], after[1] - before[1])
            for before, after in zip(readings, readings[1:])
            if after[1] - before[1] > after[0] - before[0] + 100000]
    assert len(late) < 0.02 * len(readings), late
