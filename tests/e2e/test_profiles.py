# SPDX-License-Identifier: MIT
"""Profiles: folded stacks and pprof, read by a decoder of the test's own."""
import gzip

import harness
import pytest
from harness import giltracer, target

pytestmark = pytest.mark.needs_perf


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field of a message; value: int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        yield key >> 3, value


def numbers(data):
    at, found = 0, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


class Pprof:
    def __init__(self, path):
        message = list(fields(gzip.decompress(path.read_bytes())))
        self.strings = [value.decode() for number, value in message if number == 6]
        self.types = [tuple(self.strings[text] for _, text in fields(value))
                      for number, value in message if number == 1]
        functions = [dict(fields(value)) for number, value in message if number == 5]
        self.functions = {one[1]: one for one in functions}
        self.locations = {}
        for number, value in message:
            if number == 4:
                location = dict(fields(value))
                self.locations[location[1]] = dict(fields(location[4]))[1]
        self.samples = [self.sample(value) for number, value in message if number == 2]
        self.duration_ns = dict(message).get(10)

    def sample(self, data):
        parts = list(fields(data))
        stack = [self.strings[self.functions[self.locations[where]][2]]
                 for where in numbers(dict(parts)[1])]
        labels = {}
        for number, value in parts:
            if number == 3:
                label = dict(fields(value))
                labels[self.strings[label[1]]] = self.strings[label[2]] if 2 in label else label[3]
        return stack, numbers(dict(parts)[2]), labels


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiles")
    run = giltracer(["--python-trace", "-o", folder / "x.folded", "-o", folder / "x.pb.gz", "-o",
                     folder / "x.json", target("culprits"), "sort"], folder)
    assert run.status == 0, run
    return folder, harness.read_json(folder / "x.json")["giltracer"]


def test_pprof_is_the_report(profiles):
    folder, summary = profiles
    profile = Pprof(folder / "x.pb.gz")
    gil = summary["gils"][0]
    assert profile.strings[0] == ""
    assert profile.types[:3] == [("wait", "nanoseconds"), ("hold", "nanoseconds"),
                                 ("count", "count")]
    for index, total in ((0, gil["wait_ns"]), (1, gil["hold_ns"])):
        assert sum(values[index] for _, values, _ in profile.samples) == total
    for row in gil["threads"]:
        own = [values for _, values, labels in profile.samples if labels["tid"] == row["tid"]]
        assert sum(values[0] for values in own) == row["wait_ns"]
        assert sum(values[1] for values in own) == row["hold_ns"]
    # Above `sorted` there are the native functions that samples showed.
    found = [sample for sample in profile.samples
             if ["sorted", "sort"] in [sample[0][i:i + 2] for i in range(len(sample[0]))]]
    values = [sum(sample[1][i] for sample in found) for i in range(3)]
    labels = found[0][2]
    sort = next(row for row in summary["blockers"] if row["function"] == "sorted")
    assert values[1] >= 0.99 * sort["waiting_ns"] and values[0] == 0
    assert labels["pid"] == str(gil["pid"]) and labels["host"] == summary["run"]["host"]
    assert profile.duration_ns == summary["run"]["wall_ns"]


def test_folded_is_the_report(profiles):
    folder, summary = profiles
    sums, lines = {}, (folder / "x.folded").read_text().splitlines()
    for line in lines:
        stack, weight = line.rsplit(" ", 1)
        *_, what = stack.split(";")
        sums[what] = sums.get(what, 0) + int(weight)
    gil = summary["gils"][0]
    assert set(sums) - {"[lock wait]"} == {"[GIL wait]", "[GIL hold]"}
    for what, total in (("[GIL wait]", gil["wait_ns"]), ("[GIL hold]", gil["hold_ns"])):
        assert 0 <= sums[what] - total / 1000 <= len(lines), what
    assert any(";sort;sorted;" in line and ";[GIL hold] " in line for line in lines)
