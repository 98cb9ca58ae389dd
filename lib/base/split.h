/* SPDX-License-Identifier: MIT */
/*
 * Cuts a JSON document of any length, as it streams in, into parts that fit in memory: the
 * elements of one array, and the short values beside that array.
 *
 * Only brackets, strings and commas are understood here. The parts are handed to a JSON parser,
 * which finds what is wrong inside them.
 */
#ifndef GT_BASE_SPLIT_H
#define GT_BASE_SPLIT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Called for each part: an element of the array `key` (`element`), or the value of another key.
 * A result that is not 0 becomes that of gt_split_feed. */
typedef int (*gt_split_fn)(void *context, const char *key, bool element, const char *text,
                           size_t length);

struct gt_split {
    const char *array; /* the key whose array is cut */
    size_t part_max;   /* bytes; longer parts are left out */
    gt_split_fn part;
    void *context;
    struct gt_buf key, text;
    unsigned state; /* private */
    unsigned depth; /* of brackets within the part */
    bool in_string, escaped;
    size_t left_out; /* parts that were too long */
};

enum gt_split_end {
    GT_SPLIT_DONE,     /* the document is complete */
    GT_SPLIT_PARTIAL,  /* it goes on, or ended early */
    GT_SPLIT_NO_FRAME, /* it is not a JSON object */
};

void gt_split_init(struct gt_split *split, const char *array, size_t part_max, gt_split_fn part,
                   void *context);
void gt_split_release(struct gt_split *split);

/* Feed the next bytes, which may begin and end anywhere. 0, the callback's result, or -1 when
 * memory is exhausted. */
int gt_split_feed(struct gt_split *split, const char *data, size_t length);

enum gt_split_end gt_split_status(const struct gt_split *split);

#endif
