# SPDX-License-Identifier: MIT
"""What a golden case is: a folder of arguments for perf2trace, and the files that they name."""
import gzip
import pathlib
import shutil

CASES = sorted(path.parent for path in (pathlib.Path(__file__).parent / "cases").glob("*/args"))
OWN = ("args", "input.gz", "expected.json.gz")


def words(case):
    return (case / "args").read_text().split()


def text(case):
    """The text of perf script that is its standard input, or None where it has none."""
    path = case / "input.gz"
    return gzip.decompress(path.read_bytes()) if path.exists() else None


def lay_out(case, folder):
    """Put what the arguments name into the folder, which must be the current one of the run."""
    for path in case.iterdir():
        if path.name.endswith(".tar.gz"):
            shutil.unpack_archive(str(path), str(folder))
        elif path.name not in OWN:
            shutil.copy(str(path), str(folder))
