/* SPDX-License-Identifier: MIT */
/* What tests/targets/deep.py calls: C functions that keep the GIL in other functions, some
 * calls deeper. The numbers are CPU time, or time asleep. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <poll.h>
#include <time.h>

#ifndef DEEP
#define DEEP __attribute__((noinline, noclone))
#endif
/* The part of the time that is spent in deep_outer itself, before it calls the others. */
#ifndef DEEP_EARLY
#define DEEP_EARLY 0
#endif

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline __attribute__((always_inline)) double spin(double seconds)
{
    double end = cpu_seconds() + seconds;
    volatile double sum = 1;

    while (cpu_seconds() < end)
        for (int i = 0; i < 100000; i++)
            sum = sum * 1.0000001 + 1e-9;
    return sum;
}

/* Each adds something to what the next gives: a tail call would leave no frame. */
DEEP double deep_burn(double seconds)
{
    return spin(seconds);
}

DEEP double deep_middle(double seconds)
{
    return deep_burn(seconds) + 1;
}

DEEP double deep_outer(double seconds)
{
    return spin(DEEP_EARLY * seconds) + deep_middle((1 - DEEP_EARLY) * seconds) + 1;
}

/* What cffi calls: it gives the GIL up before any call. */
__attribute__((noinline)) double deep_with_gil(double seconds)
{
    PyGILState_STATE state = PyGILState_Ensure();
    double sum = deep_outer(seconds);

    PyGILState_Release(state);
    return sum;
}

/* Text that is on the stack only, and in no file. */
DEEP double deep_secret(double seconds)
{
    volatile char text[33] = "";

    for (int i = 0; i < 32; i++)
        text[i] = (char)('A' + (i * 7 + 3) % 26);
    return spin(seconds) + text[31];
}

DEEP int deep_nap(int ms)
{
    return poll(NULL, 0, ms) + 1;
}

static PyObject *burn(PyObject *module, PyObject *arguments)
{
    double seconds;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "d", &seconds))
        return NULL;
    return PyFloat_FromDouble(deep_outer(seconds));
}

static PyObject *secret(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyFloat_FromDouble(deep_secret(0.4));
}

static PyObject *nap(PyObject *module, PyObject *arguments)
{
    int ms;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "i", &ms))
        return NULL;
    return PyLong_FromLong(deep_nap(ms));
}

/* The same as a callable object, which is no function of C for CPython. */
static PyObject *burner_call(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    return burn(self, arguments);
}

static PyTypeObject burner_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "deep.Burner",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_call = burner_call,
};

static PyMethodDef methods[] = {{"burn", burn, METH_VARARGS, ""},
                                {"nap", nap, METH_VARARGS, ""},
                                {"secret", secret, METH_NOARGS, ""},
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "deep", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_deep(void)
{
    PyObject *module;

    if (PyType_Ready(&burner_type) < 0 || !(module = PyModule_Create(&definition)))
        return NULL;
    Py_INCREF(&burner_type);
    if (PyModule_AddObject(module, "Burner", (PyObject *)&burner_type) < 0)
        return NULL;
    return module;
}
