# SPDX-License-Identifier: MIT
"""Record a whole program from its environment: GILTRACER_AUTO="OPTIONS" and `import giltracer.auto`,
from a .pth file or sitecustomize, say.

The options are giltracer's, as for --pid; empty or unset: nothing happens. The table is printed to
stderr when the program ends, unless -q is among them. Children that it forks are in the report; a
child that runs Python anew is not recorded by itself unless the first option is --children (name
outputs with %p then).
"""
import os
import shlex
import sys

_CHILDREN = "--children"


def _take_words():
    text = os.environ.pop("GILTRACER_AUTO", "")
    words = shlex.split(text)
    if words and words[0] == _CHILDREN:
        os.environ["GILTRACER_AUTO"] = text
        return words[1:]
    return words


def _say(text):
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _begin():
    # Nothing of it may end the program, which has not asked for it.
    try:
        words = _take_words()
        if not words:
            return  # not asked for
        import atexit

        from giltracer import _trace

        report = _trace._start(words, ())
        atexit.unregister(_trace._end_at_exit)
        atexit.register(_end, report, "-q" in words or "--quiet" in words)
    except Exception as error:
        _say("giltracer: GILTRACER_AUTO records nothing: %s" % error)


def _end(report, quiet):
    from giltracer import _trace

    if report._pid != os.getpid():
        return
    try:
        if not report._ending:
            _trace._end(report)
        if not quiet:
            _say("\n".join([str(report)] + ["giltracer: " + line for line in report.messages]))
    except Exception as error:
        _say("giltracer: %s" % error)


_begin()
