/* SPDX-License-Identifier: MIT */
/*
 * The interpreter in this process: where its code is, and its C API by name. One agent serves
 * every version, so nothing here includes Python.h: functions are found with dlsym, and the
 * few structure layouts that are read are frozen ones, checked before use.
 */
#ifndef GT_AGENT_PYTHON_H
#define GT_AGENT_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gt_agent_object PyObject; /* opaque but for its type, see gt_agent_type */

/* Where CPython's machine code is; both are 0 while there is none. The GIL's condition
 * variables are those that are used from there. */
struct gt_agent_python {
    uintptr_t text_start;
    uintptr_t text_end;
    void *handle; /* for dlsym */
};

extern struct gt_agent_python gt_agent_python;

/* Look for the interpreter among the loaded objects, unless it is known. True when it is. May
 * be called in a constructor. */
bool gt_agent_python_find(void);

/* Is this address in CPython's code? */
static inline bool gt_agent_from_python(const void *return_address)
{
    uintptr_t at = (uintptr_t)return_address;

    return at - gt_agent_python.text_start <
           gt_agent_python.text_end - gt_agent_python.text_start;
}

typedef PyObject *gt_agent_cfunction(PyObject *self, PyObject *const *args, ptrdiff_t count);
typedef int gt_agent_profile(PyObject *object, PyObject *frame, int what, PyObject *arg);

typedef int gt_agent_audit(const char *event, PyObject *arguments, void *data);

struct gt_agent_method { /* PyMethodDef */
    const char *name;
    void *function; /* gt_agent_cfunction, or of (self, args) with GT_AGENT_VARARGS */
    int flags;
    const char *doc;
};

enum gt_agent_method_flags {
    GT_AGENT_VARARGS = 0x01,  /* METH_VARARGS */
    GT_AGENT_O = 0x08,        /* METH_O: (self, argument) */
    GT_AGENT_FASTCALL = 0x80, /* METH_FASTCALL: since 3.7 */
};

/* The functions of the C API that are used: X(result, name, arguments). All exist since 3.6. */
#define GT_AGENT_API(X)                                                                        \
    X(int, Py_IsInitialized, (void))                                                           \
    X(const char *, Py_GetVersion, (void))                                                     \
    X(int, Py_AddPendingCall, (int (*)(void *), void *))                                       \
    X(void, Py_IncRef, (PyObject *))                                                           \
    X(void, Py_DecRef, (PyObject *))                                                           \
    X(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **))                              \
    X(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *))                               \
    X(void, PyErr_Clear, (void))                                                               \
    X(PyObject *, PyErr_Occurred, (void))                                                      \
    X(PyObject *, PyImport_ImportModule, (const char *))                                       \
    X(PyObject *, PyImport_GetModuleDict, (void))                                              \
    X(PyObject *, PySys_GetObject, (const char *))                                             \
    X(PyObject *, PyModule_GetDict, (PyObject *))                                              \
    X(PyObject *, PyObject_GetAttrString, (PyObject *, const char *))                          \
    X(PyObject *, PyObject_GenericGetAttr, (PyObject *, PyObject *))                           \
    X(PyObject *, PyUnicode_FromString, (const char *))                                        \
    X(PyObject *, PyObject_CallMethod, (PyObject *, const char *, const char *, ...))          \
    X(PyObject *, PyDict_GetItemString, (PyObject *, const char *))                            \
    X(PyObject *, PyDict_GetItem, (PyObject *, PyObject *))                                    \
    X(PyObject *, PyDict_Copy, (PyObject *))                                                   \
    X(int, PyDict_Next, (PyObject *, ptrdiff_t *, PyObject **, PyObject **))                   \
    X(int, PyList_Append, (PyObject *, PyObject *))                                            \
    X(ptrdiff_t, PyList_Size, (PyObject *))                                                    \
    X(PyObject *, PyList_GetItem, (PyObject *, ptrdiff_t))                                     \
    X(ptrdiff_t, PyTuple_Size, (PyObject *))                                                   \
    X(PyObject *, PyTuple_GetItem, (PyObject *, ptrdiff_t))                                    \
    X(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, ptrdiff_t *))                        \
    X(long, PyLong_AsLong, (PyObject *))                                                       \
    X(PyObject *, PyLong_FromUnsignedLong, (unsigned long))                                    \
    X(unsigned long, PyLong_AsUnsignedLong, (PyObject *))                                      \
    X(PyObject *, PyCFunction_NewEx, (struct gt_agent_method *, PyObject *, PyObject *))       \
    X(PyObject *, PyFunction_GetCode, (PyObject *))                                            \
    X(void, PyEval_SetProfile, (gt_agent_profile *, PyObject *))                               \
    X(void *, PyGILState_GetThisThreadState, (void))                                           \
    X(void *, PyInterpreterState_ThreadHead, (void *))                                         \
    X(void *, PyThreadState_Next, (void *))                                                    \
    X(PyObject *, PyEval_GetLocals, (void))

