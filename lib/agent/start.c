/* SPDX-License-Identifier: MIT */
#include "agent/start.h"

#include "agent/audit.h"
#include "agent/interpreters.h"
#include "agent/measure.h"
#include "agent/settings.h"
#include "agent/threads.h"
#include "agent/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gt_agent_start_due;

static uint32_t claimed;

/* GILTRACER_AGENT_IMPORT: "a,b.c" */
static void import_modules(void)
{
    const char *list = gt_agent_setting(GT_AGENT_ENV_IMPORT);
    char name[256];

    while (list && *list) {
        size_t length = strcspn(list, ",");
        PyObject *module = NULL;

        if (length && length < sizeof(name)) {
            memcpy(name, list, length);
            name[length] = '\0';
            module = gt_agent_api.PyImport_ImportModule(name);
            if (module) {
                gt_agent_api.Py_DecRef(module);
            } else {
                char text[320];

                snprintf(text, sizeof(text), "cannot import %s, asked for by --import", name);
                gt_agent_say(text);
                gt_agent_api.PyErr_Clear();
            }
        }
        list += length + (list[length] == ',');
    }
}

/* Try once more, at the next occasion. */
static void start_again(void)
{
    __atomic_store_n(&claimed, 0, __ATOMIC_RELEASE);
    gt_agent_start_due = true;
    gt_agent_not_simple();
}

/* A pending call: in the main thread, with the GIL, between two bytecodes. */
static int begin(void *unused)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *type, *value, *traceback;
    bool done = true;

    (void)unused;
    if (!gt_agent_is_recording())
        return 0;
    api->PyErr_Fetch(&type, &value, &traceback);
    if (!gt_agent_interpreter_is_ready()) {
        start_again();
    } else {
        import_modules();
        gt_agent_trace_init();
        done = gt_agent_measure_before();
        gt_agent_audit_start(start_again);
        done = done && gt_agent_measure_after();
    }
    if (!done) /* the exception is raised here, between two bytecodes, as without the agent */
        return -1;
    api->PyErr_Clear();
    api->PyErr_Restore(type, value, traceback);
    return 0;
}

/* Python code runs to measure what tracing costs: not where a tool of the target's would see
 * it. */
static bool may_measure(void)
{
    static const char *const hooks[] = {"gettrace", "getprofile"};
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *sys = api->PyImport_ImportModule("sys");
    bool may = sys != NULL;

    for (int i = 0; may && i < 2; i++) {
        PyObject *hook = api->PyObject_CallMethod(sys, hooks[i], NULL);

        may = hook == api->_Py_NoneStruct;
        if (hook)
            api->Py_DecRef(hook);
    }
    if (sys)
        api->Py_DecRef(sys);
    api->PyErr_Clear();
    return may;
}

/* What a signal handler raised, to be raised where it would have been. */
static PyObject *raised[3];

static int raise_again(void *unused)
{
    (void)unused;
    gt_agent_api.PyErr_Restore(raised[0], raised[1], raised[2]);
    return -1;
}

static void raise_later(void)
{
    if (!gt_agent_api.PyErr_Occurred())
        return;
    gt_agent_api.PyErr_Fetch(&raised[0], &raised[1], &raised[2]);
    gt_agent_api.Py_AddPendingCall(raise_again, NULL);
}

bool gt_agent_start_late(void)
{
    const char *wanted = gt_agent_setting(GT_AGENT_ENV_PYTHON);

    if (!gt_agent_api.version || !wanted || strcmp(wanted, "1"))
        return false;
    if (!gt_agent_functions_init()) {
        gt_agent_say("functions are not traced: no memory for their filters");
        return false;
    }
    import_modules();
    gt_agent_trace_init();
    if (may_measure() && !gt_agent_measure_before())
        raise_later();
    return gt_agent_audit_here();
}

void gt_agent_start_measured(void)
{
    if (gt_agent_measuring && !gt_agent_measure_after())
        raise_later();
}

/* Not before Py_IsInitialized: 3.8 sets up its pending calls late in its initialisation. */
void gt_agent_start_try(void)
{
    if (!gt_agent_api.Py_IsInitialized() || __atomic_exchange_n(&claimed, 1, __ATOMIC_ACQ_REL))
        return;
    gt_agent_start_due = false;
    if (gt_agent_api.Py_AddPendingCall(begin, NULL))
        start_again(); /* the queue is full */
}

void gt_agent_start_init(void)
{
    const char *wanted = gt_agent_setting(GT_AGENT_ENV_PYTHON);

    if (!gt_agent_api_load())
        return;
    if (wanted && !strcmp(wanted, "1")) {
        gt_agent_start_due = gt_agent_functions_init();
        if (!gt_agent_start_due)
            gt_agent_say("functions are not traced: no memory for their filters");
    }
    gt_agent_not_simple();
}
