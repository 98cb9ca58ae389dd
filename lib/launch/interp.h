/* SPDX-License-Identifier: MIT */
/*
 * Which Python will run, and what must be known of it before probes are placed. The interpreter
 * itself is run and asked: only it knows where a shim, wrapper or virtual environment leads,
 * and which libc it maps.
 */
#ifndef GT_LAUNCH_INTERP_H
#define GT_LAUNCH_INTERP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct gt_interp {
    char *command;           /* what to execute: the path as found, also that of a shim */
    char *executable;        /* the program file itself; NULL: it could not be asked */
    char *implementation;    /* "cpython" */
    char *libpython;         /* path; NULL: linked statically, or unknown */
    char *libc;              /* path of the file that holds pthread_cond_signal */
    int major, minor, micro; /* 0 when unknown */
    bool free_threaded;      /* built with Py_GIL_DISABLED */
    int inside_pid;          /* paths are those below /proc/PID/root of this process, of another
                                mount namespace; 0: they are ours */
    bool gil_enabled;        /* false only for a free-threaded build that runs without a GIL */
};

void gt_interp_init(struct gt_interp *interp);
void gt_interp_release(struct gt_interp *interp);

/*
 * The interpreter for `giltracer script.py`: `named` (--python) when not NULL, else
 * $VIRTUAL_ENV/bin/python, else python3 on PATH. It is run, for 10 s at most.
 * GT_ERR_UNSUPPORTED for Python 2 and for other implementations than CPython.
 */
int gt_interp_find(struct gt_interp *interp, uv_loop_t *loop, const char *named,
                   struct gt_error *err);

/*
 * For `giltracer -- command`: the interpreter that `command` is, or that its #! line names. Of
 * any other program only the libc is found, by running its dynamic loader, never the program
 * itself; `executable` stays NULL then. A command that does not exist is no error here, because
 * executing it will say so.
 */
int gt_interp_of_command(struct gt_interp *interp, uv_loop_t *loop, const char *command,
                         struct gt_error *err);

/* Note a file that it maps, if that is its libpython or its libc. */
int gt_interp_take_map(struct gt_interp *interp, const char *path, struct gt_error *err);

/* Parts of the above, pure, for tests. */

/* Read the interpreter's answer: "key=value" items, each ended by NUL. */
int gt_interp_parse(struct gt_interp *interp, const char *text, size_t length,
                    struct gt_error *err);
/* Does the last part of a path name a Python: python, python3, python3.11, pypy3, …? */
bool gt_interp_is_python_name(const char *path);
/*
 * Copy the program of a #! line (given without "#!") to `program`; for "env" with its -S, -i
 * and NAME=value it is the program that env executes. False when there is none.
 */
bool gt_interp_parse_shebang(const char *line, char *program, size_t size);
/* Copy the path of libc.so.6, or of a musl loader, out of the output of `ld.so --list`. */
bool gt_interp_parse_ld_list(const char *text, char *path, size_t size);

#endif
