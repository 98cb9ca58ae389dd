/* SPDX-License-Identifier: MIT */
#include "agent/monitoring.h"

#include "agent/gil_switch.h"
#include "agent/measure.h"
#include "agent/names.h"
#include "agent/sync.h"
#include "agent/threads.h"
#include "agent/trace.h"

#include <string.h>

enum {
    OTHER_CALLS = 8192, /* from one place, before its events are switched off */
    LOOK_EVERY = 64,    /* calls of a place: is the function still traced? */
};

/* A callback returns it to get no more of this event from this place. For local events only. */
static PyObject *disable;

static inline PyObject *none(void)
{
    return gt_agent_api._Py_NoneStruct; /* immortal since 3.12 */
}

static PyObject *enter_function(PyObject *code, enum gt_wire_call_kind kind, bool local)
{
    struct gt_agent_thread *self = gt_agent_enter();
    struct gt_agent_function *function;
    bool keep = true;

    if (GT_AGENT_UNLIKELY(!self))
        return none();
    function = gt_agent_function_of_code(self, code);
    if (function && !(function->flags & (GT_AGENT_SKIP | GT_AGENT_OFF)))
        keep = gt_agent_trace_call(self, function, kind);
    else if (function)
        keep = false;
    if (GT_AGENT_UNLIKELY(self->name.looks != UINT32_MAX))
        gt_agent_names_look(self);
    gt_agent_leave(self);
    return keep || !local ? none() : disable;
}

static PyObject *leave_function(PyObject *code, PyObject *result, enum gt_wire_call_kind kind,
                                bool local)
{
    struct gt_agent_thread *self = gt_agent_enter();
    struct gt_agent_function *function;
    bool keep = true;

    if (GT_AGENT_UNLIKELY(!self))
        return none();
    function = gt_agent_function_of_code(self, code);
    if (function && !(function->flags & (GT_AGENT_SKIP | GT_AGENT_OFF))) {
        if (GT_AGENT_UNLIKELY(function->flags & GT_AGENT_SYNC) && kind == GT_WIRE_RETURN)
            gt_agent_sync_return(self, function, NULL, result);
        gt_agent_trace_return(self, function, kind);
    } else if (function) {
        keep = function->flags & GT_AGENT_NAMES;
    }
    if (function && GT_AGENT_UNLIKELY(function->flags & GT_AGENT_NAMES) && result == none())
        gt_agent_names_update(self);
    gt_agent_leave(self);
    return keep || !local ? none() : disable;
}

static PyObject *on_start(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count ? enter_function(args[0], GT_WIRE_CALL, true) : none();
}

static PyObject *on_resume(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count ? enter_function(args[0], GT_WIRE_RESUME, true) : none();
}

static PyObject *on_throw(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count ? enter_function(args[0], GT_WIRE_THROW, false) : none();
}

static PyObject *on_return(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count > 2 ? leave_function(args[0], args[2], GT_WIRE_RETURN, true) : none();
}

static PyObject *on_yield(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count ? leave_function(args[0], NULL, GT_WIRE_YIELD, true) : none();
}

static PyObject *on_unwind(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return count ? leave_function(args[0], NULL, GT_WIRE_UNWIND, false) : none();
}

/* The events of a place are switched off: note that its later calls of C functions are not
 * recorded either. */
static void let_go(struct gt_agent_thread *self)
{
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_UNTRACED, .count = 1};
    struct gt_agent_function *all =
        gt_agent_function_named(self, "(C functions)", "", GT_WIRE_FUNCTION_PLACES);

    if (!all || !gt_agent_functions_want_c())
        return;
    note.ticks = gt_agent_ticks();
    note.id = all->id;
    gt_agent_note(self, &note, "", 0, "", 0);
}

/*
 * A place in the code calls something else than a function of C. The event tells nothing that
 * PY_START does not, and costs as much; but the next call from there may be one of a C
 * function. So the events of a place are switched off after thousands of such calls without one
 * of a C function: false then.
 */
static bool other_call_from(struct gt_agent_thread *self, struct gt_agent_place *place)
{
    if (GT_AGENT_UNLIKELY(gt_agent_measuring))
        return false; /* to measure what a call costs when they are switched off */
    if (++place->calls < OTHER_CALLS)
        return true;
    let_go(self);
    return false;
}

