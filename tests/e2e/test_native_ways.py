# SPDX-License-Identifier: MIT
"""Which native function keeps the GIL, however Python calls it and however it was made: plain C with
symbols and stripped, Cython, pybind11, ctypes, cffi, objects that can be called. A quarter of each
call passes in the outer function, three quarters three calls deeper."""
import pathlib
import re

import harness
import pytest
from harness import target, trace

EARLY, SHARE, POINTS = "-DDEEP_EARLY=0.25", 0.75, 0.1
CHAIN = ["deep_outer", "deep_middle", "deep_burn"]
CYTHON = ["__pyx_f_11deep_cython_outer", "__pyx_f_11deep_cython_middle", "__pyx_f_11deep_cython_inner"]
ENGINE = ["deep::Engine::outer", "deep::Engine::middle", "deep::Engine::inner<double>"]
WAYS = {  # what: (the blocker, the last steps of its way, the library)
    "burn": ("deep.burn", ["burn"] + CHAIN, "deep.so"),
    "ctypes": ("by_ctypes", CHAIN, "deep.so"),
    "cffi": ("by_cffi", ["deep_with_gil"] + CHAIN, "deep.so"),
    "callable": ("by_callable", ["burner_call"] + CHAIN, "deep.so"),
    "cython": ("by_cython", CYTHON, "deep_cython.so"),
    "decorated": ("counted.<locals>.wrapper", CYTHON, "deep_cython.so"),
    "pybind": ("deep_pybind.*burn", ENGINE, "deep_pybind.so"),
}
RUST = ["mycrate::deep::outer", "mycrate::deep::inner"]
DEBIAN = harness.Interpreter(harness.DEBIAN_PYTHON, harness.ask_version(harness.DEBIAN_PYTHON))
MEASURED = [DEBIAN] + [one for one in harness.interpreters()
                       if one.has_symbols and one.version[:2] in ((3, 8), (3, 13))]

# Debian's Cython, 0.29, makes C for versions up to 3.11.
GENERATED = [(one, way) for one in MEASURED[1:] for way in ("cython", "pybind")
             if way == "pybind" or not one.at_least(3, 12)]


def build(python, folder, sources, *options):
    """The modules in a folder of their own, or a reason why there are none."""
    folder = pathlib.Path(folder, "modules")
    folder.mkdir()
    for name, more in sources.items():
        source = harness.TARGETS / name
        if not harness.build_extension(python.path, source, folder / (source.stem + ".so"),
                                       [*more, *options]):
            harness.require("%s cannot be built for %s" % (name, python))
    return folder


ALL = {"deep.c": [EARLY], "deep_cython.pyx": ["-fno-inline"], "deep_pybind.cpp": []}


def blocker(traced, pattern):
    rows = [row for row in traced.summary["blockers"]
            if re.fullmatch(pattern.replace("<", r"\<"), row["function"])]
    assert len(rows) == 1, (pattern, [row["function"] for row in traced.summary["blockers"]])
    return rows[0]


def check_way(row, chain, library):
    """The steps, in their order, and the share of the outer and of the inner function."""
    native = row["native"]
    found = {step["function"]: step["ns"] / native["ns"] for step in native["way"]}
    steps = [name for name in found if name in chain]
    assert steps == chain, native
    assert native["samples"] >= 400, native
    assert found[chain[-3]] >= 0.9, native
    assert abs(found[chain[-2]] - SHARE) <= POINTS and abs(found[chain[-1]] - SHARE) <= POINTS, native
    assert all(step["library"].endswith("/" + library) for step in native["way"]), native
    return native


def check_ways(traced, ways):
    for way in ways:
        name, chain, library = WAYS[way]
        native = check_way(blocker(traced, name), chain, library)
        assert native["way"][0]["function"] == chain[0] or library == "deep_cython.so", native


def measure(python, folder, modules, ways):
    return trace([target("deep"), modules, ",".join(ways), "1"], folder, python,
                 ("--native-freq", "1499"))


