/*
 * What the interpreter tells of itself, by audit events (CPython 3.8 and later): that there is
 * another interpreter in the process, and that a profile hook comes or goes.
 *
 * Tools, callbacks of the collector and data of code objects belong to an interpreter, so each
 * sub-interpreter is prepared when it first imports or executes something: as that may be at
 * any place of its own beginnings, not before it has a __main__.
 */
#include "agent/trace.h"

#include "agent/table.h"

#include <stdlib.h>
#include <string.h>

struct interpreter {
    bool traced;
};

bool gt_agent_audits;

static void *main_interpreter;
static struct gt_agent_table known; /* id + 1 → struct interpreter; ids are used once */

bool gt_agent_interpreter_is_traced(void *interpreter)
{
    const struct interpreter *found;

    if (GT_AGENT_LIKELY(interpreter == main_interpreter))
        return true;
    if (!interpreter || !gt_agent_api.PyInterpreterState_GetID)
        return false;
    found = gt_agent_table_get(
        &known, (uint64_t)gt_agent_api.PyInterpreterState_GetID(interpreter) + 1);
    return found && found->traced;
}

/* 3.6 says Py_IsInitialized before it can import. */
bool gt_agent_interpreter_is_ready(void)
{
    PyObject *modules = gt_agent_api.PyImport_GetModuleDict();

    return modules && gt_agent_api.PyDict_GetItemString(modules, "__main__");
}

/* Our index of code objects' extra data must be the same everywhere. Interpreters number it in
 * the order of requests; other tools may have come first in one of them. */
static bool request_code_extra(void)
{
    ptrdiff_t index;

    if (gt_agent_code_extra < 0) {
        gt_agent_code_extra = gt_agent_api.request_code_extra(NULL);
        return gt_agent_code_extra >= 0;
    }
    do
        index = gt_agent_api.request_code_extra(NULL);
    while (index >= 0 && index < gt_agent_code_extra);
    return index == gt_agent_code_extra;
}

/* Trace the functions of the interpreter that this thread is in. */
static bool trace_here(void)
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

/* A sub-interpreter does something: is it new, or this thread in it? */
static void look_at(void *interpreter)
{
    int64_t id = gt_agent_api.PyInterpreterState_GetID(interpreter);
    const struct interpreter *old =
        id < 0 ? NULL : gt_agent_table_get(&known, (uint64_t)id + 1);
    struct interpreter *new;

    if (old && old->traced && gt_agent_profiling)
        gt_agent_profile_start();
    if (id < 0 || old || !gt_agent_interpreter_is_ready())
        return;
    new = calloc(1, sizeof(*new));
    if (!new || !gt_agent_table_add(&known, (uint64_t)id + 1, new)) {
        free(new); /* another time */
        return;
    }
    new->traced = trace_here();
}

/* Py_Finalize; a program that embeds Python may initialise it again. */
static void end(void)
{
    gt_agent_code_extra = -1;
    gt_agent_audits = false; /* the hooks are gone */
    gt_agent_profile_end();
    gt_agent_start_again();
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
    gt_agent_audits = true;
    if (!strcmp(event, "cpython._PySys_ClearAuditHooks"))
        end();
    if (!state || !gt_agent.recording)
        return 0;
    if (begins && gt_agent_interpreter_of(state) == main_interpreter)
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

void gt_agent_interpreters_start(void)
{
    const struct gt_agent_api *api = &gt_agent_api;

    main_interpreter = gt_agent_interpreter_of(api->thread_state());
    if (trace_here() && api->PySys_AddAuditHook && api->PyInterpreterState_GetID &&
        api->PySys_AddAuditHook(on_event, NULL))
        api->PyErr_Clear();
}
