/* SPDX-License-Identifier: MIT */
/* Times are int64_t nanoseconds of CLOCK_MONOTONIC everywhere; here they become text. */
#ifndef GT_BASE_NSTIME_H
#define GT_BASE_NSTIME_H

#include <stddef.h>
#include <stdint.h>

#define GT_NS_PER_US 1000
#define GT_NS_PER_MS 1000000
#define GT_NS_PER_S  1000000000

/* No machine has been up for so long, 18 years: a later time is damage. Sums of some times that
 * are not later do not overflow. */
#define GT_TIME_MOST_NS (INT64_MAX / 16)

/* CLOCK_MONOTONIC now, of the machine, which perf uses, too: a time namespace adds nothing to
 * it (time_namespaces(7)). */
int64_t gt_now_ns(void);

/* What the time namespace that we are in adds to CLOCK_MONOTONIC. Asks /proc once. */
int64_t gt_monotonic_shift_ns(void);

/* CLOCK_REALTIME now. */
int64_t gt_realtime_ns(void);

/* The sum; INT64_MAX where it does not fit (thousands of threads of a hostile recording). */
static inline int64_t gt_add_ns(int64_t a_ns, int64_t b_ns)
{
    int64_t sum_ns;

    return __builtin_add_overflow(a_ns, b_ns, &sum_ns) ? INT64_MAX : sum_ns;
}

/* The product; INT64_MAX where it does not fit. */
static inline int64_t gt_times_ns(int64_t ns, uint64_t count)
{
    int64_t product_ns;

    if (count > INT64_MAX || __builtin_mul_overflow(ns, (int64_t)count, &product_ns))
        return ns ? INT64_MAX : 0;
    return product_ns;
}

/* A calculated time, rounded towards zero; the greatest or least time where it does not fit. */
static inline int64_t gt_ns_of(double ns)
{
    if (!(ns < 9.2e18))
        return INT64_MAX;
    return ns > -9.2e18 ? (int64_t)ns : INT64_MIN;
}

/* What share of `whole_ns` `part_ns` is, in percent; 0 where the whole is not above 0. */
static inline double gt_percent(int64_t part_ns, int64_t whole_ns)
{
    return whole_ns > 0 ? 100.0 * (double)part_ns / (double)whole_ns : 0.0;
}

/* For people: "850 ns", "5.2 ms", "12.3 s". Writes at most `size` bytes, returns `text`. */
char *gt_duration_text(int64_t duration_ns, char *text, size_t size);

/* For people, a point in time, from 0 on: "00:04.02", "01:59:03.50". Writes at most `size`
 * bytes, returns `text`. */
char *gt_moment_text(int64_t time_ns, char *text, size_t size);

/* For machines, fast: microseconds with three decimals ("1234.567"), without the decimals
 * when they are zero, with '-' when negative. Needs 24 bytes; writes no NUL; returns the end.
 */
char *gt_put_us(char *at, int64_t time_ns);

/*
 * Append the length of the span from `start_ns` to `end_ns` (neither below 0), in µs. Viewers
 * read it and the start (gt_put_us) as doubles and add them. That sum is never above the end as
 * a double, is the same for all spans of one end, and never decreases as the end grows: so
 * spans that follow each other do not overlap, and nested spans stay nested. For that the
 * length may have more digits, and be wrong by some millionths of a ns. Needs GT_LENGTH_BYTES;
 * returns the end.
 */
enum { GT_LENGTH_BYTES = 48 };
char *gt_put_length_us(char *at, int64_t start_ns, int64_t end_ns);
/* An unsigned decimal. Needs 20 bytes; writes no NUL; returns the end. */
char *gt_put_u64(char *at, uint64_t value);

#endif
