/* SPDX-License-Identifier: MIT */
/* A NULL-terminated vector of owned strings: an argument vector for a child. */
#ifndef GT_BASE_STRVEC_H
#define GT_BASE_STRVEC_H

#include <stddef.h>

struct gt_strvec {
    char **items; /* items[count] is NULL; the array itself is NULL while empty */
    size_t count;
    size_t capacity;
};

void gt_strvec_init(struct gt_strvec *vec);
void gt_strvec_release(struct gt_strvec *vec);

/* Append a copy. Return 0, or -1 when memory is exhausted (the vector stays as it was). */
int gt_strvec_push(struct gt_strvec *vec, const char *text);
int gt_strvec_pushf(struct gt_strvec *vec, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Append copies of all of a NULL-terminated array, which may be NULL. */
int gt_strvec_push_all(struct gt_strvec *vec, char *const *items);

#endif
