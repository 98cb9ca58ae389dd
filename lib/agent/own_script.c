/* SPDX-License-Identifier: MIT */
#include "agent/own_script.h"

#include "agent/wire.h"

#include <string.h>

static bool is_text(PyObject *object, const char *expected)
{
    const char *text = NULL;

    if (object && gt_agent_type(object) == gt_agent_api.PyUnicode_Type)
        text = gt_agent_api.PyUnicode_AsUTF8AndSize(object, &(ptrdiff_t){0});
    return text && !strcmp(text, expected);
}

static bool has(PyObject *code, const char *attribute, const char *expected)
{
    PyObject *value = gt_agent_api.PyObject_GetAttrString(code, attribute);
    bool is = is_text(value, expected);

    if (value && gt_agent_type(value) == gt_agent_api.PyTuple_Type)
        for (ptrdiff_t i = 0; i < gt_agent_api.PyTuple_Size(value) && !is; i++)
            is = is_text(gt_agent_api.PyTuple_GetItem(value, i), expected);
    if (value)
        gt_agent_api.Py_DecRef(value);
    gt_agent_api.PyErr_Clear();
    return is;
}

/* "/…/giltracer/_session.py": a module of the package that records the program it is in. */
static bool is_of_package(PyObject *code)
{
    static const char folder[] = "/giltracer/_";
    static const char *const modules[] = {"agent.py", "report.py", "session.py", "trace.py"};
    PyObject *file = gt_agent_api.PyObject_GetAttrString(code, "co_filename");
    const char *text = NULL, *module;
    bool is = false;

    if (file && gt_agent_type(file) == gt_agent_api.PyUnicode_Type)
        text = gt_agent_api.PyUnicode_AsUTF8AndSize(file, &(ptrdiff_t){0});
    module = text ? strrchr(text, '/') : NULL;
    if (module && (size_t)(module - text) >= sizeof(folder) - 3 &&
        !memcmp(module - (sizeof(folder) - 3), folder, sizeof(folder) - 1))
        for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
            is |= !strcmp(module + 2, modules[i]);
    if (file)
        gt_agent_api.Py_DecRef(file);
    gt_agent_api.PyErr_Clear();
    return is;
}

bool gt_agent_own_script(PyObject *code)
{
    if (is_of_package(code))
        return true;
    return has(code, "co_name", "<module>") && has(code, "co_filename", "<string>") &&
           has(code, "co_names", GT_WIRE_OWN_VARIABLE);
}
