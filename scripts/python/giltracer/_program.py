# SPDX-License-Identifier: MIT
"""Where the program giltracer is, and the words that options become."""
import os
import shutil

# What trace() says by itself, or what makes no sense for a program that records itself.
_NOT_OPTIONS = {
    "as_root": "the program is who it is",
    "c": "the code of the block is what runs",
    "code": "the code of the block is what runs",
    "control_fd": "trace() uses it",
    "delay": "begin the block later",
    "doctor": "run giltracer --doctor",
    "dump": "run giltracer --pid PID --dump",
    "h": "run giltracer --help",
    "help": "run giltracer --help",
    "m": "the code of the block is what runs",
    "module": "the code of the block is what runs",
    "o": "name outputs as plain arguments",
    "output": "name outputs as plain arguments",
    "pid": "it is this process",
    "python": "it is this interpreter",
    "q": "nothing is printed",
    "quiet": "nothing is printed",
    "repeat": "repeat the block",
    "setup": "run giltracer --setup",
    "summary": "the report has it, as .summary",
    "teardown": "run giltracer --teardown",
    "v": "run giltracer -v",
    "verbose": "run giltracer -v",
    "version": "run giltracer --version",
    "viztracer": "merge its trace with perf2trace --viztracer",
}


def find_beside(name):
    """The path of another of its programs: beside giltracer, or on PATH. None: there is none."""
    path = os.path.join(os.path.dirname(find() or ""), name)
    if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
        return path
    return shutil.which(name)


def find():
    """The path of giltracer: $GILTRACER where that is the path of a program, beside this package
    (as it is built, or installed), or on PATH. None: there is none."""
    named = os.environ.get("GILTRACER", "")
    here = os.path.dirname(os.path.abspath(__file__))
    above = [here]
    for _ in range(4):
        above.append(os.path.dirname(above[-1]))
    # giltracer.mk exports GILTRACER=1: that is no path.
    candidates = [named] if os.sep in named else []
    candidates += [os.path.join(here, "giltracer"),
                   os.path.join(above[3], "build", "giltracer"),  # of scripts/python/giltracer
                   os.path.join(above[1], "bin", "giltracer"),  # pip install --target
                   # PREFIX/lib/python3.N/site-packages, PREFIX/share/giltracer/python
                   os.path.join(above[4], "bin", "giltracer")]
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    return shutil.which("giltracer")


def _text(value):
    if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__"):
        return os.fsdecode(value)
    return str(value)


def _option_words(name, value):
    if name in _NOT_OPTIONS:
        raise TypeError("trace() takes no option %s: %s" % (name, _NOT_OPTIONS[name]))
    if isinstance(value, (list, tuple)):
        return [word for one in value for word in _option_words(name, one)]
    if value is None:
        return []
    dashed = name.replace("_", "-")
    if value is True or value is False:
        return ["--%s%s" % ("" if value else "no-", dashed)]
    if len(name) == 1:
        return ["-" + name, _text(value)]
    return ["--%s=%s" % (dashed, _text(value))]


def _output_words(output):
    path = _text(output)
    if path == "-" or path.startswith(("/dev/std", "/dev/fd/", "/proc/self/")):
        raise ValueError("a program's own streams are its own: name a file, not %s" % path)
    return ["--output=" + path]


def option_words(options):
    """Options on giltracer's command line: --state-detect for state_detect=True,
    --no-python-trace for python_trace=False, -e twice for e=["cycles", "page-faults"]."""
    return [word for name, value in sorted(options.items())
            for word in _option_words(name, value)]


def output_words(outputs):
    return [word for output in outputs for word in _output_words(output)]


def words(outputs, options):
    return option_words(options) + (output_words(outputs) or ["--no-output"])
