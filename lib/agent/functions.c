/* SPDX-License-Identifier: MIT */
#include "agent/functions.h"

#include "agent/cells.h"
#include "agent/codes.h"
#include "agent/log.h"
#include "agent/own_script.h"
#include "agent/qualified.h"
#include "agent/owner.h"
#include "agent/map.h"
#include "agent/settings.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

ptrdiff_t gt_agent_code_extra = -1;
size_t gt_agent_extra_offset;

_Static_assert(GT_WIRE_MADE_BY_PYBIND11 <= UINT16_MAX, "a note's flags have 16 bits");

static struct gt_agent_map by_text;         /* hash of name, file, line → function */
static struct gt_agent_map by_method;       /* hash of a PyMethodDef → function */
static struct gt_agent_function *functions; /* all; only ever prepended to */
static bool skip_c;
static char *includes; /* globs, each ended by NUL, the last one empty; NULL: all files */
static char *excludes;

/* For gt_agent_member: unchanged from 3.6 to 3.15. */
enum {
    CFUNCTION_METHOD = 16, /* PyCFunctionObject.m_ml */
    CFUNCTION_SELF = 24,
    CFUNCTION_MODULE = 32,
    DESCR_TYPE = 16,   /* PyDescrObject.d_type */
    DESCR_METHOD = 40, /* PyMethodDescrObject.d_method */
    TYPE_NAME = 24,    /* PyTypeObject.tp_name */
};

struct text {
    const char *data;
    size_t length;
};

