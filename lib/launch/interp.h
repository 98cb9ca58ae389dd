/*
 * Which Python will run, and what is worth knowing about it before probes are placed. The
 * interpreter itself is asked: only it knows what a shim, wrapper or virtual environment
 * leads to, and which libc it maps.
 */
#ifndef GT_LAUNCH_INTERP_H
#define GT_LAUNCH_INTERP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct gt_interp {
    char *command;           /* what to execute: a path as found, a shim stays a shim */
    char *executable;        /* the real program file; NULL when nobody could be asked */
    char *implementation;    /* "cpython" */
    char *libpython;         /* path; NULL: linked statically, or unknown */
    char *libc;              /* path of the file that holds pthread_cond_signal */
    int major, minor, micro; /* 0 when unknown */
    bool free_threaded;      /* built with Py_GIL_DISABLED */
    bool gil_enabled;        /* false only of free-threaded builds that run without a GIL */
};

void gt_interp_init(struct gt_interp *interp);
void gt_interp_release(struct gt_interp *interp);

/*
 * The interpreter for `giltracer script.py`: `named` (--python) when not NULL, else
 * $VIRTUAL_ENV/bin/python, else python3 on PATH. Runs it, at most 10 s. GT_ERR_UNSUPPORTED
 * of Python 2 and of what is not CPython.
 */
int gt_interp_find(struct gt_interp *interp, uv_loop_t *loop, const char *named,
                   struct gt_error *err);

/*
 * For `giltracer -- command`: the interpreter that `command` is, or that its #! line names;
 * of any other program only the libc it maps is told (its dynamic loader is asked, never the
 * program itself), and `executable` stays NULL. A command that does not exist is not an
 * error here: executing it will say so.
 */
int gt_interp_of_command(struct gt_interp *interp, uv_loop_t *loop, const char *command,
                         struct gt_error *err);

/* Parts of the above, pure, for tests. */

/* Read what the question printed: "key=value" items, each ended by NUL. */
int gt_interp_parse(struct gt_interp *interp, const char *text, size_t length,
                    struct gt_error *err);
/* Whether the last part of a path names a Python: python, python3, python3.11, pypy3, …. */
bool gt_interp_is_python_name(const char *path);
/*
 * The program of a #! line (without "#!"), "env" and its -S, -i and NAME=value seen through.
 * Copied into `program`; false when there is none.
 */
bool gt_interp_parse_shebang(const char *line, char *program, size_t size);
/* The path of libc.so.6 (or a musl loader) in what `ld.so --list` printed. */
bool gt_interp_parse_ld_list(const char *text, char *path, size_t size);

#endif
