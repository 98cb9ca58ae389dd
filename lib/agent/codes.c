/* SPDX-License-Identifier: MIT */
#include "agent/codes.h"

#include "agent/map.h"
#include "agent/process.h"

#include <stdlib.h>

static struct gt_agent_map by_code; /* code object → struct code_entry */

/* What a code object's extra data points to where there is no GIL. */
struct code_entry {
    struct gt_agent_function *function; /* NULL: the code object is gone */
};

static void forget_code(void *value)
{
    struct code_entry *entry = value;

    if (entry)
        __atomic_store_n(&entry->function, NULL, __ATOMIC_RELEASE);
}

static struct code_entry *entry_of(const PyObject *code)
{
    struct code_entry *entry = gt_agent_map_get(&by_code, (uintptr_t)code), *added;

    if (entry)
        return entry;
    added = calloc(1, sizeof(*added));
    if (!added || !gt_agent_map_add(&by_code, (uintptr_t)code, added)) {
        free(added);
        return NULL;
    }
    return added;
}

void gt_agent_code_attach(PyObject *code, struct gt_agent_function *function)
{
    static int32_t attaching;
    struct code_entry *entry;

    if (!gt_agent_try_lock(&attaching))
        return;
    entry = entry_of(code);
    if (entry && gt_agent_api.set_code_extra(code, gt_agent_code_extra, entry))
        gt_agent_api.PyErr_Clear(); /* of a sub-interpreter, as below */
    else if (entry)
        __atomic_store_n(&entry->function, function, __ATOMIC_RELEASE);
    gt_agent_unlock(&attaching);
}

ptrdiff_t gt_agent_code_request_extra(void)
{
    return gt_agent_api.request_code_extra(gt_agent_api.free_threaded ? forget_code : NULL);
}

void gt_agent_codes_forget(void)
{
    gt_agent_map_forget(&by_code);
}

struct gt_agent_function *gt_agent_code_function(const PyObject *code)
{
    const struct code_entry *entry = gt_agent_map_get(&by_code, (uintptr_t)code);

    return entry ? __atomic_load_n(&entry->function, __ATOMIC_ACQUIRE) : NULL;
}