/* The types and objects that are used: X(name). */
#define GT_AGENT_OBJECTS(X)                                                                    \
    X(_Py_NoneStruct)                                                                          \
    X(_Py_FalseStruct)                                                                         \
    X(PyCode_Type)                                                                             \
    X(PyUnicode_Type)                                                                          \
    X(PyTuple_Type)                                                                            \
    X(PyDict_Type)                                                                             \
    X(PyList_Type)                                                                             \
    X(PyType_Type)                                                                             \
    X(PyModule_Type)                                                                           \
    X(PyFunction_Type)                                                                         \
    X(PyCFunction_Type)                                                                        \
    X(PyMethodDescr_Type)

struct gt_agent_api {
#define X(result, name, arguments) result(*name) arguments;
    GT_AGENT_API(X)
#undef X
#define X(name) PyObject *name;
    GT_AGENT_OBJECTS(X)
#undef X
    /* Renamed in 3.12. */
    ptrdiff_t (*request_code_extra)(void (*)(void *));
    int (*get_code_extra)(PyObject *, ptrdiff_t, void **);
    int (*set_code_extra)(PyObject *, ptrdiff_t, void *);
    void *(*thread_state)(void); /* of the calling thread; NULL when it has none */
    PyObject *PyCMethod_Type;    /* 3.9+, else NULL */
    void *(*PyThreadState_GetInterpreter)(void *);       /* likewise */
    int64_t (*PyInterpreterState_GetID)(void *);         /* 3.7+ */
    int (*PySys_AddAuditHook)(gt_agent_audit *, void *); /* 3.8+ */
    int version; /* 0x030b for 3.11; 0: not loaded, or not of use */
    /* A build without a GIL: several threads are in the agent's hooks at once, and an object's
     * head is 16 bytes longer (Include/object.h, Py_GIL_DISABLED). */
    bool free_threaded;
    size_t longer_head;
    const char *PyMutex_Lock; /* 3.13+, else NULL: where lock.c is */
};

extern struct gt_agent_api gt_agent_api;

/* Something that the interpreter exports; NULL: it does not. */
void *gt_agent_python_symbol(const char *name);

/* Is the return address in lock.c, which spins before it parks? Its functions are a few KiB. */
static inline bool gt_agent_from_lock(const void *return_address)
{
    enum { NEAR = 8192 };
    uintptr_t there = (uintptr_t)gt_agent_api.PyMutex_Lock;

    return there && (uintptr_t)return_address - (there - NEAR) < 2 * NEAR;
}

/* Fill gt_agent_api; false when this interpreter is too old, or lacks any of it. */
bool gt_agent_api_load(void);

/* A pointer inside a structure of CPython's. */
static inline void *gt_agent_field(const void *structure, size_t offset)
{
    return *(void *const *)(const void *)((const char *)structure + offset);
}

/* A pointer inside an object; `offset` is that of builds with a GIL. */
static inline void *gt_agent_member(const void *object, size_t offset)
{
    return gt_agent_field(object, gt_agent_api.longer_head + offset);
}

/* Py_TYPE: the last word of every object's head, in all builds that gt_agent_api_load admits.
 */
static inline PyObject *gt_agent_type(const PyObject *object)
{
    return gt_agent_member(object, sizeof(void *));
}

/* The interpreter of a thread state: the third word of it, until there was a function. */
static inline void *gt_agent_interpreter_of(void *state)
{
    if (gt_agent_api.PyThreadState_GetInterpreter)
        return gt_agent_api.PyThreadState_GetInterpreter(state);
    return gt_agent_field(state, 2 * sizeof(void *));
}

/* A new reference to an instance's attribute. It is looked up without the object's own
 * __getattr__ and the like, which may be code of the target's. NULL with an error set when
 * there is none. */
PyObject *gt_agent_attribute(PyObject *object, const char *name);

/* Run a statement that leaves the target's pending exception as it was. */
#define GT_AGENT_KEEPING_ERROR(statement)                                                      \
    do {                                                                                       \
        PyObject *type, *value, *traceback;                                                    \
        gt_agent_api.PyErr_Fetch(&type, &value, &traceback);                                   \
        statement;                                                                             \
        gt_agent_api.PyErr_Clear();                                                            \
        gt_agent_api.PyErr_Restore(type, value, traceback);                                    \
    } while (0)

#endif
