/* SPDX-License-Identifier: MIT */
#include "agent/interpreters.h"

#include "agent/likely.h"
#include "agent/map.h"

#include <stdlib.h>

static void *main_interpreter;
/* id + 1 → struct gt_agent_interpreter. CPython uses an id once. */
static struct gt_agent_map known;

void gt_agent_interpreter_set_main(void *interpreter)
{
    main_interpreter = interpreter;
}

bool gt_agent_interpreter_is_main(const void *interpreter)
{
    return interpreter == main_interpreter;
}

struct gt_agent_interpreter *gt_agent_interpreter_find(int64_t id)
{
    return gt_agent_map_get(&known, (uint64_t)id + 1);
}

struct gt_agent_interpreter *gt_agent_interpreter_add(int64_t id)
{
    struct gt_agent_interpreter *added = calloc(1, sizeof(*added));

    if (added && !gt_agent_map_add(&known, (uint64_t)id + 1, added)) {
        free(added);
        return NULL;
    }
    return added;
}

bool gt_agent_interpreter_is_traced(void *interpreter)
{
    const struct gt_agent_interpreter *found;

    if (GT_AGENT_LIKELY(interpreter == main_interpreter))
        return true;
    if (!interpreter || !gt_agent_api.PyInterpreterState_GetID)
        return false;
    found = gt_agent_interpreter_find(gt_agent_api.PyInterpreterState_GetID(interpreter));
    return found && found->traced;
}

/* 3.6 says Py_IsInitialized before it can import. */
bool gt_agent_interpreter_is_ready(void)
{
    PyObject *modules = gt_agent_api.PyImport_GetModuleDict();

    return modules && gt_agent_api.PyDict_GetItemString(modules, "__main__");
}
