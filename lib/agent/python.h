/*
 * The interpreter in this process: where its code is, and its C API by name. One agent serves
 * every version, so nothing here includes Python.h: functions are found with dlsym, and
 * the few structure layouts that are read are frozen ones, checked before use.
 */
#ifndef GT_AGENT_PYTHON_H
#define GT_AGENT_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

/* Where CPython's machine code lies; both 0 while there is none. The GIL's condition
 * variables are those that are used from there. */
struct gt_agent_python {
    uintptr_t text_start;
    uintptr_t text_end;
    void *handle; /* for dlsym */
};

extern struct gt_agent_python gt_agent_python;

/* Look for the interpreter among the loaded objects; true once it is known. Cheap when it is,
 * a walk over the objects when not. Safe in a constructor. */
bool gt_agent_python_find(void);

static inline bool gt_agent_from_python(const void *return_address)
{
    uintptr_t at = (uintptr_t)return_address;

    return at - gt_agent_python.text_start <
           gt_agent_python.text_end - gt_agent_python.text_start;
}

#endif
