# SPDX-License-Identifier: MIT
"""Asking the giltracer --keep-last that records this process for a report."""
import os
import subprocess

from giltracer import _program
from giltracer._session import TraceError


def snapshot():
    """Have the giltracer --keep-last that started this program write a report of the last moments;
    the recording goes on. Returns when it was asked, not when the report is written. TraceError:
    no such giltracer records this process."""
    program = _program.find()
    if not program:
        raise TraceError("the program giltracer is not found: put it on PATH, or name it in the "
                         "environment as GILTRACER=/path/of/giltracer")
    # The agent, which it would load too, is not for it.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    asked = subprocess.Popen([program, "--snapshot", str(os.getpid())], env=environment,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    said = asked.communicate()[1].decode(errors="replace").strip()
    if asked.returncode:
        raise TraceError(said or "giltracer ended with status %d" % asked.returncode)
