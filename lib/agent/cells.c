/* SPDX-License-Identifier: MIT */
#include "agent/cells.h"

#include <stdio.h>
#include <string.h>

/* IPython's own "<ipython-input-4-1d2e…>", ipykernel's "/tmp/ipykernel_4711/123456.py". */
static bool may_be_cell(const char *text, size_t length)
{
    static const char prefix[] = "<ipython-input-", part[] = "/ipykernel_";

    return length > sizeof(prefix) && (!memcmp(text, prefix, sizeof(prefix) - 1) ||
                                       memmem(text, length, part, sizeof(part) - 1));
}

/* Replace a reference by one to its attribute. */
static PyObject *step(PyObject *object, const char *name)
{
    PyObject *value = object ? gt_agent_attribute(object, name) : NULL;

    if (object)
        gt_agent_api.Py_DecRef(object);
    return value;
}

/* InteractiveShell._instance, a new reference. */
static PyObject *shell(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *modules = api->PyImport_GetModuleDict();
    PyObject *module =
        modules ? api->PyDict_GetItemString(modules, "IPython.core.interactiveshell") : NULL;
    PyObject *type = NULL;

    if (module && gt_agent_type(module) == api->PyModule_Type)
        type = api->PyDict_GetItemString(api->PyModule_GetDict(module), "InteractiveShell");
    return type ? api->PyObject_GetAttrString(type, "_instance") : NULL;
}

bool gt_agent_cell_of(PyObject *file, const char *text, size_t length, char *name, size_t size)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *known, *number;
    long cell = 0;

    if (!may_be_cell(text, length))
        return false;
    known = step(step(shell(), "compile"), "_filename_map"); /* {file: cell} */
    if (known && gt_agent_type(known) == api->PyDict_Type) {
        number = api->PyDict_GetItem(known, file);
        cell = number ? api->PyLong_AsLong(number) : 0;
    }
    if (known)
        api->Py_DecRef(known);
    snprintf(name, size, "Cell [%ld]", cell);
    return cell > 0;
}
