/* SPDX-License-Identifier: MIT */
#include "agent/names.h"

#include "agent/threads.h"
#include "agent/title.h"

#include <string.h>

enum {
    LOOKS = 256,     /* calls of a thread before it is taken to have no name */
    COMM_BYTES = 15, /* of a name: the kernel keeps no more */
};

/* threading._active, borrowed: ident → Thread. NULL unless the target uses threading. */
static PyObject *active_threads(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *modules = api->PyImport_GetModuleDict();
    PyObject *threading = modules ? api->PyDict_GetItemString(modules, "threading") : NULL;
    PyObject *active = NULL;

    if (threading && gt_agent_type(threading) == api->PyModule_Type)
        active = api->PyDict_GetItemString(api->PyModule_GetDict(threading), "_active");
    return active && gt_agent_type(active) == api->PyDict_Type ? active : NULL;
}

/* Note the name of one Thread, unless it is noted already. */
static void note_name(struct gt_agent_thread *self, struct gt_agent_thread *named,
                      PyObject *thread)
{
    const struct gt_agent_api *api = &gt_agent_api;
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_NAME, .ticks = gt_agent_ticks_ordered()};
    PyObject *name = gt_agent_attribute(thread, "_name");
    ptrdiff_t length = 0;
    const char *text = NULL;

    if (name && gt_agent_type(name) == api->PyUnicode_Type)
        text = api->PyUnicode_AsUTF8AndSize(name, &length);
    if (text) {
        uint64_t hash = gt_agent_text_hash(text, (size_t)length);
        /* The main thread is better known by its program. */
        bool usual = named->listed.tid == gt_agent.pid && !strcmp(text, "MainThread");

        if (hash != named->name.hash && !(usual && !named->name.hash)) {
            note.id = (uint32_t)__atomic_load_n(&named->listed.tid, __ATOMIC_RELAXED);
            gt_agent_note(self, &note, text, (size_t)length, "", 0);
            named->name.hash = hash;
        }
    }
    if (name)
        api->Py_DecRef(name);
}

static bool look(struct gt_agent_thread *self)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *active = active_threads();
    PyObject *ident = active ? api->PyLong_FromUnsignedLong(self->listed.ident) : NULL;
    PyObject *thread = ident ? api->PyDict_GetItem(active, ident) : NULL;

    if (thread)
        note_name(self, self, thread);
    if (ident)
        api->Py_DecRef(ident);
    return thread != NULL;
}

void gt_agent_names_look(struct gt_agent_thread *self)
{
    bool found = false;

    GT_AGENT_KEEPING_ERROR(found = look(self));
    if (found || ++self->name.looks == LOOKS)
        self->name.looks = UINT32_MAX;
}

static void update_threads(struct gt_agent_thread *self)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *active = active_threads();
    PyObject *copy = active ? api->PyDict_Copy(active) : NULL; /* other threads change it */
    PyObject *ident, *thread;
    ptrdiff_t position = 0;

    while (copy && api->PyDict_Next(copy, &position, &ident, &thread)) {
        struct gt_agent_thread *named =
            gt_agent_thread_of_ident(api->PyLong_AsUnsignedLong(ident));

        if (named)
            note_name(self, named, thread);
    }
    if (copy)
        api->Py_DecRef(copy);
}

static void update(struct gt_agent_thread *self)
{
    gt_agent_role_look(self);
    update_threads(self);
}

void gt_agent_names_update(struct gt_agent_thread *self)
{
    GT_AGENT_KEEPING_ERROR(update(self));
}

static uint32_t pending;

static int update_pending(void *unused)
{
    struct gt_agent_thread *self = gt_agent_enter();

    (void)unused;
    __atomic_store_n(&pending, 0, __ATOMIC_RELEASE);
    if (self) {
        gt_agent_names_update(self);
        gt_agent_leave(self);
    }
    return 0;
}

void gt_agent_names_due(void)
{
    if (!gt_agent_api.version || !gt_agent_api.Py_IsInitialized() ||
        __atomic_exchange_n(&pending, 1, __ATOMIC_ACQ_REL))
        return;
    if (gt_agent_api.Py_AddPendingCall(update_pending, NULL))
        __atomic_store_n(&pending, 0, __ATOMIC_RELEASE);
}

/* A thread without a log is not recorded, or takes its name when its log begins. */
void gt_agent_comm_changed(uint64_t ident, const char *name)
{
    struct gt_agent_thread *self = gt_agent_self ? gt_agent_enter() : NULL;
    struct gt_agent_thread *named = self ? gt_agent_thread_of_ident(ident) : NULL;
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_COMM, .ticks = gt_agent_ticks_ordered()};

    if (named) {
        note.id = (uint32_t)__atomic_load_n(&named->listed.tid, __ATOMIC_RELAXED);
        gt_agent_note(self, &note, name, strnlen(name, COMM_BYTES), "", 0);
    }
    if (self)
        gt_agent_leave(self);
}
