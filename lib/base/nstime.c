/* SPDX-License-Identifier: MIT */
#include "base/nstime.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t ns_of_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * GT_NS_PER_S + now.tv_nsec;
}

/* What is told there is of the namespace that children will be in: as a rule the same one. */
static int64_t read_shift_ns(void)
{
    FILE *file = fopen("/proc/self/timens_offsets", "re");
    char own[64] = "", childrens[64] = "";
    long long seconds = 0, ns = 0;
    bool told = file && fscanf(file, "monotonic %lld %lld", &seconds, &ns) == 2;

    if (file)
        fclose(file);
    if (!told || readlink("/proc/self/ns/time", own, sizeof(own) - 1) < 0 ||
        readlink("/proc/self/ns/time_for_children", childrens, sizeof(childrens) - 1) < 0 ||
        strcmp(own, childrens) != 0)
        return 0;
    return (int64_t)seconds * GT_NS_PER_S + ns;
}

int64_t gt_monotonic_shift_ns(void)
{
    static int64_t shift_ns = INT64_MIN; /* not asked yet */
    int64_t known_ns = __atomic_load_n(&shift_ns, __ATOMIC_RELAXED);

    if (known_ns == INT64_MIN) {
        known_ns = read_shift_ns();
        __atomic_store_n(&shift_ns, known_ns, __ATOMIC_RELAXED);
    }
    return known_ns;
}

int64_t gt_now_ns(void)
{
    return ns_of_clock(CLOCK_MONOTONIC) - gt_monotonic_shift_ns();
}

int64_t gt_realtime_ns(void)
{
    return ns_of_clock(CLOCK_REALTIME);
}

char *gt_duration_text(int64_t duration_ns, char *text, size_t size)
{
    const char *sign = duration_ns < 0 ? "-" : "";
    double value;

    if (duration_ns < 0)
        duration_ns = duration_ns == INT64_MIN ? INT64_MAX : -duration_ns;
    value = (double)duration_ns;
    if (duration_ns < GT_NS_PER_US)
        snprintf(text, size, "%s%d ns", sign, (int)duration_ns);
    else if (duration_ns < GT_NS_PER_MS)
        snprintf(text, size, "%s%.1f \xc2\xb5s", sign, value / GT_NS_PER_US);
    else if (duration_ns < GT_NS_PER_S)
        snprintf(text, size, "%s%.1f ms", sign, value / GT_NS_PER_MS);
    else if (duration_ns < (int64_t)3600 * GT_NS_PER_S)
        snprintf(text, size, "%s%.2f s", sign, value / GT_NS_PER_S);
    else
        snprintf(text, size, "%s%.2f h", sign, value / GT_NS_PER_S / 3600);
    return text;
}

char *gt_moment_text(int64_t time_ns, char *text, size_t size)
{
    int64_t hundredths = time_ns < 0 ? 0 : time_ns / (GT_NS_PER_S / 100);
    int64_t seconds = hundredths / 100, minutes = seconds / 60;

    if (minutes < 60)
        snprintf(text, size, "%02d:%02d.%02d", (int)minutes, (int)(seconds % 60),
                 (int)(hundredths % 100));
    else
        snprintf(text, size, "%02lld:%02d:%02d.%02d", (long long)(minutes / 60),
                 (int)(minutes % 60), (int)(seconds % 60), (int)(hundredths % 100));
    return text;
}

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

