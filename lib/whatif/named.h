/* SPDX-License-Identifier: MIT */
/*
 * A function that somebody asks about by name, with everything under it: a Python function or
 * one of C that was traced, or a native one that samples of native stacks show. Of the latter a
 * thread is taken to be in it from the first sample to the last of those that follow one
 * another, half of what a sample stands for before and behind.
 */
#ifndef GT_WHATIF_NAMED_H
#define GT_WHATIF_NAMED_H

#include "whatif/nonyielding.h"

/* Is it the function: "f", "Class.f", "module.f"? */
bool gt_named_is(const struct gt_timeline *timeline, uint32_t function, const char *name);

/* Add the spans in which threads were in the native function, of struct gt_nonyielding_span,
 * with this tag. 0 or -1. */
int gt_named_spans(const struct gt_timeline *timeline, const char *name, uint16_t tag,
                   struct gt_chunks *spans);

#endif
