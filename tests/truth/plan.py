# SPDX-License-Identifier: MIT
"""What to run: every pair of factors, from a seed."""
import collections
import itertools
import random
import re

import harness

# Programs (tests/targets/truth/programs.py) and what may be said of them to keep the GIL: names of
# functions, as the report writes them, and of threads where functions are not known. CULPRITS must
# be marked where their log says that they kept it.
CULPRITS = {
    "regex": (r"(re\.|_sre\.)?(Pattern|SRE_Pattern)\.match|regex", "keeper"),
    "sort": (r"sorted|sort", "keeper"),
    "pydll": (r"pydll", "keeper"),
    "extension": (r"truthext\.burn|extension", "keeper"),
    "sum": (r"sum|add_up", "keeper"),
    "loop": (r"(collections\.)?deque|math\.sqrt|loop", "keeper"),
    "import": (r"import in .*|compile|load|(.*\.)?source_to_code|_call_with_frames_removed|"
               r"marshal\.loads|exec", "keeper"),
    "collect": (r"gc\.collect( generation \d)?|collect", "keeper"),
    "power": (r"power", "keeper"),
    "multiply": (r"multiply", "keeper"),
    "small": (r"pydll", "keeper"),
    "asleep": (r"asleep", "keeper"),
    "polling": (r"polling", "keeper"),
    "mutex": (r"truthext\.lock_mutex|mutex", "keeper"),
    "native-keeper": (r"native-0", "native-0"),
}
SLEEPERS = {"asleep", "polling", "mutex"}
GIVE_WAY = ["python", "pool", "smallc", "five", "releases", "calls", "native", "queues"]
MAY_GAIN = {"pool", "native", "queues"}  # where less waiting, or no GIL, would shorten the run
PROGRAMS = GIVE_WAY + list(CULPRITS)

CONDITIONS = ["calm", "busy", "quota20", "quota150", "crowd", "hole"]
HOLES = ["tmpfs", "limit", "setuid", "chroot", "close", "killed"]
SOURCES = ["auto", "uprobes", "functions", "futex", "agent"]
VARIANTS = ["functions", "plain", "states"]  # --python-trace, --no-python-trace, --state-detect
VERSIONS = [(3, minor) for minor in range(6, 14)]
INTERVALS = [None] * 7 + [0.0005, 0.02, 0.1]
FACTORS = ("program", "condition", "source", "variant", "version")
LEVELS = dict(zip(FACTORS, (PROGRAMS, CONDITIONS, SOURCES, VARIANTS, VERSIONS)))

Entry = collections.namedtuple("Entry", ("number",) + FACTORS + ("hole", "interval", "debian", "version2"))


def allowed(program):
    """(pattern of functions, of threads) that may be said to keep the GIL."""
    functions, threads = CULPRITS.get(program, ("(?!)", "(?!)"))
    return re.compile(functions), re.compile(threads)


def make(runs, seed):
    """The same list for the same seed: each entry is the one, of some drawn at random, whose pairs
    of levels have been seen least."""
    chance = random.Random(seed)
    seen, entries = collections.Counter(), []
    pairs = list(itertools.combinations(range(len(FACTORS)), 2))
    shortest = {(a, b): runs / (len(LEVELS[FACTORS[a]]) * len(LEVELS[FACTORS[b]]))
                for a, b in pairs}
    for number in range(runs):
        best, best_cost = None, None
        for _ in range(60):
            drawn = tuple(chance.choice(LEVELS[name]) for name in FACTORS)
            # Seen as often as fair: 1. The rarest pairs count most.
            cost = sum(((seen[a, b, drawn[a], drawn[b]] + 1) / shortest[a, b]) ** 2
                       / len(pairs) for a, b in pairs)
            if best is None or cost < best_cost:
                best, best_cost = drawn, cost
        for a, b in pairs:
            seen[a, b, best[a], best[b]] += 1
        entries.append(Entry(number, *best, hole=chance.choice(HOLES),
                             interval=chance.choice(INTERVALS),
                             debian=chance.random() < 0.5, version2=chance.random() < 0.5))
    return entries


def least_pair(entries):
    """(how often the rarest pair of levels is there, and which it is)"""
    seen = collections.Counter()
    for a, b in itertools.combinations(FACTORS, 2):
        for levels in itertools.product(LEVELS[a], LEVELS[b]):
            seen[a, b, levels] = 0
        for entry in entries:
            seen[a, b, (getattr(entry, a), getattr(entry, b))] += 1
    pair = min(seen, key=seen.get)
    return seen[pair], pair


def interpreter(entry):
    """The CPython that an entry asks for, or None. The function source needs symbols, which the
    distribution's has not."""
    fitting = [one for one in harness.interpreters() if one.version[:2] == entry.version]
    debian = [one for one in fitting if one.path == harness.DEBIAN_PYTHON]
    others = [one for one in fitting if one not in debian]
    if debian and entry.source != "functions" and (entry.debian or not others):
        return debian[0]
    return others[0] if others else None
