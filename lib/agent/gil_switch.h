/* SPDX-License-Identifier: MIT */
/*
 * Builds without a GIL have one after all with PYTHON_GIL=1, and from the import of an
 * extension module on that does not say that it can do without (Py_mod_gil). While any
 * extension is imported there is one for a moment, which is not noted.
 */
#ifndef GT_AGENT_GIL_SWITCH_H
#define GT_AGENT_GIL_SWITCH_H

#include "agent/python.h"
#include "agent/thread.h"

/* Tracing begins in a build without a GIL: note whether there is one. */
void gt_agent_gil_begin(struct gt_agent_thread *self);

/* A module of C is about to be loaded. */
void gt_agent_gil_import_begins(struct gt_agent_thread *self);

/* It was loaded, or could not be: of this spec (ModuleSpec; may be NULL): note whether there is
 * a GIL now. */
void gt_agent_gil_imported(struct gt_agent_thread *self, PyObject *spec);

/* A condition variable of the interpreter's is signalled: note whether there is a GIL, by the
 * GIL's own memory. Nothing of Python's is called. */
void gt_agent_gil_signalled(struct gt_agent_thread *self, uint64_t cond);

#endif
