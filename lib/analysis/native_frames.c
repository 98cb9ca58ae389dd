/* SPDX-License-Identifier: MIT */
#include "analysis/native_frames.h"

#include <string.h>

static bool starts(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static const char *file_of(const char *dso)
{
    const char *slash = strrchr(dso, '/');

    return slash ? slash + 1 : dso;
}

static bool is_python(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *dso = gt_stacks_dso(stacks, frame);

    return gt_stacks_is_python(dso, strlen(dso));
}

/* The loop that runs Python code (Python/ceval.c); exported, so stripped interpreters have its
 * name. Parts of it that the compiler put elsewhere have a suffix. 3.6 and 3.7 call
 * PyEval_EvalFrameEx. */
static bool is_loop(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(stacks, frame);

    return is_python(stacks, frame) &&
           (starts(symbol, "_PyEval_EvalFrameDefault") || starts(symbol, "PyEval_EvalFrame"));
}

/* Memory for data: no function is there, and the stack was misread (in the vdso, say). */
static bool is_data(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *dso = gt_stacks_dso(stacks, frame);

    return strcmp(dso, "[heap]") == 0 || strcmp(dso, "[stack]") == 0;
}

/* Does it only lead from one function to another (Objects/call.c, methodobject.c,
 * descrobject.c, typeobject.c; Modules/_ctypes/callproc.c)? */
static bool only_leads(const struct gt_stacks *stacks, uint32_t frame)
{
    static const char *const parts[] = {
        "ectorcall",    "PyObject_Call", "MakeTpCall",   "PyObject_Fast",     "cfunction_call",
        "PyCFunction_", "CFunctionFast", "FunctionFast", "MethodDef_RawFast", "call_function",
        "do_call_core", "object_vacall", "methoddescr_", "wrapper_call",      "wrapperdescr_"};
    static const char *const files[] = {"_ctypes.", "libffi.", "_cffi_backend."};
    const char *symbol = gt_stacks_symbol(stacks, frame);
    const char *file = file_of(gt_stacks_dso(stacks, frame));
    size_t length = strlen(symbol);

    if (is_data(stacks, frame))
        return true;
    /* pybind11.h: dispatcher, and what initialize makes of each function. */
    if (starts(symbol, "pybind11::cpp_function::"))
        return true;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (starts(file, files[i]))
            return true;
    if (length > 4 && strcmp(symbol + length - 4, "@plt") == 0)
        return true;
    for (size_t i = 0; is_python(stacks, frame) && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(symbol, parts[i]))
            return true;
    return false;
}

/* A function of the interpreter whose name is not known. */
static bool is_nameless(const struct gt_stacks *stacks, uint32_t frame)
{
    const char *symbol = gt_stacks_symbol(stacks, frame);

    return (!symbol[0] || symbol[0] == '+') && is_python(stacks, frame);
}

/* How many frames, counted from the innermost one, are inside the interpreter's loop. */
static uint32_t inside_loop(const struct gt_stacks *stacks, const uint32_t *frames,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_loop(stacks, frames[i]))
            return i;
    /* The copy of the stack ends before it, or it cannot be unwound. */
    for (uint32_t i = 0; i < count; i++)
        if (is_python(stacks, frames[i]))
            return i;
    return count;
}

uint32_t gt_native_path(const struct gt_stacks *stacks, uint32_t stack,
                        uint32_t path[GT_NATIVE_DEPTH_MAX])
{
    uint32_t count, length = 0;
    const uint32_t *frames = gt_stacks_frames(stacks, stack, &count);
    uint32_t inside = inside_loop(stacks, frames, count), outer = inside;

    /* Next to the loop what has no name is how the function was called, if one with a name
     * follows. */
    while (outer > 0 &&
           (is_nameless(stacks, frames[outer - 1]) || only_leads(stacks, frames[outer - 1])))
        outer--;
    for (uint32_t i = outer ? outer : inside; i > 0 && length < GT_NATIVE_DEPTH_MAX; i--)
        if (!only_leads(stacks, frames[i - 1]) &&
            (length == 0 || path[length - 1] != frames[i - 1]))
            path[length++] = frames[i - 1];
    return length;
}
