# SPDX-License-Identifier: MIT
"""Real libraries of Debian's: the native function that is named is one that the library's source says
does that work. The sets were written from the sources, before anything was measured."""
import os
import pathlib
import re
import subprocess
import time

import harness
import pytest
from harness import target, trace

DEBIAN = harness.Interpreter(harness.DEBIAN_PYTHON, harness.ask_version(harness.DEBIAN_PYTHON))
SYMBOLS = [one for one in harness.newest(3, 8, symbols=True)]
# Who has the GIL: (the blocker, what one step of the way must be, in which library).
KEEPS = {
    # npysort/quicksort.cpp, timsort.cpp: functions of the extension, which is stripped.
    "numpy": (r".*sort|numpy_sort.*", r"_multiarray_umath.*\+0x[0-9a-f]+|npy_.*sort.*",
              r"_multiarray_umath"),
    # zlib's compress.c: compress2 → deflate → deflate_slow → longest_match (the last two are static).
    "zlib": (r".*compress|zlib_deflate", r"compress2|deflate", r"libz\."),
    # cursor_type.c: curs_fetchall → _psyco_curs_buildrow_fill, which asks libpq for each value, and
    # typecast.c's functions, of the extension, which is stripped.
    "psycopg2": (r".*fetchall|psycopg2_fetch.*", r"PQget(value|length|isnull)|_psycopg\..*\+0x[0-9a-f]+",
                 r"_psycopg|libpq\."),
}
# Who gives it up: (what must be in the stacks without the GIL, and never in those with it).
RELEASES = {
    # H5D.c; h5py's api_functions.txt has H5Dread among those that are called without the GIL.
    "h5py": r"H5Dread",
    # vdbesort.c and vdbe.c; Modules/_sqlite/util.c gives the GIL up around sqlite3_step.
    "sqlite3": r"sqlite3_step",
    # parser.c; lxml's parser.pxi reads memory without the GIL.
    "lxml": r"xmlParse(Document|Content|Chunk|StartTag.*|Element.*)|xmlCtxtReadMemory|xmlSAX2\w+",
}


def module_is_there(name):
    module = {"zlib": "ctypes"}.get(name, name)
    done = subprocess.run([harness.DEBIAN_PYTHON, "-c", "import " + module])
    harness.require(None if done.returncode == 0 else "no module " + module)


def steps_of(traced, kept=True):
    """All steps of the ways of rows that keep the GIL, or of all rows, with the blocker's name."""
    return [(row["function"], step["function"], pathlib.Path(step["library"] or "").name)
            for row in traced.summary["blockers"] for step in row["native"]["way"]
            if row["kept_cause"] or not kept]


def check_keeps(name, folder, python=DEBIAN, kept=True, env=None):
    blocker, function, library = KEEPS[name]
    traced = trace([target("libraries"), name], folder, python, env=env)
    steps = steps_of(traced, kept)
    assert any(re.fullmatch(blocker, one) and re.fullmatch(function, two) and re.match(library, three)
               for one, two, three in steps), (steps, traced.run)
    return traced


@pytest.mark.needs_perf
@pytest.mark.timing
def test_zlib_by_ctypes(folder):
    check_keeps("zlib", folder)


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", SYMBOLS, ids=lambda one: one.name)
def test_re_backtracking(python, folder):
    """Modules/_sre/sre_lib.h, of which the interpreter has a copy per width of characters."""
    traced = trace([target("libraries"), "re"], folder, python)
    steps = steps_of(traced)
    assert any(one == "re.Pattern.match" and re.fullmatch(r"sre_ucs1_(match|count|charset)(\.\w+)*", two)
               for one, two, _ in steps), (steps, traced.run)


@pytest.mark.long
@pytest.mark.needs_perf
@pytest.mark.timing
def test_numpy_sorts_objects_with_the_gil(folder):
    module_is_there("numpy")
    check_keeps("numpy", folder)


