/* SPDX-License-Identifier: MIT */
/* Whether there is a GIL, in builds that can do without (Py_GIL_DISABLED). From
 * GT_EVENT_GIL_SWITCH. */
#ifndef GT_MODEL_GIL_SWITCH_H
#define GT_MODEL_GIL_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of time; of a process, each differs from the one before. */
struct gt_gil_switch {
    int64_t time_ns;
    int64_t loaded_ns; /* `thread` was just loading the module; the time itself, if not known */
    uint32_t thread;   /* that noted it: when it came on, the one that imported */
    uint32_t module;   /* interned: whose import switched it on; 0: not known */
    bool on;
};

struct gt_timeline;

enum gt_gil_use {
    GT_GIL_ALWAYS, /* a build with a GIL, as far as is known */
    GT_GIL_NEVER,  /* a build without, which had none */
    GT_GIL_LATER,  /* a build without, which had one from some time on: gt_gil_switch_of */
};

enum gt_gil_use gt_gil_use(const struct gt_timeline *timeline, uint32_t process);

struct gt_gil;

/* Is it the GIL of a build without one, that there is for a moment while an extension is
 * imported? By its use, too: where nothing notes that a GIL came on, it is used much. */
bool gt_gil_is_momentary(const struct gt_timeline *timeline, const struct gt_gil *gil);

/* Is there another one than such? */
bool gt_any_gil(const struct gt_timeline *timeline);

/* When a process of a build without a GIL got one; NULL: never, or not known. */
const struct gt_gil_switch *gt_gil_switch_of(const struct gt_timeline *timeline,
                                             uint32_t process);

#endif