/* The same; also switched off when the function that is called is. */
static bool python_call_from(struct gt_agent_thread *self, struct gt_agent_place *place,
                             PyObject *callable)
{
    struct gt_agent_function *callee;

    if (!other_call_from(self, place))
        return false;
    if (place->calls % LOOK_EVERY)
        return true;
    callee = gt_agent_function_of_code(self, gt_agent_api.PyFunction_GetCode(callable));
    return !callee || !(callee->flags & GT_AGENT_OFF);
}

/* C functions are recorded when they are called from code that is traced. */
static bool c_call_from(struct gt_agent_thread *self, PyObject *code,
                        struct gt_agent_function *callee)
{
    struct gt_agent_function *caller = gt_agent_function_of_code(self, code);

    if (!caller || caller->flags & GT_AGENT_SKIP || callee->flags & GT_AGENT_OFF)
        return false;
    return gt_agent_trace_call(self, callee, GT_WIRE_CALL);
}

static bool call_from(struct gt_agent_thread *self, PyObject *code, PyObject *offset,
                      PyObject *callable)
{
    uint64_t key = (uintptr_t)code + (uint64_t)gt_agent_api.PyLong_AsLong(offset);
    struct gt_agent_place *place = &self->places[(key ^ key >> 7) % GT_AGENT_PLACES];
    struct gt_agent_function *callee;

    if (place->key != key) {
        place->key = key;
        place->calls = 0;
    }
    if (gt_agent_type(callable) == gt_agent_api.PyFunction_Type)
        return python_call_from(self, place, callable);
    callee = gt_agent_function_of_callable(self, callable);
    if (!callee)
        return other_call_from(self, place); /* a class, say */
    place->calls = 0;
    if (GT_AGENT_UNLIKELY(callee->flags & GT_AGENT_LOADS))
        gt_agent_gil_import_begins(self);
    return c_call_from(self, code, callee);
}

static PyObject *on_call(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    struct gt_agent_thread *self = count > 2 ? gt_agent_enter() : NULL;
    bool keep;

    (void)unused;
    if (GT_AGENT_UNLIKELY(!self))
        return none();
    keep = call_from(self, args[0], args[1], args[2]);
    gt_agent_leave(self);
    return keep ? none() : disable;
}

static PyObject *end_call(PyObject *const *args, ptrdiff_t count, enum gt_wire_call_kind kind)
{
    struct gt_agent_thread *self = count > 2 ? gt_agent_enter() : NULL;
    struct gt_agent_function *callee;

    if (GT_AGENT_UNLIKELY(!self))
        return none();
    callee = gt_agent_function_of_callable(self, args[2]);
    if (callee && !(callee->flags & GT_AGENT_OFF)) {
        if (GT_AGENT_UNLIKELY(callee->flags & GT_AGENT_SYNC) && kind == GT_WIRE_RETURN)
            gt_agent_sync_return(self, callee,
                                 gt_agent_object_of(args[2], count > 3 ? args[3] : NULL), NULL);
        if (GT_AGENT_UNLIKELY(callee->flags & GT_AGENT_LOADS))
            gt_agent_gil_imported(self, count > 3 ? args[3] : NULL);
        gt_agent_trace_return(self, callee, kind);
    }
    gt_agent_leave(self);
    return none();
}

static PyObject *on_c_return(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return end_call(args, count, GT_WIRE_RETURN);
}

static PyObject *on_c_raise(PyObject *unused, PyObject *const *args, ptrdiff_t count)
{
    (void)unused;
    return end_call(args, count, GT_WIRE_UNWIND);
}

/* The id of the first interpreter's tool; -1: none. */
static int first_tool = -1;

/* Events by the names of sys.monitoring.events. C_RETURN and C_RAISE come with CALL. */
static struct {
    const char *event;
    bool of_c;
    bool implied; /* comes with CALL, and cannot be asked for by itself */
    struct gt_agent_method method;
} callbacks[] = {
    {"PY_START", false, false, {"giltracer_start", on_start, GT_AGENT_FASTCALL, NULL}},
    {"PY_RESUME", false, false, {"giltracer_resume", on_resume, GT_AGENT_FASTCALL, NULL}},
    {"PY_THROW", false, false, {"giltracer_throw", on_throw, GT_AGENT_FASTCALL, NULL}},
    {"PY_RETURN", false, false, {"giltracer_return", on_return, GT_AGENT_FASTCALL, NULL}},
    {"PY_YIELD", false, false, {"giltracer_yield", on_yield, GT_AGENT_FASTCALL, NULL}},
    {"PY_UNWIND", false, false, {"giltracer_unwind", on_unwind, GT_AGENT_FASTCALL, NULL}},
    {"CALL", true, false, {"giltracer_call", on_call, GT_AGENT_FASTCALL, NULL}},
    {"C_RETURN", true, true, {"giltracer_c_return", on_c_return, GT_AGENT_FASTCALL, NULL}},
    {"C_RAISE", true, true, {"giltracer_c_raise", on_c_raise, GT_AGENT_FASTCALL, NULL}},
};

