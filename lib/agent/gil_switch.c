/* SPDX-License-Identifier: MIT */
#include "agent/gil_switch.h"

#include "agent/log.h"

#include <limits.h>
#include <string.h>

/* struct _gil_runtime_state of builds without a GIL begins with `enabled`, 40 bytes before
 * `cond` (3.13 to 3.15: pycore_gil.h). */
enum { ENABLED_BEFORE = 40, PAGE_BYTES = 4096 };

enum { NOT_NOTED, NOTED, NOTED_MODULE };

static uint32_t on_noted; /* that there is one */
static uint64_t gil_cond; /* its condition variable, the first one of the two; 0: not known */

static void note(struct gt_agent_thread *self, bool on, const char *module, size_t length)
{
    struct gt_wire_note wire = {
        .kind = GT_WIRE_NOTE_GIL, .count = on, .ticks = gt_agent_ticks_ordered()};

    gt_agent_note(self, &wire, module, length, "", 0);
}

/* For good, not for the moment of an import. */
static bool is_on_by_memory(uint64_t cond)
{
    int enabled;

    memcpy(&enabled, (const char *)cond - ENABLED_BEFORE, sizeof(enabled));
    return enabled == INT_MAX;
}

static bool is_on(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    uint64_t cond = __atomic_load_n(&gil_cond, __ATOMIC_RELAXED);
    PyObject *sys, *on;
    bool found;

    if (cond)
        return is_on_by_memory(cond);
    sys = api->PyImport_ImportModule("sys");
    on = sys ? api->PyObject_CallMethod(sys, "_is_gil_enabled", NULL) : NULL;
    found = on && on != api->_Py_FalseStruct;
    if (on)
        api->Py_DecRef(on);
    if (sys)
        api->Py_DecRef(sys);
    return found;
}

void gt_agent_gil_begin(struct gt_agent_thread *self)
{
    bool on = false;

    GT_AGENT_KEEPING_ERROR(on = is_on());
    note(self, on, "", 0);
    __atomic_store_n(&on_noted, on ? NOTED_MODULE : NOT_NOTED, __ATOMIC_RELAXED);
}

static void look(struct gt_agent_thread *self, PyObject *spec)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *name;
    ptrdiff_t length = 0;
    const char *text = NULL;

    if (!is_on())
        return;
    name = spec ? gt_agent_attribute(spec, "name") : NULL;
    if (name && gt_agent_type(name) == api->PyUnicode_Type)
        text = api->PyUnicode_AsUTF8AndSize(name, &length);
    if (__atomic_exchange_n(&on_noted, NOTED_MODULE, __ATOMIC_RELAXED) != NOTED_MODULE)
        note(self, true, text ? text : "", text ? (size_t)length : 0);
    if (name)
        api->Py_DecRef(name);
}

static bool is_awaited(void)
{
    return gt_agent_api.free_threaded &&
           __atomic_load_n(&on_noted, __ATOMIC_RELAXED) != NOTED_MODULE;
}

/* While a module is loaded, others may be: by itself, or (the warning that the GIL came on)
 * after it switched the GIL on. The first of these begins with the GIL on. */
void gt_agent_gil_import_begins(struct gt_agent_thread *self)
{
    bool on = false;

    self->loads.depth++;
    if (!is_awaited() || self->loads.on_at)
        return;
    GT_AGENT_KEEPING_ERROR(on = is_on());
    if (on)
        self->loads.on_at = self->loads.depth;
}

void gt_agent_gil_imported(struct gt_agent_thread *self, PyObject *spec)
{
    uint32_t depth = self->loads.depth, on_at = self->loads.on_at;

    if (depth)
        self->loads.depth--;
    if (is_awaited() && (!on_at || on_at == depth + 1))
        GT_AGENT_KEEPING_ERROR(look(self, spec));
}

void gt_agent_gil_signalled(struct gt_agent_thread *self, uint64_t cond)
{
    uint64_t known = __atomic_load_n(&gil_cond, __ATOMIC_RELAXED);

    if (__atomic_load_n(&on_noted, __ATOMIC_RELAXED) || cond % PAGE_BYTES < ENABLED_BEFORE)
        return;
    if (!known || cond < known)
        __atomic_store_n(&gil_cond, cond, __ATOMIC_RELAXED);
    if (!is_on_by_memory(cond) || __atomic_exchange_n(&on_noted, NOTED, __ATOMIC_RELAXED))
        return;
    note(self, true, "", 0);
}
