#include "base/nstime.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t ns_of_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * GT_NS_PER_S + now.tv_nsec;
}

int64_t gt_now_ns(void)
{
    return ns_of_clock(CLOCK_MONOTONIC);
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
        snprintf(text, size, "%s%.1f us", sign, value / GT_NS_PER_US);
    else if (duration_ns < GT_NS_PER_S)
        snprintf(text, size, "%s%.1f ms", sign, value / GT_NS_PER_MS);
    else if (duration_ns < (int64_t)3600 * GT_NS_PER_S)
        snprintf(text, size, "%s%.2f s", sign, value / GT_NS_PER_S);
    else
        snprintf(text, size, "%s%.2f h", sign, value / GT_NS_PER_S / 3600);
    return text;
}

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

char *gt_put_u64(char *at, uint64_t value)
{
    char text[20];
    char *p = text + sizeof(text);
    size_t length;

    while (value >= 100) {
        p -= 2;
        memcpy(p, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, digit_pairs + value * 2, 2);
    } else {
        *--p = (char)('0' + value);
    }
    length = (size_t)(text + sizeof(text) - p);
    memcpy(at, p, length);
    return at + length;
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