@pytest.mark.needs_perf
@pytest.mark.timing
def test_each_way_to_call_is_followed_to_the_function(folder):
    modules = build(DEBIAN, folder, ALL)
    ways = [*WAYS, "rust"]
    for first in range(0, len(ways), 2):  # so often for longer than a second is too much
        some = ways[first:first + 2]
        traced = measure(DEBIAN, folder, modules, some)
        check_ways(traced, [way for way in some if way != "rust"])
    native = blocker(traced, "deep_pybind.*rust")["native"]
    assert [step["function"] for step in native["way"]] == RUST, native
    lines = [line for line in traced.run.err.splitlines() if "mycrate" in line or "Engine" in line]
    assert len(lines) == 2 and all(len(line.strip()) < 200 for line in lines), lines


@pytest.mark.needs_perf
@pytest.mark.timing
def test_a_stripped_library_shows_exported_names_or_places_and_its_build(folder):
    """Debian's interpreter is stripped, too."""
    modules = build(DEBIAN, folder, {"deep.c": [EARLY, "-Wl,--build-id=0x0123456789abcdef"]}, "-s")
    traced = measure(DEBIAN, folder, modules, ["burn"])
    native = blocker(traced, "deep.burn")["native"]
    names = [step["function"] for step in native["way"]]
    assert names[-3:] == CHAIN and re.match(r"deep\.so\+0x[0-9a-f]+$", names[0]), native
    assert native["way"][0]["build_id"] == "0123456789abcdef", native
    assert "build_id" not in native["way"][-1], native
    assert abs(native["way"][-1]["ns"] / native["ns"] - SHARE) <= POINTS, native


@pytest.mark.long
@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", MEASURED, ids=lambda one: one.name)
@pytest.mark.parametrize("made", ["symbols", "stripped"])
def test_matrix_of_plain_c(python, made, folder):
    modules = build(python, folder, {"deep.c": [EARLY]}, *(["-s"] if made == "stripped" else []))
    ways = ["ctypes"] if made == "stripped" else ["burn", "ctypes", "callable"]
    check_ways(measure(python, folder, modules, ways), ways)


@pytest.mark.long
@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python,way", GENERATED, ids=["%s-%s" % (one.name, way) for one, way in GENERATED])
def test_matrix_of_generators(python, way, folder):
    sources = {"deep.c": [EARLY], **{name: ALL[name] for name in ALL if way in name}}
    check_ways(measure(python, folder, build(python, folder, sources), [way]), [way])


@pytest.mark.needs_perf
@pytest.mark.timing
def test_what_a_native_function_would_be_worth_without_the_gil(folder):
    """A quarter of each call is in deep_burn. Without the GIL there, the rest is done by one thread
    after the other; without it in all of the call, or of `work`, nothing is."""
    python = MEASURED[-1]
    modules = build(python, folder, {"deep.c": ["-DDEEP_EARLY=0.75"]})
    names = ["deep_burn", "deep.burn", "work", "no_such_function"]
    asked = [word for name in names for word in ("--what-if", name)]
    traced = trace([target("deep_both"), modules], folder, python, (*asked, "--native-freq", "999"))
    estimates = {row["function"]: row for row in traced.summary["potential"]["estimates"]
                 if row["if"] == "function" and row["gil"] is None}
    cores = {name: {one["cores"]: one["wall_ns"] for one in row["by_cores"]}
             for name, row in estimates.items()}
    whole = traced.summary["potential"]["recorded_ns"]
    assert list(estimates) == names, estimates
    assert 0.70 < cores["deep_burn"][2] / whole < 0.88, (cores, whole)
    for name in ("deep.burn", "work"):
        assert 0.45 < cores[name][2] / whole < 0.65, (cores, whole)
    assert estimates["no_such_function"]["wall_ns"] is None
    assert estimates["no_such_function"]["withheld"] == "absent", estimates
    assert "deep_burn, with all that it calls, released the GIL" in traced.run.err, traced.run
