/* SPDX-License-Identifier: MIT */
/* When a call was really over, as opposed to when its thread had the GIL back. */
#ifndef GT_WHATIF_CALL_END_H
#define GT_WHATIF_CALL_END_H

#include "model/timeline.h"

/* When the thread began to wait for the GIL that it took back within the call, which it had let
 * go of there; 0: it had not. */
int64_t gt_call_over_ns(const struct gt_timeline *timeline, uint32_t thread,
                        const struct gt_call_span *span);

/* The first hold that ends after that time. */
size_t gt_hold_after(const struct gt_chunks *holds, int64_t time_ns);

#endif
