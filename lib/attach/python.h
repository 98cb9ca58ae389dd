/* SPDX-License-Identifier: MIT */
/*
 * Which Python a running process is: the facts that launch/interp.h asks an interpreter for,
 * read from its mappings, the files that it maps, and its memory. No symbols are needed.
 */
#ifndef GT_ATTACH_PYTHON_H
#define GT_ATTACH_PYTHON_H

#include "attach/running.h"
#include "launch/interp.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_python {
    int major, minor, micro;
    bool free_threaded;
    uint64_t runtime, runtime_size;    /* _PyRuntime in its memory; 0: there is none (3.6) */
    uint64_t variables, variables_end; /* of the file that _PyRuntime is in */
    uint64_t gil;                      /* where its GIL was found once (gil.h); 0: nowhere */
    uint64_t current; /* _PyThreadState_Current (3.6): the holder's; 0: it is not exported */
    const struct gt_mapping *file; /* the interpreter's, of the process; borrowed */
};

/*
 * Find it. GT_ERR_UNSUPPORTED with the reason: the process does not run Python, or Python 2, or
 * PyPy, or with a libc other than glibc, or its files were replaced on the disk. What is in
 * `interp` then is to be released.
 */
int gt_python_find(struct gt_python *python, struct gt_interp *interp,
                   const struct gt_running *running, struct gt_error *err);

/* Parts of the above, pure, for tests. */

/* The version in the text that Py_GetVersion made ("3.11.2 (main, …) [GCC …]"), somewhere in
 * `data`. False: there is none. */
bool gt_python_scan_version(const char *data, size_t length, struct gt_python *python);

#endif
