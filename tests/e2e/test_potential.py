"""What it would be worth, against reality: programs in two variants, one of which keeps the GIL."""
import subprocess

import pytest

import harness
from harness import an_interpreter, target, trace, when_calm

pytestmark = pytest.mark.needs_perf


def measured_ns(python, name):
    """What the work takes, as the program itself measures it: the median of three."""
    return sorted(int(subprocess.run([python.path, target("pairs"), name, "release"], check=True,
                                     stdout=subprocess.PIPE).stdout) for _ in range(3))[1]


@pytest.mark.parametrize("options", [[], ["--gil-source", "agent"]], ids=["default", "agent"])
@pytest.mark.parametrize("name, condition", [
    ("sleepers", "functions"), ("unbalanced", "functions"), ("pool", "functions"),
    ("feeder", "functions"), ("late", "functions"), ("counted", "functions"), ("loop", "functions"),
    ("python_pair", "no-gil")])
@when_calm
def test_the_estimate_is_what_the_other_variant_takes(name, condition, options, folder):
    python = an_interpreter(3, 12)
    traced = trace([target("pairs"), name, "hold"], folder, python, options)
    potential = traced.summary["potential"]
    assert potential["reason"] is None, potential
    assert abs(potential["error"]) < 0.1, potential
    kinds = {row["if"]: row for row in potential["estimates"]}
    row = kinds.get(condition) or kinds.get("function")
    assert row, potential
    # What would be saved comes off the work: that the program started slower, being traced, does not.
    estimate_ns = int(traced.run.out) - (potential["recorded_ns"] - row["wall_ns"])
    truth_ns = measured_ns(python, name)
    assert abs(estimate_ns - truth_ns) <= 0.15 * truth_ns, (estimate_ns, truth_ns, row)
    assert potential["assumptions"] and row["sentence"]


@when_calm
def test_nothing_is_promised_where_nobody_waits(folder):
    traced = trace([target("single"), "1000"], folder, an_interpreter(3, 12))
    potential = traced.summary["potential"]
    assert potential["estimates"] == [] and potential["reason"], potential
    assert "Estimated" not in traced.run.err
