/* SPDX-License-Identifier: MIT */
/* Cells of notebooks: IPython gives the code of each a file's name that nobody knows it by. */
#ifndef GT_AGENT_CELLS_H
#define GT_AGENT_CELLS_H

#include "agent/python.h"

#include <stdbool.h>
#include <stddef.h>

/* The name of the cell whose code has this file (co_filename, `text` its UTF-8): "Cell [4]".
 * False: it is none. The thread may use Python; no code of the target's runs, and an exception
 * may be set. */
bool gt_agent_cell_of(PyObject *file, const char *text, size_t length, char *name, size_t size);

#endif
