# SPDX-License-Identifier: MIT
"""python -m giltracer …: giltracer itself, with this interpreter unless --python names one."""
import os
import sys

from giltracer import _program


def main():
    program = _program.find()
    if not program:
        sys.stderr.write("giltracer: the program giltracer is not found: put it on PATH, or name "
                         "it in the environment as GILTRACER=/path/of/giltracer\n")
        return 125
    if sys.executable:
        os.environ["GILTRACER_PYTHON"] = sys.executable
    try:
        os.execv(program, [program] + sys.argv[1:])
    except OSError as error:
        sys.stderr.write("giltracer: cannot run %s: %s\n" % (program, error))
        return 125


if __name__ == "__main__":
    sys.exit(main())
