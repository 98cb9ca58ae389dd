# SPDX-License-Identifier: MIT
"""scripts/tour: each stop's program shows what the tour says that it shows."""
import harness
import pytest

TOUR = harness.ROOT / "scripts" / "tour"
# What is not a matter of the machine's load.
SEEN = {1: "not GIL-bound", 2: "GIL-bound", 4: "Blockers:", 6: "Blockers:"}


def run(folder, *words):
    return harness.Run([TOUR, *words], folder).finish()


def test_the_list_names_six(folder):
    listed = run(folder)
    assert listed.status == 0 and listed.out.decode().count("scripts/tour ") == 6, listed
    assert run(folder, "7").status == 2


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
def test_each_stop_runs(stop, folder):
    got = run(folder, str(stop))
    assert got.status == 0 and (folder / ("tour-%d.html" % stop)).exists(), got
    assert b"What to look for" in got.out and SEEN.get(stop, "") in got.err, got
