/* SPDX-License-Identifier: MIT */
#include "agent/qualified.h"

#include "agent/map.h"

#include <stdlib.h>

enum { OBJECTS_MAX = 1 << 20 }; /* of the collector's: it takes too long to look at more */

struct entry {
    const PyObject *code; /* NULL: empty */
    PyObject *name;       /* a reference */
};

static struct entry *entries;
static size_t capacity; /* a power of two, more than twice as many as there are */

static struct entry *place_of(const PyObject *code)
{
    size_t at = gt_agent_map_place((uintptr_t)code);

    while (entries[at & (capacity - 1)].code && entries[at & (capacity - 1)].code != code)
        at++;
    return &entries[at & (capacity - 1)];
}

static void add(PyObject *function)
{
    struct entry *entry = place_of(gt_agent_api.PyFunction_GetCode(function));
    PyObject *name = entry->code ? NULL : gt_agent_attribute(function, "__qualname__");

    if (!name)
        return;
    entry->code = gt_agent_api.PyFunction_GetCode(function);
    entry->name = name;
}

static void add_all(PyObject *objects, ptrdiff_t count)
{
    size_t functions = 0;

    for (ptrdiff_t i = 0; i < count; i++)
        functions += gt_agent_type(gt_agent_api.PyList_GetItem(objects, i)) ==
                     gt_agent_api.PyFunction_Type;
    for (capacity = 1024; capacity <= functions * 2; capacity *= 2)
        ;
    entries = calloc(capacity, sizeof(*entries));
    for (ptrdiff_t i = 0; entries && i < count; i++) {
        PyObject *object = gt_agent_api.PyList_GetItem(objects, i);

        if (gt_agent_type(object) == gt_agent_api.PyFunction_Type)
            add(object);
    }
}

void gt_agent_qualified_learn(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *gc, *objects;

    if (entries || api->version >= 0x030b)
        return;
    gc = api->PyImport_ImportModule("gc");
    objects = gc ? api->PyObject_CallMethod(gc, "get_objects", NULL) : NULL;
    if (objects && gt_agent_type(objects) == api->PyList_Type &&
        api->PyList_Size(objects) <= OBJECTS_MAX)
        add_all(objects, api->PyList_Size(objects));
    if (objects)
        api->Py_DecRef(objects);
    if (gc)
        api->Py_DecRef(gc);
    api->PyErr_Clear();
}

void gt_agent_qualified_forget(void)
{
    for (size_t i = 0; entries && i < capacity; i++)
        if (entries[i].name)
            gt_agent_api.Py_DecRef(entries[i].name);
    free(entries);
    entries = NULL;
}

PyObject *gt_agent_qualified_of(const PyObject *code)
{
    return entries ? place_of(code)->name : NULL;
}
