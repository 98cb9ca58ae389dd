# SPDX-License-Identifier: MIT
"""giltracer's agent in this process, which loads it itself: no debugger's rights are needed."""
import os
import types

import _imp

# The agent reads its variables, and raises ImportError("giltracer RESULT").
_LOAD = compile("giltracer_symbol, giltracer_load(giltracer_spec)", "<string>", "exec")

ATTACH, DETACH = b"gt_agent_attach", b"gt_agent_detach"


def call(symbol, library, settings=b""):
    """(result, complaint): 0, an errno, or -1 where the agent could not be loaded."""
    spec = types.SimpleNamespace(name="giltracer_agent", origin=os.fsdecode(library))
    try:
        exec(_LOAD, {"giltracer_symbol": symbol, "giltracer_settings": settings,
                     "giltracer_load": _imp.create_dynamic, "giltracer_spec": spec})
    except ImportError as error:
        words = str(error).split()
        if len(words) == 2 and words[0] == "giltracer":
            return int(words[1]), ""
        return -1, str(error)
    return -1, "it did not answer"
