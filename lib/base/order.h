/* SPDX-License-Identifier: MIT */
/* For the comparators of qsort: which of two numbers comes first. */
#ifndef GT_BASE_ORDER_H
#define GT_BASE_ORDER_H

#include <stdint.h>

/* -1, 0 or 1: `left` is less, equal or greater. */
static inline int gt_order(int64_t left, int64_t right)
{
    return (left > right) - (left < right);
}

static inline int gt_order_u64(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

/* Of an array of int64_t, the least first. */
static inline int gt_order_of_ns(const void *left, const void *right)
{
    return gt_order(*(const int64_t *)left, *(const int64_t *)right);
}

#endif