@pytest.mark.long
@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("name", sorted(RELEASES))
def test_extensions_that_give_it_up(name, folder):
    module_is_there(name)
    kept = folder / "kept"
    traced = trace([target("libraries"), name], folder, DEBIAN, ("--keep", str(kept)))
    assert not any(re.fullmatch(RELEASES[name], two) for _, two, _ in steps_of(traced)), traced.run
    shares = {}
    for which in ("held", "free"):
        text = subprocess.run([str(harness.OFFGIL), "--native", str(kept / "native.data"), "--agent-log",
                               str(kept / "agent"), "--gil", which, str(kept / "perf.data")],
                              check=True, stdout=subprocess.PIPE).stdout.decode()
        shares[which] = sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                            if re.search(r"(^|;)(%s)[; ]" % RELEASES[name], line))
    assert shares["free"] > 0.1e6 and shares["held"] < 0.1 * shares["free"], shares


@pytest.fixture
def postgres(tmp_path_factory):
    """A server of PostgreSQL's of the test's own; gives the folder of its socket."""
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    harness.require(None if programs and pathlib.Path("/usr/bin/setpriv").exists() else "no PostgreSQL")
    folder = pathlib.Path("/tmp/gt-pg-%d" % os.getpid())
    folder.mkdir()
    subprocess.run(["chown", "postgres", str(folder)], check=True)
    run = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    data = str(folder / "data")
    subprocess.run([*run, str(programs[-1] / "initdb"), "-A", "trust", "-U", "postgres", "-D", data],
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    server = subprocess.Popen([*run, str(programs[-1] / "postgres"), "-D", data, "-k", str(folder), "-h", ""],
                              stderr=subprocess.DEVNULL, cwd="/")
    harness.wait_for(lambda: list(folder.glob(".s.PGSQL.*[0-9]")), "PostgreSQL did not start")
    time.sleep(0.5)
    yield folder
    server.terminate()
    server.wait()
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.long
@pytest.mark.needs_root
@pytest.mark.needs_perf
@pytest.mark.timing
def test_libpq_sleeps_with_the_gil(postgres, folder):
    """fe-exec.c: PQexec → PQexecFinish → PQgetResult → pqWait; fe-misc.c ends in pqSocketPoll, which has
    no exported name and a frame of variable size, so that the walk may end there, and poll."""
    traced = trace([target("libraries"), "libpq"], folder, DEBIAN, env={"PGHOST": str(postgres)})
    rows = [row for row in traced.summary["blockers"] if row.get("asleep")]
    assert rows and rows[0]["asleep"]["call"] == "poll", traced.run
    steps = [(step["function"], pathlib.Path(step["library"]).name) for step in rows[0]["asleep"]["way"]]
    assert steps[-1][0] == "poll" and steps[-2][1].startswith("libpq.so"), steps
    assert re.match(r"libpq\.so\.\d+\+0x|pq\w+", steps[-2][0]), steps
    assert rows[0]["asleep"]["ns"] < 1.05 * 0.9e9, rows[0]
    assert abs(rows[0]["asleep"]["ns"] + rows[0]["kept_ready_ns"] - rows[0]["kept_ns"]) < \
        0.05 * rows[0]["kept_ns"], rows[0]


@pytest.mark.long
@pytest.mark.needs_root
@pytest.mark.needs_perf
@pytest.mark.timing
def test_psycopg2_makes_rows_with_the_gil_and_waits_without_it(postgres, folder):
    """pqpath.c: pq_execute gives the GIL up around PQexec. Rows are made with it, and between them others
    get it."""
    module_is_there("psycopg2")
    traced = check_keeps("psycopg2", folder, kept=False, env={"PGHOST": str(postgres)})
    assert not any(row.get("asleep") for row in traced.summary["blockers"]), traced.run
    assert not any(re.match(r"PQ(exec|getResult)", two) for _, two, _ in steps_of(traced, False)), traced.run
