/* SPDX-License-Identifier: MIT */
/*
 * Which frames of a native stack are of the native function that Python called, and of what
 * that called in turn. The interpreter's evaluation loop ends them outwards. What only leads
 * from one function to another is left out: CPython's calling conventions, ctypes and libffi,
 * pybind11, stubs of the dynamic linker. Of a function that calls Python code back, the stack
 * inside that code counts, not the stack around.
 */
#ifndef GT_ANALYSIS_NATIVE_FRAMES_H
#define GT_ANALYSIS_NATIVE_FRAMES_H

#include "model/stacks.h"

enum { GT_NATIVE_DEPTH_MAX = 256 };

/* Write them, the outermost first, and return how many there are. 0: the thread is in the
 * interpreter's loop itself, or where it is cannot be told. Calls of a function by itself are
 * one. */
uint32_t gt_native_path(const struct gt_stacks *stacks, uint32_t stack,
                        uint32_t path[GT_NATIVE_DEPTH_MAX]);

#endif
