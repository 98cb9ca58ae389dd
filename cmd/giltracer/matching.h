/* SPDX-License-Identifier: MIT */
/*
 * --match: which processes there are, by /proc, that a pattern is for.
 *
 * The pattern is a shell's (fnmatch(3): *, ?, [abc]); no shell is run. It has to match all of a
 * process's label, as --metrics shows it (process_labels.h), or all of the label's first word.
 */
#ifndef GILTRACER_MATCHING_H
#define GILTRACER_MATCHING_H

#include "base/error.h"
#include "metrics/registry.h"
#include "process_stat.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    GT_MATCHING_AGE_S = 2,  /* younger processes are not looked at: they are still becoming what
                               they will be, and whose children they are is not known */
    GT_MATCHING_ROUNDS = 8, /* in so many a process that was looked at is looked at again */
};

/* Now, in the clock of gt_process_stat.start. */
uint64_t gt_process_ticks(void);

/* Does the pattern match such a label? */
bool gt_matching_fits(const char *pattern, const char *label);

struct gt_matching {
    const char *pattern; /* borrowed */
    uint8_t *looked_at;  /* a bit for each pid: it was looked at, and was old enough */
    uint8_t *now;        /* the same, while it is made anew */
    unsigned round;
};

int gt_matching_init(struct gt_matching *matching, const char *pattern, struct gt_error *err);
void gt_matching_release(struct gt_matching *matching);

/*
 * Once a second: call `found` for each process that matches and is looked at in this round: new
 * ones, and of the others those whose pid modulo GT_MATCHING_ROUNDS is `round`. One for which
 * it returns false counts as new the next time. This process and its children are never among
 * them. 0, or negative without /proc.
 */
int gt_matching_look(struct gt_matching *matching,
                     bool (*found)(void *context, const struct gt_process_stat *stat,
                                   const char *label),
                     void *context, struct gt_error *err);

#endif
