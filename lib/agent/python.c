/* SPDX-License-Identifier: MIT */
#include "agent/python.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

enum { FREE_THREADED_HEAD = 16 }; /* ob_tid and ob_ref_shared, and two words for one */

struct gt_agent_python gt_agent_python;

struct search {
    uintptr_t symbol; /* a function of the interpreter, or 0: go by the file's name */
    char name[512];   /* of the object found */
};

/* Is it libpython3, by its name? A program that embeds Python may have loaded it privately
 * (RTLD_LOCAL), so that dlsym does not see it. */
static bool is_libpython(const char *path)
{
    const char *base = path ? strrchr(path, '/') : NULL;

    return base && !strncmp(base, "/libpython3", 11) && strstr(base, ".so");
}

static int match_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;

    (void)size;
    if (!search->symbol && !is_libpython(info->dlpi_name))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        if (search->symbol && search->symbol - start >= segment->p_memsz)
            continue;
        gt_agent_python.text_start = start;
        gt_agent_python.text_end = start + segment->p_memsz;
        strncpy(search->name, info->dlpi_name, sizeof(search->name) - 1);
        return 1;
    }
    return 0;
}

bool gt_agent_python_find(void)
{
    struct search search = {.symbol = (uintptr_t)dlsym(RTLD_DEFAULT, "Py_IsInitialized")};

    if (gt_agent_python.text_end)
        return true;
    if (!dl_iterate_phdr(match_object, &search))
        return false;
    gt_agent_python.handle = RTLD_DEFAULT;
    if (!search.symbol)
        gt_agent_python.handle = dlopen(search.name, RTLD_LAZY | RTLD_NOLOAD);
    return true;
}

struct gt_agent_api gt_agent_api;

void *gt_agent_python_symbol(const char *name)
{
    return dlsym(gt_agent_python.handle, name);
}

/* "3.11.7 (main, …" */
static int parse_version(const char *text)
{
    int major = 0, minor = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        major = major * 10 + (*text - '0');
    if (*text++ != '.')
        return 0;
    for (; *text >= '0' && *text <= '9'; text++)
        minor = minor * 10 + (*text - '0');
    return major << 8 | minor;
}

bool gt_agent_api_load(void)
{
    struct gt_agent_api *api = &gt_agent_api;
    bool complete = true;
    bool renamed;
    int version;

    if (!gt_agent_python.text_end)
        return false;
#define X(result, name, arguments)                                                             \
    *(void **)&api->name = gt_agent_python_symbol(#name);                                      \
    complete = complete && api->name;
    GT_AGENT_API(X)
#undef X
#define X(name)                                                                                \
    api->name = gt_agent_python_symbol(#name);                                                 \
    complete = complete && api->name;
    GT_AGENT_OBJECTS(X)
#undef X
    renamed = gt_agent_python_symbol("PyUnstable_Code_GetExtra") != NULL;
    *(void **)&api->request_code_extra = gt_agent_python_symbol(
        renamed ? "PyUnstable_Eval_RequestCodeExtraIndex" : "_PyEval_RequestCodeExtraIndex");
    *(void **)&api->get_code_extra =
        gt_agent_python_symbol(renamed ? "PyUnstable_Code_GetExtra" : "_PyCode_GetExtra");
    *(void **)&api->set_code_extra =
        gt_agent_python_symbol(renamed ? "PyUnstable_Code_SetExtra" : "_PyCode_SetExtra");
    api->PyMutex_Lock = gt_agent_python_symbol("PyMutex_Lock");
    api->PyCMethod_Type = gt_agent_python_symbol("PyCMethod_Type");
    *(void **)&api->PyThreadState_GetInterpreter =
        gt_agent_python_symbol("PyThreadState_GetInterpreter");
    *(void **)&api->PyInterpreterState_GetID =
        gt_agent_python_symbol("PyInterpreterState_GetID");
    *(void **)&api->PySys_AddAuditHook = gt_agent_python_symbol("PySys_AddAuditHook");
    *(void **)&api->thread_state =
        gt_agent_python_symbol("PyThreadState_GetUnchecked"); /* 3.13+ */
    if (!api->thread_state)
        *(void **)&api->thread_state = gt_agent_python_symbol("_PyThreadState_UncheckedGet");
    if (!complete || !api->thread_state || !api->request_code_extra || !api->get_code_extra ||
        !api->set_code_extra)
        return false;
    api->free_threaded = strstr(api->Py_GetVersion(), "free-threading build") != NULL;
    api->longer_head = api->free_threaded ? FREE_THREADED_HEAD : 0;
    /* Some debug builds have another layout of objects. */
    if (gt_agent_type(api->PyType_Type) != api->PyType_Type)
        return false;
    version = parse_version(api->Py_GetVersion());
    api->version = version >= 0x0306 ? version : 0;
    return api->version != 0;
}

PyObject *gt_agent_attribute(PyObject *object, const char *name)
{
    PyObject *key = gt_agent_api.PyUnicode_FromString(name);
    PyObject *value = key ? gt_agent_api.PyObject_GenericGetAttr(object, key) : NULL;

    if (key)
        gt_agent_api.Py_DecRef(key);
    return value;
}
