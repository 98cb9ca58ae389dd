/* Where threads meet: which queue, which barrier, which thread it was. */
#include "agent/trace.h"

/* `self` of the running Python function, borrowed. */
static PyObject *running_self(void)
{
    PyObject *locals = gt_agent_api.PyEval_GetLocals();

    return locals ? gt_agent_api.PyDict_GetItemString(locals, "self") : NULL;
}

/* threading's ident of a Thread; 0: it has none. */
static uint64_t ident_of(PyObject *thread)
{
    PyObject *ident = gt_agent_attribute(thread, "_ident");
    uint64_t value = 0;

    if (ident && ident != gt_agent_api._Py_NoneStruct)
        value = gt_agent_api.PyLong_AsUnsignedLong(ident);
    if (ident)
        gt_agent_api.Py_DecRef(ident);
    return value;
}

static uint64_t subject_of(const struct gt_agent_function *function, PyObject *object)
{
    PyObject *type, *value, *traceback;
    uint64_t subject;

    gt_agent_api.PyErr_Fetch(&type, &value, &traceback);
    if (!object)
        object = running_self();
    subject = object && function->meeting == GT_WIRE_JOIN ? ident_of(object)
                                                          : (uint64_t)(uintptr_t)object;
    gt_agent_api.PyErr_Clear();
    gt_agent_api.PyErr_Restore(type, value, traceback);
    return subject;
}

void gt_agent_sync_return(struct gt_agent_thread *self,
                          const struct gt_agent_function *function, PyObject *object)
{
    uint64_t subject = subject_of(function, object), ticks = gt_agent_ticks_ordered();
    const struct gt_agent_call *call = self->depth ? &self->stack[self->depth - 1] : NULL;

    if (!subject)
        return;
    if (call && call->id == function->id && !self->skipped)
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SINCE, ticks - call->ticks));
    gt_agent_put(self, ticks, GT_WIRE_WORD(function->meeting, subject));
}