static size_t digits_of(uint64_t value)
{
    size_t digits = 1;

    for (; value >= 10000; value /= 10000)
        digits += 4;
    return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

char *gt_put_u64(char *at, uint64_t value)
{
    char *end = at + digits_of(value), *p = end;

    for (; value >= 100; value /= 100) {
        p -= 2;
        memcpy(p, digit_pairs + value % 100 * 2, 2);
    }
    if (value >= 10)
        memcpy(at, digit_pairs + value * 2, 2);
    else
        *at = (char)('0' + value);
    return end;
}

char *gt_put_us(char *at, int64_t time_ns)
{
    uint64_t ns = time_ns < 0 ? 0 - (uint64_t)time_ns : (uint64_t)time_ns;
    uint32_t rest = (uint32_t)(ns % GT_NS_PER_US);

    if (time_ns < 0)
        *at++ = '-';
    at = gt_put_u64(at, ns / GT_NS_PER_US);
    if (rest) {
        *at++ = '.';
        *at++ = (char)('0' + rest / 100);
        memcpy(at, digit_pairs + rest % 100 * 2, 2);
        at += 2;
    }
    return at;
}

/* What a reader of JSON has of gt_put_us's digits: the nearest double. */
static double read_us(int64_t ns)
{
    if (ns < INT64_C(1) << 53)
        return (double)ns / GT_NS_PER_US;
    return (double)((long double)ns / GT_NS_PER_US);
}

/*
 * The sum that is aimed at: the greatest even double (the last bit of its mantissa is 0) that
 * is not above the end. Sums of two doubles reach each even one, as ties are rounded to it; an
 * odd one can lie between two sums.
 */
static double sum_for(int64_t end_ns)
{
    double end = read_us(end_ns);
    uint64_t bits;

    memcpy(&bits, &end, sizeof(bits));
    bits &= ~(uint64_t)1;
    memcpy(&end, &bits, sizeof(end));
    return end;
}

enum { DECIMALS_LEAST = 3, DECIMALS_MOST = 19 }; /* 10^19 is below 2^64 */

/* Of a double above 0, which is its mantissa × 2^-shift; of microseconds, so below 2^56. */
struct parts {
    int64_t mantissa;
    int shift; /* 1 at least */
};

static struct parts parts_of(double value)
{
    struct parts parts;
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    parts.mantissa = (int64_t)((bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52);
    parts.shift = 1075 - (int)(bits >> 52);
    for (; parts.shift < 1; parts.shift++)
        parts.mantissa *= 2;
    return parts;
}

/* Decimals that tell a length apart from those that miss the sum: a quarter of its last bit. */
static int decimals_for(double sum)
{
    int decimals = ((parts_of(sum).shift + 2) * 30103 + 99999) / 100000; /* log10(2) */

    return decimals < DECIMALS_LEAST  ? DECIMALS_LEAST
           : decimals > DECIMALS_MOST ? DECIMALS_MOST
                                      : decimals;
}

/* What `length_ns` is longer by than `length`, in units of 1/scale ns; halves are rounded down,
 * as by JavaScript's toFixed. */
static int64_t excess_of(int64_t length_ns, double length, uint64_t scale)
{
    struct parts parts = parts_of(length);
    __int128 excess_ns = ((__int128)length_ns << parts.shift) -
                         (__int128)parts.mantissa * GT_NS_PER_US; /* times 2^shift */

    return -(int64_t)((((__int128)1 << (parts.shift - 1)) - excess_ns * (__int128)scale) >>
                      parts.shift);
}

/* "12.3450678", of so many decimals, without the zeros at the end. */
static char *put_decimals(char *at, uint64_t whole, uint64_t fraction, int decimals)
{
    char digits[32];
    char *end = gt_put_u64(digits, fraction);
    int zeros = decimals - (int)(end - digits);

    at = gt_put_u64(at, whole);
    if (!fraction)
        return at;
    while (end[-1] == '0')
        end--;
    *at++ = '.';
    memset(at, '0', (size_t)zeros);
    memcpy(at + zeros, digits, (size_t)(end - digits));
    return at + zeros + (end - digits);
}

char *gt_put_length_us(char *at, int64_t start_ns, int64_t end_ns)
{
    int64_t length_ns = end_ns - start_ns;
    double start = read_us(start_ns), sum = sum_for(end_ns), length = sum - start;
    uint64_t scale = 1, whole, fraction;
    int64_t less; /* what the length is too long by, in units of its last decimal */
    int decimals;

    if (start_ns < 0 || start + read_us(length_ns) == sum)
        return gt_put_us(at, length_ns); /* below 0: no time of ours */
    if (length <= 0)
        return gt_put_us(at, 0);
    decimals = decimals_for(sum);
    for (int i = DECIMALS_LEAST; i < decimals; i++)
        scale *= 10;
    less = excess_of(length_ns, length, scale);
    whole = (uint64_t)length_ns / GT_NS_PER_US;
    fraction = (uint64_t)length_ns % GT_NS_PER_US * scale;
    scale *= GT_NS_PER_US; /* of what is below a us */
    if (less > 0 && (uint64_t)less > fraction) {
        uint64_t borrowed = ((uint64_t)less - fraction + scale - 1) / scale;

        if (borrowed > whole)
            return gt_put_us(at, 0);
        whole -= borrowed;
        fraction += borrowed * scale;
    }
    fraction -= (uint64_t)less;
    return put_decimals(at, whole + fraction / scale, fraction % scale, decimals);
}
