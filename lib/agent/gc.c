/* SPDX-License-Identifier: MIT */
#include "agent/gc.h"

#include "agent/threads.h"
#include "agent/trace.h"

#include <string.h>

enum { GENERATIONS = 3 };

static struct gt_agent_function *runs[GENERATIONS];
static PyObject *last; /* the callback that was started last; NULL: none */

static int generation_of(PyObject *info)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *number = NULL;
    long generation;

    if (info && gt_agent_type(info) == api->PyDict_Type)
        number = api->PyDict_GetItemString(info, "generation");
    generation = number ? api->PyLong_AsLong(number) : -1;
    api->PyErr_Clear();
    return generation >= 0 && generation < GENERATIONS ? (int)generation : GENERATIONS - 1;
}

/* callback(phase, info), phase being "start" or "stop". */
static PyObject *on_collection(PyObject *unused, PyObject *args)
{
    const struct gt_agent_api *api = &gt_agent_api;
    struct gt_agent_thread *self = gt_agent_enter();
    const char *phase = NULL;

    (void)unused;
    if (self) {
        struct gt_agent_function *run;

        if (api->PyTuple_Size(args) == 2)
            phase =
                api->PyUnicode_AsUTF8AndSize(api->PyTuple_GetItem(args, 0), &(ptrdiff_t){0});
        run = phase ? runs[generation_of(api->PyTuple_GetItem(args, 1))] : NULL;
        if (run && !strcmp(phase, "start"))
            gt_agent_trace_call(self, run, GT_WIRE_CALL);
        else if (run && !strcmp(phase, "stop"))
            gt_agent_trace_return(self, run, GT_WIRE_RETURN);
        api->PyErr_Clear();
        gt_agent_leave(self);
    }
    api->Py_IncRef(api->_Py_NoneStruct);
    return api->_Py_NoneStruct;
}

static void intern_runs(void)
{
    static const char *const names[GENERATIONS] = {
        "gc.collect generation 0", "gc.collect generation 1", "gc.collect generation 2"};
    struct gt_agent_thread *self = gt_agent_enter();

    if (!self)
        return;
    for (int i = 0; i < GENERATIONS; i++) {
        runs[i] = gt_agent_function_named(self, names[i], "gc", GT_WIRE_FUNCTION_GC);
        if (runs[i])
            gt_agent_function_flag(runs[i], GT_AGENT_GC);
    }
    gt_agent_leave(self);
}

/* gc.callbacks, a new reference. */
static PyObject *callbacks_list(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *gc = api->PyImport_ImportModule("gc");
    PyObject *callbacks = gc ? api->PyObject_GetAttrString(gc, "callbacks") : NULL;

    if (gc)
        api->Py_DecRef(gc);
    if (callbacks && gt_agent_type(callbacks) != api->PyList_Type) {
        api->Py_DecRef(callbacks);
        callbacks = NULL;
    }
    return callbacks;
}

void gt_agent_gc_start(void)
{
    static struct gt_agent_method method = {"giltracer_gc", on_collection, GT_AGENT_VARARGS,
                                            NULL};
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *callbacks = callbacks_list();
    PyObject *callback = callbacks ? api->PyCFunction_NewEx(&method, NULL, NULL) : NULL;

    intern_runs();
    if (callback && !api->PyList_Append(callbacks, callback))
        last = callback; /* only compared */
    if (callback)
        api->Py_DecRef(callback);
    if (callbacks)
        api->Py_DecRef(callbacks);
    api->PyErr_Clear();
}

/* By identity: list.remove would call the target's own __eq__. */
void gt_agent_gc_stop(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *callbacks = last ? callbacks_list() : NULL;

    for (ptrdiff_t i = callbacks ? api->PyList_Size(callbacks) - 1 : -1; i >= 0; i--) {
        PyObject *result;

        if (api->PyList_GetItem(callbacks, i) != last)
            continue;
        result = api->PyObject_CallMethod(callbacks, "pop", "n", i);
        if (result)
            api->Py_DecRef(result);
    }
    last = NULL;
    if (callbacks)
        api->Py_DecRef(callbacks);
    api->PyErr_Clear();
}
