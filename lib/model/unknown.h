/* SPDX-License-Identifier: MIT */
/*
 * What a thread did after a loss. Until its own next acquisition, release or wait it is not
 * known whether it waits for the GIL: it may have begun to in what was lost. (That a thread
 * which releases first has had the GIL since the loss is known: gil.c.)
 */
#ifndef GT_MODEL_UNKNOWN_H
#define GT_MODEL_UNKNOWN_H

#include "base/chunks.h"

#include <stdint.h>

struct gt_gil;

/* The longest of gt_gil.unknowns that is of this thread. */
int64_t gt_unknown_longest(const struct gt_gil *gil, uint32_t thread);

#endif
