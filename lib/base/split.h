/*
 * Cuts a JSON document of any length, as it streams in, into pieces that fit in memory: the
 * elements of the one array that is wanted, and the short values beside it.
 *
 * Only the frame is understood here: brackets, strings, commas. The pieces are for a JSON
 * parser, which finds what is wrong inside them.
 */
#ifndef GT_BASE_SPLIT_H
#define GT_BASE_SPLIT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* A piece: an element of the array `key`, or the value of another `key` (not `element`). A
 * result that is not 0 ends gt_split_feed with it. */
typedef int (*gt_split_fn)(void *context, const char *key, bool element, const char *text,
                           size_t length);

struct gt_split {
    const char *array; /* the key whose array is cut */
    size_t piece_max;  /* bytes; longer ones are left out */
    gt_split_fn piece;
    void *context;
    struct gt_buf key, text;
    unsigned state; /* private */
    unsigned depth; /* of brackets within the piece */
    bool in_string, escaped;
    size_t left_out; /* pieces that were too long */
};

enum gt_split_end {
    GT_SPLIT_DONE,     /* the document is complete */
    GT_SPLIT_PARTIAL,  /* it goes on, or ended early */
    GT_SPLIT_NO_FRAME, /* it is no JSON object, or stopped being one */
};

void gt_split_init(struct gt_split *split, const char *array, size_t piece_max,
                   gt_split_fn piece, void *context);
void gt_split_release(struct gt_split *split);

/* The next bytes, cut anywhere. 0, the callback's result, or -1: no memory. */
int gt_split_feed(struct gt_split *split, const char *data, size_t length);

enum gt_split_end gt_split_status(const struct gt_split *split);

#endif
