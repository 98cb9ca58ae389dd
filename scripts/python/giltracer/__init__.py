# SPDX-License-Identifier: MIT
"""Who holds the GIL and who waits for it, of the program that imports this.

    with giltracer.trace("report.html") as report:
        work()
    print(report)

trace() also decorates functions; start() and stop() do the same where no block fits. The program
giltracer records this process as it does with --pid: as root, with the rights that `giltracer
--setup` gives, or where its user may trace it by ptrace. Needs nothing but the standard library, of CPython 3.6 and later.

The workers of a Dask cluster: giltracer.dask. In IPython and notebooks: %load_ext giltracer, then %%giltracer above a cell.
"""
from giltracer._report import Report
from giltracer._session import TraceError
from giltracer._snapshot import snapshot
from giltracer._trace import start, stop, trace


def load_ipython_extension(shell):
    """%load_ext giltracer calls it."""
    from giltracer import _notebook  # which needs IPython

    _notebook.load(shell)


__all__ = ["Report", "TraceError", "snapshot", "start", "stop", "trace"]
