/*
 * The functions of the target: each gets one number for the whole run when it is first called,
 * and a note in the log with its qualified name, file and line.
 */
#ifndef GT_AGENT_FUNCTIONS_H
#define GT_AGENT_FUNCTIONS_H

#include "agent/likely.h"
#include "agent/python.h"
#include "agent/thread.h"

enum gt_agent_function_flags {
    GT_AGENT_SKIP = 1 << 0,  /* filtered out: never recorded */
    GT_AGENT_OFF = 1 << 1,   /* over budget: recorded no more */
    GT_AGENT_NAMES = 1 << 2, /* threading's setter of names: look at them when it returns */
    GT_AGENT_C = 1 << 3,
    GT_AGENT_GC = 1 << 4,
    GT_AGENT_HOOKS = 1 << 5, /* sets the profile hook */
    GT_AGENT_SYNC = 1 << 6,  /* threads meet there: sync.c */
    GT_AGENT_TELLS = 1 << 7, /* but not when it returns False */
};

/* Lives as long as the process. Functions of the same name, file and line share one. */
struct gt_agent_function {
    uint32_t id;
    uint32_t flags;
    uint32_t op; /* of GT_AGENT_SYNC: the enum gt_wire_kind of its records */
    uint64_t calls;
    uint64_t budget_ns; /* of CPU time, when its share was last looked at */
};

/* Filters from the environment. */
void gt_agent_functions_init(void);
/* Are calls of C functions recorded? */
bool gt_agent_functions_want_c(void);

/* The function of a code object. NULL: out of memory. The GIL is held. */
struct gt_agent_function *gt_agent_function_of_code_slow(struct gt_agent_thread *self,
                                                         PyObject *code);

extern ptrdiff_t gt_agent_code_extra; /* our index of code objects' extra data */
/* Where a code object keeps that data: 0 until it is known. The API's way to it costs as much
 * as all the rest of recording a call. */
extern size_t gt_agent_extra_offset;

struct gt_agent_extras { /* _PyCodeObjectExtra */
    ptrdiff_t count;
    void *values[];
};

static inline struct gt_agent_function *gt_agent_function_of_code(struct gt_agent_thread *self,
                                                                  PyObject *code)
{
    if (GT_AGENT_LIKELY(gt_agent_extra_offset)) {
        const struct gt_agent_extras *extras = gt_agent_field(code, gt_agent_extra_offset);

        if (extras && extras->count > gt_agent_code_extra &&
            extras->values[gt_agent_code_extra])
            return extras->values[gt_agent_code_extra];
    }
    return gt_agent_function_of_code_slow(self, code);
}

/* The function of a builtin function or method descriptor; NULL when `callable` is none, or C
 * calls are left out. The GIL is held. */
struct gt_agent_function *gt_agent_function_of_callable(struct gt_agent_thread *self,
                                                        PyObject *callable);

/* The object whose method such a callable is, called with `first` (may be NULL). Borrowed. */
PyObject *gt_agent_object_of(PyObject *callable, PyObject *first);

/* A function of our own making. */
struct gt_agent_function *gt_agent_function_named(struct gt_agent_thread *self,
                                                  const char *name, const char *file,
                                                  uint32_t wire_flags);

#endif
