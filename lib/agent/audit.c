/* SPDX-License-Identifier: MIT */
#include "agent/audit.h"

#include "agent/codes.h"
#include "agent/functions.h"
#include "agent/gc.h"
#include "agent/gil_switch.h"
#include "agent/interpreters.h"
#include "agent/monitoring.h"
#include "agent/profile_hook.h"
#include "agent/threads.h"

#include <string.h>

static void (*on_end)(void);

/* The agent's index of code objects' extra data must be the same in all interpreters. Each
 * interpreter gives out indices in the order of requests, and other tools may have come first
 * in one of them: so request until it is the same. */
static bool request_code_extra(void)
{
    static void *first; /* the interpreter that has it already */
    void *here = gt_agent_interpreter_of(gt_agent_api.thread_state());
    ptrdiff_t index;

    if (gt_agent_code_extra < 0) {
        first = here;
        gt_agent_code_extra = gt_agent_code_request_extra();
        return gt_agent_code_extra >= 0;
    }
    if (here == first)
        return true;
    do
        index = gt_agent_code_request_extra();
    while (index >= 0 && index < gt_agent_code_extra);
    return index == gt_agent_code_extra;
}

/* Trace the functions of the interpreter that this thread is in. */
bool gt_agent_audit_here(void)
{
    if (!request_code_extra()) {
        gt_agent_say("functions are not traced: code objects have no room for more data of "
                     "tools");
        return false;
    }
    gt_agent_gc_start();
    return gt_agent_api.version >= 0x030c ? gt_agent_monitoring_start()
                                          : gt_agent_profile_start();
}

bool gt_agent_audit_stop(void)
{
    if (!gt_agent_interpreter_is_main(gt_agent_interpreter_of(gt_agent_api.thread_state())))
        return false;
    gt_agent_gc_stop();
    gt_agent_monitoring_stop();
    gt_agent_profile_stop();
    return true;
}

/* A sub-interpreter does something: is it new, or this thread in it? */
static void look_at(void *interpreter)
{
    int64_t id = gt_agent_api.PyInterpreterState_GetID(interpreter);
    struct gt_agent_interpreter *known;

    if (id < 0)
        return;
    known = gt_agent_interpreter_find(id);
    if (known) {
        if (known->traced && gt_agent_profiling)
            gt_agent_profile_start();
        return;
    }
    if (!gt_agent_interpreter_is_ready())
        return;
    known = gt_agent_interpreter_add(id);
    if (known) /* else it is tried again at the next event */
        known->traced = gt_agent_audit_here();
}

/* Py_Finalize. */
static void end(void)
{
    gt_agent_code_extra = -1;
    gt_agent_codes_forget();
    gt_agent_profile_announced = false; /* the hooks are gone */
    gt_agent_profile_end();
    on_end();
}

static int on_event(const char *event, PyObject *arguments, void *data)
{
    const struct gt_agent_api *api = &gt_agent_api;
    bool begins = !strcmp(event, "import") || !strcmp(event, "exec");
    bool profile = !begins && gt_agent_profiling && !strcmp(event, "sys.setprofile");
    void *state = begins || profile ? api->thread_state() : NULL;
    PyObject *type, *value, *traceback;

    (void)arguments;
    (void)data;
    gt_agent_profile_announced = true;
    if (!strcmp(event, "cpython._PySys_ClearAuditHooks"))
        end();
    if (!state || !gt_agent_is_recording())
        return 0;
    if (begins && gt_agent_interpreter_is_main(gt_agent_interpreter_of(state)))
        return 0;
    api->PyErr_Fetch(&type, &value, &traceback);
    if (begins)
        look_at(gt_agent_interpreter_of(state));
    else
        gt_agent_profile_changes(state);
    api->PyErr_Clear();
    api->PyErr_Restore(type, value, traceback);
    return 0;
}

void gt_agent_audit_start(void (*ended)(void))
{
    const struct gt_agent_api *api = &gt_agent_api;

    struct gt_agent_thread *self = api->free_threaded ? gt_agent_enter() : NULL;

    if (self) {
        gt_agent_gil_begin(self);
        gt_agent_leave(self);
    }
    on_end = ended;
    gt_agent_interpreter_set_main(gt_agent_interpreter_of(api->thread_state()));
    if (gt_agent_audit_here() && api->PySys_AddAuditHook && api->PyInterpreterState_GetID &&
        api->PySys_AddAuditHook(on_event, NULL))
        api->PyErr_Clear();
}
