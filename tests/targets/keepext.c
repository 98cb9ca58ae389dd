/* SPDX-License-Identifier: MIT */
/* An extension that keeps the GIL: keep(ms) computes, nap(ms) sleeps. MAKER is a name that its
 * maker, Cython or pybind11, would have left in it. */
#include <Python.h>

#include <poll.h>
#include <time.h>

#ifndef MAKER
#define MAKER ""
#endif

const char *const keepext_maker = MAKER;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static PyObject *keep(PyObject *self, PyObject *ms)
{
    double end = now() + PyFloat_AsDouble(ms);

    (void)self;
    while (now() < end)
        ;
    Py_RETURN_NONE;
}

static PyObject *nap(PyObject *self, PyObject *ms)
{
    (void)self;
    poll(NULL, 0, (int)PyFloat_AsDouble(ms));
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"keep", keep, METH_O, NULL}, {"nap", nap, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "keepext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_keepext(void)
{
    return PyModule_Create(&definition);
}