/* Forget a result; true when there was one. */
static bool done(PyObject *result)
{
    if (result)
        gt_agent_api.Py_DecRef(result);
    else
        gt_agent_api.PyErr_Clear();
    return result != NULL;
}

/* Ids 0 to 2 and 5 have meanings (debugger, coverage, profiler, optimizer) that other tools
 * of the target may want: take one that has none. */
static int claim_tool(PyObject *monitoring)
{
    static const int ids[] = {4, 3};

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (done(gt_agent_api.PyObject_CallMethod(monitoring, "use_tool_id", "is", ids[i],
                                                  "giltracer")))
            return ids[i];
    return -1;
}

static bool register_callback(PyObject *monitoring, PyObject *events, int tool, unsigned index,
                              long *mask)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *event = api->PyObject_GetAttrString(events, callbacks[index].event);
    PyObject *function = api->PyCFunction_NewEx(&callbacks[index].method, NULL, NULL);
    bool ok = event && function &&
              done(api->PyObject_CallMethod(monitoring, "register_callback", "iOO", tool, event,
                                            function));

    if (ok && !callbacks[index].implied)
        *mask |= api->PyLong_AsLong(event);
    if (event)
        api->Py_DecRef(event);
    if (function)
        api->Py_DecRef(function);
    return ok;
}

/* None instead of each callback, and the id is free again. */
static void release_tool(PyObject *monitoring, PyObject *events, int tool)
{
    const struct gt_agent_api *api = &gt_agent_api;

    done(api->PyObject_CallMethod(monitoring, "set_events", "ii", tool, 0));
    for (unsigned i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++) {
        PyObject *event = api->PyObject_GetAttrString(events, callbacks[i].event);

        if (event) {
            done(api->PyObject_CallMethod(monitoring, "register_callback", "iOO", tool, event,
                                          none()));
            api->Py_DecRef(event);
        }
    }
    done(api->PyObject_CallMethod(monitoring, "free_tool_id", "i", tool));
    api->PyErr_Clear();
}

void gt_agent_monitoring_stop(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *monitoring = api->PySys_GetObject("monitoring"); /* borrowed */
    PyObject *events = NULL;

    if (first_tool < 0)
        return;
    if (monitoring)
        events = api->PyObject_GetAttrString(monitoring, "events");
    if (events) {
        release_tool(monitoring, events, first_tool);
        api->Py_DecRef(events);
    }
    api->PyErr_Clear();
    first_tool = -1;
}

bool gt_agent_monitoring_start(void)
{
    static bool again;
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *monitoring = api->PySys_GetObject("monitoring"); /* borrowed */
    PyObject *events = monitoring ? api->PyObject_GetAttrString(monitoring, "events") : NULL;
    long mask = 0;
    int tool = -1;
    bool ok = events != NULL;

    if (ok) {
        disable = api->PyObject_GetAttrString(monitoring, "DISABLE");
        tool = disable ? claim_tool(monitoring) : -1;
        ok = tool >= 0;
    }
    for (unsigned i = 0; ok && i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
        if (!callbacks[i].of_c || gt_agent_functions_want_c())
            ok = register_callback(monitoring, events, tool, i, &mask);
    ok = ok && done(api->PyObject_CallMethod(monitoring, "set_events", "il", tool, mask));
    if (ok && first_tool < 0 && again) /* what an earlier recording let go of */
        done(api->PyObject_CallMethod(monitoring, "restart_events", NULL));
    again = again || ok;
    if (ok && first_tool < 0)
        first_tool = tool;
    else if (!ok && tool >= 0)
        release_tool(monitoring, events, tool);
    if (events)
        api->Py_DecRef(events);
    api->PyErr_Clear();
    if (!ok)
        gt_agent_say("functions are not traced: sys.monitoring has no free tool id");
    return ok;
}
