/* SPDX-License-Identifier: MIT */
/* An extension that does not say that it can do without a GIL, for parallel.py. */
#include <Python.h>

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "gilext", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_gilext(void)
{
    return PyModule_Create(&definition);
}
