# SPDX-License-Identifier: MIT
"""perf's buffers: what is lost when they are too small, and what is said of it."""
import re

import pytest

import harness

pytestmark = [pytest.mark.needs_perf, pytest.mark.needs_root]

CONTENDING = """
import os, threading
def use():
    zero = os.open("/dev/zero", os.O_RDONLY)
    for _ in range(20000):
        os.read(zero, 1)
threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def record(folder, *options):
    return harness.trace(["-c", CONTENDING], folder, harness.an_interpreter(3, 7),
                         ["-v", "--gil-source", "uprobes", "--no-python-trace", *options])


@pytest.mark.timing
def test_four_contending_threads_lose_nothing_by_default(folder):
    traced = record(folder)
    assert traced.summary["quality"]["lost_events"] == 0
    assert traced.summary["quality"]["gil_events"] > 100000
    assert re.search(r"buffer: +\d+M per CPU", traced.run.err), traced.run


@pytest.mark.timing
def test_a_small_buffer_loses_and_a_larger_one_is_named(folder):
    traced = record(folder, "--buffer", "32K")
    assert traced.summary["quality"]["lost_events"] > 1000
    assert "buffer:      32K per CPU" in traced.run.err
    (sentence,) = [one for one in traced.summary["findings"] if "perf's buffers" in one]
    found = re.search(r"perf's buffers, of 32K per CPU, were full: --buffer (\d+)([KM]) makes them "
                      r"larger, --gil-source agent needs none for the GIL\.", sentence)
    assert found, sentence
    assert int(found[1]) * (1 if found[2] == "K" else 1024) >= 64
    named = record(folder, "--buffer", found[1] + found[2])
    assert named.summary["quality"]["lost_events"] < traced.summary["quality"]["lost_events"] / 2


def test_a_buffer_that_cannot_be(folder):
    run = harness.giltracer(["--buffer", "1024G", "-c", "pass"], folder)
    assert re.search(r"--buffer 1048576M is .* for each of \d+ CPUs", harness.one_line_error(run, 125))


@pytest.mark.parametrize("size", ["0", "x", "-1", "1T", "1025G", "1e14G", ""])
def test_a_buffer_that_makes_no_sense(folder, size):
    run = harness.giltracer(["--buffer=" + size, "-c", "pass"], folder)
    assert "--buffer" in harness.one_line_error(run, 125)
