/* SPDX-License-Identifier: MIT */
/*
 * The functions of the target. When a function is first called, it gets a number, which is
 * unique in the run, and a note in the log with its qualified name, file and line.
 */
#ifndef GT_AGENT_FUNCTIONS_H
#define GT_AGENT_FUNCTIONS_H

#include "agent/likely.h"
#include "agent/python.h"
#include "agent/thread.h"

enum gt_agent_function_flags {
    GT_AGENT_SKIP = 1 << 0,  /* filtered out: never recorded */
    GT_AGENT_OFF = 1 << 1,   /* over budget: recorded no more */
    GT_AGENT_NAMES = 1 << 2, /* it sets a thread's name: look for new names when it returns */
    GT_AGENT_C = 1 << 3,     /* a function of C */
    GT_AGENT_GC = 1 << 4,    /* a run of the garbage collector */
    GT_AGENT_HOOKS = 1 << 5, /* sets the profile hook */
    GT_AGENT_SYNC = 1 << 6,  /* a synchronisation operation: sync.h */
    GT_AGENT_TELLS = 1 << 7, /* which failed when it returns False */
    GT_AGENT_STALE = 1 << 8, /* of a recording that has ended: this one has not named it yet */
    GT_AGENT_LOADS = 1 << 9, /* loads a module of C: a GIL may come with it */
};

/* Lives as long as the process. Functions of the same name, file and line share one struct. */
struct gt_agent_function {
    uint32_t id;
    uint32_t flags;
    uint32_t op; /* of GT_AGENT_SYNC: the enum gt_wire_kind of its records */
    uint64_t calls;
    uint64_t
        budget_ns; /* the process's CPU time when the function's share was last looked at */
    struct gt_agent_function *next; /* of all */
};

/* Other threads may set other flags of it at the same time. */
static inline void gt_agent_function_flag(struct gt_agent_function *function, uint32_t flags)
{
    __atomic_fetch_or(&function->flags, flags, __ATOMIC_RELAXED);
}

static inline bool gt_agent_function_is_stale(const struct gt_agent_function *function)
{
    return function->flags & GT_AGENT_STALE;
}

/* Read the filters from the settings. False: there is no memory for them. */
bool gt_agent_functions_init(void);
/* Another recording begins: each function gets another number when it is called. */
void gt_agent_functions_renew(void);
/* Are calls of C functions recorded? */
bool gt_agent_functions_want_c(void);

/* gt_agent_function_of_code where the code object is new. */
struct gt_agent_function *gt_agent_function_of_code_slow(struct gt_agent_thread *self,
                                                         PyObject *code);

/* The agent's index in code objects' extra data (_PyEval_RequestCodeExtraIndex); -1: none yet.
 */
extern ptrdiff_t gt_agent_code_extra;

/* Where a code object keeps that data, in bytes from its start; 0 until it is known. To read it
 * by the API would cost as much as all the rest of recording a call. */
extern size_t gt_agent_extra_offset;

struct gt_agent_extras { /* _PyCodeObjectExtra */
    ptrdiff_t count;
    void *values[];
};

/* The function of a code object. NULL when memory is exhausted. The thread may use Python. */
static inline struct gt_agent_function *gt_agent_function_of_code(struct gt_agent_thread *self,
                                                                  PyObject *code)
{
    if (GT_AGENT_LIKELY(gt_agent_extra_offset)) {
        const struct gt_agent_extras *extras = gt_agent_field(code, gt_agent_extra_offset);

        if (extras && extras->count > gt_agent_code_extra) {
            struct gt_agent_function *function = extras->values[gt_agent_code_extra];

            if (GT_AGENT_LIKELY(function && !gt_agent_function_is_stale(function)))
                return function;
        }
    }
    return gt_agent_function_of_code_slow(self, code);
}

/* The function of a builtin function or method descriptor. NULL when `callable` is neither, or
 * when calls of C functions are not recorded. The thread may use Python. */
struct gt_agent_function *gt_agent_function_of_callable(struct gt_agent_thread *self,
                                                        PyObject *callable);

/* The object whose method such a callable is, when it is called with the first argument
 * `first`, which may be NULL. Borrowed. */
PyObject *gt_agent_object_of(PyObject *callable, PyObject *first);

/* A function that is none of the target's code objects or callables. */
struct gt_agent_function *gt_agent_function_named(struct gt_agent_thread *self,
                                                  const char *name, const char *file,
                                                  uint32_t wire_flags);

#endif
