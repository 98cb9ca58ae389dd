/* SPDX-License-Identifier: MIT */
#include "agent/sync.h"

#include "agent/log.h"

/* A local of the running Python function, borrowed; NULL: it has none of that name. */
static PyObject *running_local(const char *name)
{
    PyObject *locals = gt_agent_api.PyEval_GetLocals();

    return locals ? gt_agent_api.PyDict_GetItemString(locals, name) : NULL;
}

/* Would Semaphore.acquire, which took a permit, have returned without one rather than wait? */
static bool would_not_wait(void)
{
    PyObject *timeout = running_local("timeout");

    return running_local("blocking") == gt_agent_api._Py_FalseStruct ||
           (timeout && timeout != gt_agent_api._Py_NoneStruct &&
            gt_agent_api.PyLong_AsUnsignedLong(timeout) == 0);
}

/* The number that an object's attribute is, plus `more`; 0: it is none. */
static uint64_t number_of(PyObject *object, const char *name, uint64_t more)
{
    PyObject *number = gt_agent_attribute(object, name);
    uint64_t value = 0;

    if (number && number != gt_agent_api._Py_NoneStruct) {
        value = gt_agent_api.PyLong_AsUnsignedLong(number);
        value =
            value == UINT64_MAX ? 0 : value + more; /* UINT64_MAX: it is not that of an int */
    }
    if (number)
        gt_agent_api.Py_DecRef(number);
    return value;
}

struct subject {
    uint64_t value; /* 0: not known, or of no interest */
    uint64_t left; /* permits of a semaphore, or how many items a queue can hold, plus 1; 0: not
                      known */
};

/* How many items a queue can hold, plus 1; 0: any number. */
static uint64_t capacity_of(PyObject *queue)
{
    uint64_t most = number_of(queue, "maxsize", 0);

    return most && most <= INT64_MAX ? most + 1 : 0;
}

static struct subject subject_of(const struct gt_agent_function *function, PyObject *object)
{
    PyObject *type, *value, *traceback;
    struct subject subject = {0};

    gt_agent_api.PyErr_Fetch(&type, &value, &traceback);
    if (!object)
        object = running_local("self");
    if (object && function->op == GT_WIRE_JOIN) {
        subject.value = number_of(object, "_ident", 0);
    } else if (object && !(function->op == GT_WIRE_PERMIT_TAKEN && would_not_wait())) {
        subject.value = (uint64_t)(uintptr_t)object;
        if (function->op == GT_WIRE_PERMIT_TAKEN)
            subject.left = number_of(object, "_value", 1);
        else if (function->op == GT_WIRE_QUEUE_PUT && !(function->flags & GT_AGENT_C))
            subject.left = capacity_of(object);
    }
    gt_agent_api.PyErr_Clear();
    gt_agent_api.PyErr_Restore(type, value, traceback);
    return subject;
}

void gt_agent_sync_return(struct gt_agent_thread *self,
                          const struct gt_agent_function *function, PyObject *object,
                          const PyObject *result)
{
    const struct gt_agent_call *call =
        self->calls.depth ? &self->calls.stack[self->calls.depth - 1] : NULL;
    struct subject subject;
    uint64_t ticks;

    if (function->flags & GT_AGENT_TELLS && result == gt_agent_api._Py_FalseStruct)
        return;
    subject = subject_of(function, object);
    ticks = gt_agent_ticks_ordered();
    if (!subject.value)
        return;
    if (subject.left)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_LEFT, subject.left));
    if (call && call->id == function->id && !self->calls.skipped)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SINCE, ticks - call->ticks));
    gt_agent_put(self, ticks, GT_WIRE_WORD(function->op, subject.value));
}
