# SPDX-License-Identifier: MIT
"""What a report's sentences must hold, whatever ran: the parts of what recording cost are its sum."""
import re

UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "h": 3600e9}
DURATION = r"([\d.]+) (ns|µs|ms|s|h)"
COST = re.compile(r"Recording itself cost the program about %s \(\d+%% of [a-z ]+\): "
                  r"(.*?)\.(?: The verdict|$)" % DURATION)
COUNTED = re.compile(r"(\d+) (?:events of the GIL|calls) at %s" % DURATION)
BESIDE = re.compile(r"%s (?:by Python code|of waits)" % DURATION)
TOGETHER = re.compile(r": %s in all threads together$" % DURATION)

# Of a sum, what is left out of it (a tenth) and what rounding of its parts makes of it.
TOLERANCE = 0.25


def ns_of(number, unit):
    return float(number) * UNITS[unit]


def check(summary):
    for told in summary["findings"]:
        cost = COST.match(told)
        assert bool(cost) == told.startswith("Recording itself cost"), told
        if not cost:
            continue
        parts = cost.group(3)
        together = TOGETHER.search(parts)
        total = ns_of(*(together or cost).groups()[:2])
        assert not together or total > ns_of(*cost.groups()[:2]), told
        added = sum(int(count) * ns_of(*each) for count, *each in COUNTED.findall(parts))
        added += sum(ns_of(*each) for each in BESIDE.findall(parts))
        assert abs(added - total) <= TOLERANCE * total, (told, added)
