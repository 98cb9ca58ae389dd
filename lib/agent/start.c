/* When and how tracing of functions begins. */
#include "agent/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gt_agent_start_due;

static uint32_t claimed;

/* GILTRACER_AGENT_IMPORT: "a,b.c" */
static void import_modules(struct gt_agent_thread *self)
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
                gt_agent_message(self, text);
                gt_agent_api.PyErr_Clear();
            }
        }
        list += length + (list[length] == ',');
    }
}

/* Is the interpreter past its own beginnings? 3.6 says Py_IsInitialized before it can import.
 */
static bool is_ready(void)
{
    PyObject *modules = gt_agent_api.PyImport_GetModuleDict();

    return modules && gt_agent_api.PyDict_GetItemString(modules, "__main__");
}

/* A pending call: in the main thread, with the GIL, between two bytecodes. */
static int begin(void *unused)
{
    const struct gt_agent_api *api = &gt_agent_api;
    struct gt_agent_thread *self = gt_agent_enter();
    PyObject *type, *value, *traceback;

    (void)unused;
    if (!self)
        return 0;
    gt_agent_leave(self); /* what follows may use the GIL, which is to be recorded */
    if (!is_ready()) {
        __atomic_store_n(&claimed, 0, __ATOMIC_RELEASE);
        gt_agent_start_due = true;
        return 0;
    }
    api->PyErr_Fetch(&type, &value, &traceback);
    import_modules(self);
    gt_agent_code_extra = api->request_code_extra(NULL);
    if (gt_agent_code_extra < 0) {
        gt_agent_message(self, "functions are not traced: code objects have no room for more "
                               "data of tools");
    } else {
        gt_agent_trace_init();
        gt_agent_gc_start(self);
        if (api->version >= 0x030c)
            gt_agent_monitoring_start(self);
        else
            gt_agent_profile_start(self);
    }
    api->PyErr_Clear();
    api->PyErr_Restore(type, value, traceback);
    return 0;
}

/* Earlier than this, 3.8 breaks: its pending calls are set up late in its initialisation. */
void gt_agent_start_try(void)
{
    if (!gt_agent_api.Py_IsInitialized() || __atomic_exchange_n(&claimed, 1, __ATOMIC_ACQ_REL))
        return;
    gt_agent_start_due = false;
    if (gt_agent_api.Py_AddPendingCall(begin, NULL)) { /* its queue is full: later */
        __atomic_store_n(&claimed, 0, __ATOMIC_RELEASE);
        gt_agent_start_due = true;
    }
}

void gt_agent_start_init(void)
{
    const char *wanted = secure_getenv(GT_AGENT_ENV_PYTHON);

    if (!gt_agent_api_load())
        return;
    gt_agent_names_wanted = true;
    if (!wanted || strcmp(wanted, "1"))
        return;
    gt_agent_functions_init();
    gt_agent_start_due = true;
}
