/* SPDX-License-Identifier: MIT */
/*
 * Conditions on a report, for --fail-if and --when: `wait > 20%`, `longest_wait > 50ms`,
 * `thread("worker-*").wait >= 1s`, `blocker("json.*") > 5%`, `lock_wait > 5%`,
 * `lock("Cache.put") > 2%`, `worst(2s).wait > 50%`.
 *
 *     condition = what op number unit      op: > >= < <=     unit: % ns us ms s
 *     what      = of | thread("GLOB").of | blocker("GLOB") | lock("GLOB")
 *     of        = wait | hold | longest_wait | longest_hold | lock_wait | stopped
 *               | worst(number unit).wait | worst(number unit).hold        unit: ns us ms s
 *
 * A percentage is a share of the threads' lives; that of a blocker, or of a lock, is how much
 * of these all threads waited for it. `worst(2s)` asks for the window of that length in which
 * all threads, or the thread, waited (or held) longest, and of how they fared there
 * (worst_range.h). Where part of a life is not known, a figure has a range:
 * at the least, nothing was missed there; at the most, all of that time was waiting, or
 * holding. A condition is breached when it is at both ends of the range; it has passed when it
 * is at neither; else it cannot be judged. Of several threads that match, the one nearest to a
 * breach counts. What a GLOB matches is the caller's to say (report/condition.h).
 */
#ifndef GT_ANALYSIS_CONDITION_H
#define GT_ANALYSIS_CONDITION_H

#include "analysis/blockers.h"
#include "analysis/lock_waits.h"
#include "base/error.h"
#include "model/recorded.h"

#include <stdbool.h>

enum gt_condition_what { GT_WHAT_ALL, GT_WHAT_THREAD, GT_WHAT_BLOCKER, GT_WHAT_LOCK };
enum gt_condition_field {
    GT_FIELD_WAIT,
    GT_FIELD_HOLD,
    GT_FIELD_LONGEST_WAIT,
    GT_FIELD_LONGEST_HOLD,
    GT_FIELD_LOCK_WAIT,
    GT_FIELD_STOPPED,
};

struct gt_condition {
    enum gt_condition_what what;
    enum gt_condition_field field;
    char glob[256];
    bool below;       /* < or <=, else > or >= */
    bool or_equal;    /* <= or >= */
    bool percent;     /* limit is a percentage, else nanoseconds */
    int64_t worst_ns; /* in the worst window of that length; 0: in the whole run */
    double limit;
};

/* `option` is what gave the text: "--fail-if". GT_ERR_USAGE: the message names it, and is
 * followed by two lines, the text and a caret under the spot. */
int gt_condition_parse(struct gt_condition *condition, const char *option, const char *text,
                       struct gt_error *err);

enum gt_check_result { GT_PASSED, GT_BREACHED, GT_UNJUDGED };

/* A figure lies between `low` and `high`; of what is known, it is `value`. In percent or
 * nanoseconds, as the condition. */
struct gt_condition_range {
    double low, high, value;
};

struct gt_checked {
    enum gt_check_result result;
    bool no_locks; /* not judged, since waits for locks were not recorded: likewise */
    bool blind;    /* not judged, since nothing was recorded: there is no range */
    struct gt_condition_range range;
    uint32_t thread;  /* of GT_WHAT_THREAD, whose the range is; UINT32_MAX: none matched */
    int64_t start_ns; /* of the worst window, where that was asked for and was found; else -1 */
};

/* Which threads, blockers and locks the condition's GLOB matches: 1, 0, or -1 (no memory). */
struct gt_condition_names {
    int (*thread)(void *context, uint32_t thread);
    int (*blocker)(void *context, const struct gt_blocker *row);
    int (*lock)(void *context, const struct gt_lock_row *row);
    void *context;
};

/* Judge a finished recording, whose blockers are one struct per GIL. 0, or GT_ERR_MEMORY. */
int gt_condition_check(const struct gt_condition *condition, const struct gt_recorded *recorded,
                       const struct gt_blockers *blockers, const struct gt_locks_found *locks,
                       const struct gt_condition_names *names, struct gt_checked *checked);

#endif
