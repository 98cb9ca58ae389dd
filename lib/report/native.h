/* SPDX-License-Identifier: MIT */
/* Private to report/: in which native functions a blocker spent its time. */
#ifndef GT_REPORT_NATIVE_H
#define GT_REPORT_NATIVE_H

#include "report/values.h"

/* Append the name of a native frame: "H5Dread"; of a function without a name its library and
 * the place in it, "libhdf5.so.103+0x1c40". 0 or -1. */
int gt_native_name(const struct gt_report *report, uint32_t frame, struct gt_buf *out);

/* Append what the table says below a blocker, if anything: native functions with their share of
 * its samples, or that it has none. `kept`: it did not release the GIL. 0 or -1. */
int gt_native_say(const struct gt_report *report, uint32_t gil, uint32_t row, bool kept,
                  struct gt_buf *out);

/* Likewise, where it slept with the GIL after somebody had asked for it, as far as seen. */
int gt_native_say_asleep(const struct gt_report *report, uint32_t gil, uint32_t row,
                         struct gt_buf *out);

/* "native" of a blocker, as SCHEMA.md tells of it. NULL: no memory. */
json_t *gt_native_value(const struct gt_report *report, uint32_t gil, uint32_t row);
/* "asleep", likewise; of one that was not seen asleep it is the JSON's null. */
json_t *gt_native_asleep_value(const struct gt_report *report, uint32_t gil, uint32_t row);

#endif
