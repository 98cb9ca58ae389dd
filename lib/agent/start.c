/* SPDX-License-Identifier: MIT */
#include "agent/start.h"

#include "agent/audit.h"
#include "agent/interpreters.h"
#include "agent/measure.h"
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
    const char *list = secure_getenv(GT_AGENT_ENV_IMPORT);
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
    const char *wanted = secure_getenv(GT_AGENT_ENV_PYTHON);

    if (!gt_agent_api_load())
        return;
    if (!wanted || strcmp(wanted, "1"))
        return;
    if (gt_agent_functions_init())
        gt_agent_start_due = true;
    else
        gt_agent_say("functions are not traced: no memory for their filters");
}
