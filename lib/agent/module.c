/* SPDX-License-Identifier: MIT */
/*
 * The agent as an extension module, by which Python code loads it without ctypes: a script that
 * runs by the remote-debugging protocol, and the package of scripts/python. It has no header:
 * the interpreter finds its function by its name.
 *
 * The code that loads it, at the top level of a namespace, has the bytes giltracer_symbol
 * (GT_AGENT_ATTACH or GT_AGENT_DETACH) and giltracer_settings there. There is never a module:
 * ImportError("giltracer RESULT") is raised, -1 where nothing was called.
 *
 * With giltracer_answer, the path of a file that does not exist, that is made first, so that
 * only one of several threads that run the same script does anything; then it has the result,
 * as a line.
 */
#include "agent/late.h"
#include "agent/python.h"
#include "agent/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The bytes of a variable, borrowed; NULL: there is none. */
static const char *variable(const char *name)
{
    PyObject *locals = gt_agent_api.PyEval_GetLocals();
    PyObject *value = locals ? gt_agent_api.PyDict_GetItemString(locals, name) : NULL;
    char *(*bytes)(PyObject *);
    const char *text;

    *(void **)&bytes = gt_agent_python_symbol("PyBytes_AsString");
    text = value && bytes ? bytes(value) : NULL;
    if (!text)
        gt_agent_api.PyErr_Clear();
    return text;
}

static int use(const char *symbol, const char *settings)
{
    return strcmp(symbol, GT_AGENT_ATTACH) ? gt_agent_detach() : gt_agent_attach(settings);
}

static int use_once(const char *symbol, const char *settings, const char *answer)
{
    int fd = open(answer, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
    char text[32];

    if (fd < 0)
        return -1;
    rc = use(symbol, settings);
    snprintf(text, sizeof(text), "%d\n", rc);
    if (write(fd, text, strlen(text)) < 0)
        rc = -1; /* whoever waits for it learns nothing */
    close(fd);
    return rc;
}

static int call(void)
{
    const char *symbol = variable(GT_WIRE_OWN_VARIABLE);
    const char *settings = variable("giltracer_settings");
    const char *answer = variable("giltracer_answer");

    if (!symbol || !settings)
        return -1;
    return answer ? use_once(symbol, settings, answer) : use(symbol, settings);
}

__attribute__((visibility("default"))) PyObject *PyInit_giltracer_agent(void);

PyObject *PyInit_giltracer_agent(void)
{
    void (*raise)(PyObject *, const char *);
    PyObject **error;
    char text[32];

    if (!gt_agent_python_find() || !gt_agent_api_load())
        return NULL;
    snprintf(text, sizeof(text), "giltracer %d", call());
    *(void **)&raise = gt_agent_python_symbol("PyErr_SetString");
    error = gt_agent_python_symbol("PyExc_ImportError");
    if (raise && error)
        raise(*error, text);
    return NULL;
}
