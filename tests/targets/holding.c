/* SPDX-License-Identifier: MIT */
/* What tests/targets/shapes.py calls: functions and operations of C that keep the GIL, or, with
 * HOLDING=release in the environment, the same ones that release it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int releases;

static void sleep_ms(double ms)
{
    long long ns = (long long)(ms * 1e6);
    struct timespec left = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    while (nanosleep(&left, &left))
        ;
}

static void spin_ms(double ms)
{
    struct timespec began, now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((double)(now.tv_sec - began.tv_sec) * 1e3 +
               (double)(now.tv_nsec - began.tv_nsec) / 1e6 <
           ms);
}

static void work(void (*how)(double), double ms)
{
    PyThreadState *state = releases ? PyEval_SaveThread() : NULL;

    how(ms);
    if (state)
        PyEval_RestoreThread(state);
}

static PyObject *nap(PyObject *module, PyObject *ms)
{
    double number = PyFloat_AsDouble(ms);

    (void)module;
    if (PyErr_Occurred())
        return NULL;
    work(sleep_ms, number);
    Py_RETURN_NONE;
}

static PyObject *burn(PyObject *module, PyObject *ms)
{
    double number = PyFloat_AsDouble(ms);

    (void)module;
    if (PyErr_Occurred())
        return NULL;
    work(spin_ms, number);
    Py_RETURN_NONE;
}

/* apply(function, count, ms): sleeps `ms`, then calls the function; `count` times. */
static PyObject *apply(PyObject *module, PyObject *args)
{
    PyObject *function;
    int count;
    double ms;

    (void)module;
    if (!PyArg_ParseTuple(args, "Oid", &function, &count, &ms))
        return NULL;
    for (int i = 0; i < count; i++) {
        PyObject *result;

        work(sleep_ms, ms);
        result = PyObject_CallObject(function, NULL);
        if (!result)
            return NULL;
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

/* Matrix(ms) @ Matrix(ms), and steps of iter(Matrix(ms)), take so long; no call is seen. */
typedef struct {
    PyObject_HEAD double ms;
    int left;
} Matrix;

static int matrix_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    Matrix *matrix = (Matrix *)self;

    (void)keywords;
    matrix->left = 10;
    return PyArg_ParseTuple(args, "d|i", &matrix->ms, &matrix->left) ? 0 : -1;
}

static PyObject *multiply(PyObject *left, PyObject *right)
{
    (void)right;
    work(sleep_ms, ((Matrix *)left)->ms);
    Py_INCREF(left);
    return left;
}

static PyObject *itself(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *step(PyObject *self)
{
    if (((Matrix *)self)->left-- <= 0)
        return NULL;
    work(sleep_ms, ((Matrix *)self)->ms);
    Py_RETURN_NONE;
}

static PyNumberMethods numbers = {.nb_matrix_multiply = multiply};

static PyTypeObject matrix_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "holding.Matrix",
    .tp_basicsize = sizeof(Matrix),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = matrix_init,
    .tp_as_number = &numbers,
    .tp_iter = itself,
    .tp_iternext = step,
};

static PyMethodDef methods[] = {{"nap", nap, METH_O, NULL},
                                {"burn", burn, METH_O, NULL},
                                {"apply", apply, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "holding", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_holding(void)
{
    const char *how = getenv("HOLDING");
    PyObject *module = PyModule_Create(&definition);

    releases = how && !strcmp(how, "release");
    if (!module || PyType_Ready(&matrix_type))
        return NULL;
    Py_INCREF(&matrix_type);
    PyModule_AddObject(module, "Matrix", (PyObject *)&matrix_type);
    return module;
}