static uint64_t hash_bytes(uint64_t hash, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

/* "a\nb" → "a\0b\0\0"; NULL for nothing. */
static bool split_globs(const char *name, char **globs)
{
    const char *value = gt_agent_setting(name);
    size_t length = value ? strlen(value) : 0;

    free(*globs);
    *globs = length ? calloc(1, length + 2) : NULL;
    if (!*globs)
        return length == 0;
    memcpy(*globs, value, length);
    for (char *at = *globs; *at; at++)
        if (*at == '\n')
            *at = '\0';
    return true;
}

static bool matches(const char *globs, const char *file)
{
    for (; globs && *globs; globs += strlen(globs) + 1)
        if (!fnmatch(globs, file, 0))
            return true;
    return false;
}

bool gt_agent_functions_init(void)
{
    const char *c_calls = gt_agent_setting(GT_AGENT_ENV_C_CALLS);

    skip_c = c_calls && !strcmp(c_calls, "0");
    return split_globs(GT_AGENT_ENV_INCLUDE, &includes) &&
           split_globs(GT_AGENT_ENV_EXCLUDE, &excludes);
}

bool gt_agent_functions_want_c(void)
{
    return !skip_c;
}

static bool is_filtered(struct text file)
{
    char path[4096];

    if ((!includes && !excludes) || (file.length == strlen(GT_WIRE_OWN_FILE) &&
                                     memcmp(file.data, GT_WIRE_OWN_FILE, file.length) == 0))
        return false;
    if (file.length >= sizeof(path))
        file.length = sizeof(path) - 1;
    memcpy(path, file.data, file.length);
    path[file.length] = '\0';
    return (includes && !matches(includes, path)) || matches(excludes, path);
}

static bool ends_with(struct text text, const char *end)
{
    size_t length = strlen(end);

    return text.length >= length && !memcmp(text.data + text.length - length, end, length);
}

/* Once, since each call of such a function tries again. */
static void say_no_memory(struct gt_agent_thread *self)
{
    static bool said;

    if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        gt_agent_message(self, "no memory for all functions that were called: some are not "
                               "recorded, and others answer for them");
}

/* Another thread may have been called the same function at the same time: then the result is
 * its struct. Where one is adding for long, this one gets a second number later. */
static struct gt_agent_function *publish(uint64_t key, struct gt_agent_function *function)
{
    enum { ATTEMPTS = 1000 };
    struct gt_agent_function *known;

    for (int i = 0; i < ATTEMPTS && !gt_agent_map_add(&by_text, key, function); i++)
        syscall(SYS_sched_yield);
    known = gt_agent_map_get(&by_text, key);
    return known ? known : function;
}

static void list(struct gt_agent_function *function)
{
    function->next = __atomic_load_n(&functions, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&functions, &function->next, function, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

void gt_agent_functions_renew(void)
{
    struct gt_agent_function *function = __atomic_load_n(&functions, __ATOMIC_ACQUIRE);

    for (; function; function = function->next)
        gt_agent_function_flag(function, GT_AGENT_STALE);
}

static struct gt_agent_function *intern(struct gt_agent_thread *self, struct text name,
                                        struct text file, uint32_t line, uint32_t wire_flags)
{
    struct gt_wire_note note = {
        .kind = GT_WIRE_NOTE_FUNCTION, .flags = (uint16_t)wire_flags, .line = line};
    uint64_t key = hash_bytes(hash_bytes(0xcbf29ce484222325u + line * 31u + wire_flags,
                                         name.data, name.length),
                              file.data, file.length) |
                   1;
    struct gt_agent_function *function = gt_agent_map_get(&by_text, key), *known;

    bool renewed = function != NULL;

    if (function && !gt_agent_function_is_stale(function))
        return function;
    if (!function && !(function = calloc(1, sizeof(*function)))) {
        say_no_memory(self);
        return NULL;
    }
    function->calls = function->budget_ns = 0;
    function->id = __atomic_add_fetch(&gt_agent.control->next_function_id, 1, __ATOMIC_RELAXED);
    if (function->id > GT_WIRE_ID_MAX) {
        __atomic_store_n(&function->flags, GT_AGENT_SKIP, __ATOMIC_RELEASE);
        if (function->id == GT_WIRE_ID_MAX + 1)
            gt_agent_message(self, "more than a million functions were called: later ones are "
                                   "not recorded");
        return function;
    }
    __atomic_store_n(&function->flags, 0, __ATOMIC_RELEASE);
    known = renewed ? function : publish(key, function);
    if (known != function) {
        free(function);
        return known;
    }
    if (!renewed)
        list(function);
    note.id = function->id;
    note.ticks = gt_agent_ticks();
    gt_agent_note(self, &note, name.data, name.length, file.data, file.length);
    return function;
}

struct gt_agent_function *gt_agent_function_named(struct gt_agent_thread *self,
                                                  const char *name, const char *file,
                                                  uint32_t wire_flags)
{
    struct text name_text = {name, strlen(name)}, file_text = {file, strlen(file)};

    return intern(self, name_text, file_text, 0, wire_flags);
}

static bool is_text(const PyObject *object)
{
    return object && gt_agent_type(object) == gt_agent_api.PyUnicode_Type;
}

/* The UTF-8 of a str object, borrowed from it; "?" for one that has none. */
static struct text text_of(PyObject *object)
{
    struct text text = {"?", 1};
    ptrdiff_t length = 0;
    const char *data;

    if (!is_text(object))
        return text;
    data = gt_agent_api.PyUnicode_AsUTF8AndSize(object, &length);
    if (!data) {
        gt_agent_api.PyErr_Clear(); /* lone surrogates */
        return text;
    }
    text.data = data;
    text.length = (size_t)length;
    return text;
}

/* An attribute of a code object, borrowed: the code object keeps it alive. */
static PyObject *code_attribute(PyObject *code, const char *name)
{
    PyObject *value = gt_agent_api.PyObject_GetAttrString(code, name);

    if (value)
        gt_agent_api.Py_DecRef(value);
    else
        gt_agent_api.PyErr_Clear();
    return value;
}

static uint32_t first_line(PyObject *code)
{
    PyObject *value = gt_agent_api.PyObject_GetAttrString(code, "co_firstlineno");
    long line = value ? gt_agent_api.PyLong_AsLong(value) : 0;

    if (value)
        gt_agent_api.Py_DecRef(value);
    gt_agent_api.PyErr_Clear();
    return line > 0 ? (uint32_t)line : 0;
}

/* PyCodeObject.co_extra of the versions whose layout will not change any more. */
static size_t extra_offset_of(int version)
{
    switch (version) {
    case 0x0308:
    case 0x0309:
    case 0x030a:
        return 144;
    case 0x030b:
        return 176;
    case 0x030c:
        return 184;
    case 0x030d:
        return 192;
    case 0x030e:
        return 200;
    default:
        return 0;
    }
}

/* Attach the function to its code object. The first time, check that it is where
 * gt_agent_function_of_code will look for it, at a place that was NULL before. */
static void attach(PyObject *code, struct gt_agent_function *function)
{
    size_t offset = gt_agent_extra_offset ? 0 : extra_offset_of(gt_agent_api.version);
    bool empty = offset && !gt_agent_field(code, offset);
    const struct gt_agent_extras *extras;

    if (gt_agent_api.set_code_extra(code, gt_agent_code_extra, function)) {
        gt_agent_api
            .PyErr_Clear(); /* of a sub-interpreter: it is found by its text each time */
        return;
    }
    extras = empty ? gt_agent_field(code, offset) : NULL;
    if (extras && extras->count > gt_agent_code_extra && extras->count < 256 &&
        extras->values[gt_agent_code_extra] == function)
        gt_agent_extra_offset = offset;
}

/* Python functions are told by the end of their file's path, C functions by their module. */
static void note_sync_op(struct gt_agent_function *function, struct text name, struct text file)
{
    static const struct {
        const char *file, *name;
        enum gt_wire_kind kind;
        bool tells;
    } sync_ops[] = {
        {"/queue.py", "Queue.get", GT_WIRE_QUEUE_GET, false},
        {"/queue.py", "Queue.put", GT_WIRE_QUEUE_PUT, false},
        {"_queue", "SimpleQueue.get", GT_WIRE_QUEUE_GET, false},
        {"_queue", "SimpleQueue.get_nowait", GT_WIRE_QUEUE_GET, false},
        {"_queue", "SimpleQueue.put", GT_WIRE_QUEUE_PUT, false},
        {"_queue", "SimpleQueue.put_nowait", GT_WIRE_QUEUE_PUT, false},
        {"/threading.py", "Barrier.wait", GT_WIRE_BARRIER, false},
        {"/threading.py", "Thread.join", GT_WIRE_JOIN, false},
        {"/threading.py", "Event.set", GT_WIRE_SYNC_EVENT_SET, false},
        {"/threading.py", "Event.wait", GT_WIRE_SYNC_EVENT_SEEN, true},
        {"/threading.py", "Semaphore.acquire", GT_WIRE_PERMIT_TAKEN, true},
        {"/threading.py", "Semaphore.release", GT_WIRE_PERMIT_GIVEN, false},
        {"/threading.py", "BoundedSemaphore.release", GT_WIRE_PERMIT_GIVEN, false},
        {"/concurrent/futures/_base.py", "Future.set_result", GT_WIRE_SYNC_EVENT_SET, false},
        {"/concurrent/futures/_base.py", "Future.set_exception", GT_WIRE_SYNC_EVENT_SET, false},
        /* Future.result deletes its local `self` before it returns. */
        {"/concurrent/futures/_base.py", "Future.__get_result", GT_WIRE_SYNC_EVENT_SEEN, false},
    };

    for (size_t i = 0; i < sizeof(sync_ops) / sizeof(sync_ops[0]); i++)
        if (name.length == strlen(sync_ops[i].name) && ends_with(name, sync_ops[i].name) &&
            ends_with(file, sync_ops[i].file)) {
            __atomic_store_n(&function->op, sync_ops[i].kind, __ATOMIC_RELAXED);
            gt_agent_function_flag(function,
                                   GT_AGENT_SYNC | (sync_ops[i].tells ? GT_AGENT_TELLS : 0));
        }
}

/* After its return a thread, or a process that multiprocessing spawned, has another name. */
static bool gives_names(struct text name, struct text file)
{
    if (ends_with(file, "/multiprocessing/spawn.py"))
        return name.length == 7 && ends_with(name, "prepare");
    return ends_with(file, "/threading.py") &&
           (ends_with(name, "Thread.name") || (name.length == 4 && ends_with(name, "name")));
}

static struct gt_agent_function *intern_code(struct gt_agent_thread *self, PyObject *code,
                                             PyObject *qualified)
{
    PyObject *path = code_attribute(code, "co_filename");
    struct text name = text_of(qualified), file = text_of(path), shown = file;
    bool own = gt_agent_own_script(code);
    struct gt_agent_function *function;
    char cell[32];

    if (is_text(path) && gt_agent_cell_of(path, file.data, file.length, cell, sizeof(cell)))
        shown = (struct text){cell, strlen(cell)};
    function = own ? gt_agent_function_named(self, "script", GT_WIRE_OWN_FILE, 0)
                   : intern(self, name, shown, first_line(code), 0);

    if (!function)
        return NULL;
    if (own || is_filtered(file))
        gt_agent_function_flag(function, GT_AGENT_SKIP);
    if (gives_names(name, file))
        gt_agent_function_flag(function, GT_AGENT_NAMES);
    note_sync_op(function, name, file);
    if (gt_agent_api.free_threaded)
        gt_agent_code_attach(code, function);
    else
        attach(code, function);
    return function;
}

/* Is its function known, and named in this recording? */
static bool is_known(PyObject *code, void **extra)
{
    *extra = NULL;
    return !gt_agent_api.get_code_extra(code, gt_agent_code_extra, extra) && *extra &&
           !gt_agent_function_is_stale(*extra);
}

static bool names_code(struct text qualified, struct text name)
{
    return qualified.length >= name.length &&
           !memcmp(qualified.data + qualified.length - name.length, name.data, name.length) &&
           (qualified.length == name.length ||
            qualified.data[qualified.length - name.length - 1] == '.');
}

/* Before 3.11 a code object knows only its plain name, but the one that defines it holds the
 * qualified name as the constant that follows it. Definitions run before calls, so go
 * through the constants when the definer is first called. */
static void intern_definitions(struct gt_agent_thread *self, PyObject *code, int depth)
{
    PyObject *constants = code_attribute(code, "co_consts");
    ptrdiff_t count;

    if (!constants || gt_agent_type(constants) != gt_agent_api.PyTuple_Type || depth > 16)
        return;
    count = gt_agent_api.PyTuple_Size(constants);
    for (ptrdiff_t i = 0; i + 1 < count; i++) {
        PyObject *inner = gt_agent_api.PyTuple_GetItem(constants, i);
        PyObject *qualified = gt_agent_api.PyTuple_GetItem(constants, i + 1);
        void *extra = NULL;

        if (!inner || gt_agent_type(inner) != gt_agent_api.PyCode_Type || !is_text(qualified) ||
            is_known(inner, &extra))
            continue;
        if (!names_code(text_of(qualified), text_of(code_attribute(inner, "co_name"))))
            continue;
        if (intern_code(self, inner, qualified))
            intern_definitions(self, inner, depth + 1);
    }
}

struct gt_agent_function *gt_agent_function_of_code_slow(struct gt_agent_thread *self,
                                                         PyObject *code)
{
    const struct gt_agent_api *api = &gt_agent_api;
    bool knows_qualified = api->version >= 0x030b;
    PyObject *type, *value, *traceback, *name, *qualified;
    void *extra = NULL;
    struct gt_agent_function *function;

    if (api->free_threaded) {
        function = gt_agent_code_function(code);
        if (function && !gt_agent_function_is_stale(function))
            return function;
    } else if (is_known(code, &extra)) {
        return extra;
    }
    api->PyErr_Fetch(&type, &value, &traceback);
    name = code_attribute(code, knows_qualified ? "co_qualname" : "co_name");
    qualified = gt_agent_qualified_of(code);
    if (qualified && names_code(text_of(qualified), text_of(name)))
        name = qualified;
    function = intern_code(self, code, name);
    if (!knows_qualified)
        intern_definitions(self, code, 0);
    api->PyErr_Restore(type, value, traceback);
    return function;
}

PyObject *gt_agent_object_of(PyObject *callable, PyObject *first)
{
    if (gt_agent_type(callable) == gt_agent_api.PyMethodDescr_Type)
        return first;
    return gt_agent_member(callable, CFUNCTION_SELF);
}

static const char *type_name(const PyObject *type)
{
    const char *name = gt_agent_member(type, TYPE_NAME);
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

/* "list.append" for a method, with its type's name; "len" for a function of a module. No Python
 * code is called: a type's __qualname__ may be a property of the target's. */
static struct gt_agent_function *intern_method(struct gt_agent_thread *self, PyObject *callable,
                                               const struct gt_agent_method *method)
{
    const struct gt_agent_api *api = &gt_agent_api;
    bool descriptor = gt_agent_type(callable) == api->PyMethodDescr_Type;
    PyObject *module = descriptor ? NULL : gt_agent_member(callable, CFUNCTION_MODULE);
    PyObject *owner = gt_agent_member(callable, descriptor ? DESCR_TYPE : CFUNCTION_SELF);
    struct gt_agent_function *function;
    struct text file = {"", 0};
    struct text name;
    char buffer[512];

    if (owner && !descriptor) { /* a module, a class, or an object */
        if (gt_agent_type(owner) == api->PyModule_Type)
            owner = NULL;
        else if (gt_agent_type(owner) != api->PyType_Type)
            owner = gt_agent_type(owner);
    }
    if (is_text(module)) {
        file = text_of(module);
    } else if (owner) {
        const char *full = gt_agent_member(owner, TYPE_NAME);

        file.data = full;
        file.length = (size_t)(type_name(owner) - full);
        file.length -= file.length > 0;
    }
    buffer[0] = '\0';
    if (owner) {
        strncat(buffer, type_name(owner), 250);
        strcat(buffer, ".");
    }
    strncat(buffer, method->name ? method->name : "?", 250);
    name.data = buffer;
    name.length = strlen(buffer);
    function =
        intern(self, name, file, 0, GT_WIRE_FUNCTION_C | gt_agent_owner_of(method->function));
    if (function)
        note_sync_op(function, name, file);
    return function;
}

/* Is it sys.setprofile, or cProfile's? Asked where no audit event tells. */
static bool sets_hook(const struct gt_agent_method *method)
{
    return method->name &&
           (!strcmp(method->name, "setprofile") || !strcmp(method->name, "enable"));
}

/* _imp.create_dynamic, and what is like it: import_run_extension of 3.13 to 3.15 */
static bool loads_module(const struct gt_agent_method *method)
{
    return gt_agent_api.free_threaded && method->name &&
           (!strcmp(method->name, "create_dynamic") ||
            !strcmp(method->name, "create_builtin") || !strcmp(method->name, "exec_dynamic"));
}

struct gt_agent_function *gt_agent_function_of_callable(struct gt_agent_thread *self,
                                                        PyObject *callable)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *type = gt_agent_type(callable);
    const struct gt_agent_method *method;
    struct gt_agent_function *function;
    uint64_t key;

    if (skip_c)
        return NULL;
    if (type == api->PyCFunction_Type || type == api->PyCMethod_Type)
        method = gt_agent_member(callable, CFUNCTION_METHOD);
    else if (type == api->PyMethodDescr_Type)
        method = gt_agent_member(callable, DESCR_METHOD);
    else
        return NULL;
    /* A definition may be freed and another made at its address: its members tell them apart.
     */
    key = ((uintptr_t)method * 31 + (uintptr_t)method->name) * 31 + (uintptr_t)method->function;
    function = gt_agent_map_get(&by_method, key | 1);
    if (GT_AGENT_UNLIKELY(!function || gt_agent_function_is_stale(function))) {
        function = intern_method(self, callable, method);
        if (function) {
            gt_agent_function_flag(function, GT_AGENT_C |
                                                 (sets_hook(method) ? GT_AGENT_HOOKS : 0) |
                                                 (loads_module(method) ? GT_AGENT_LOADS : 0));
            gt_agent_map_add(&by_method, key | 1, function);
        }
    }
    return function;
}
