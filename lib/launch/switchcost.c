/* SPDX-License-Identifier: MIT */
#include "launch/switchcost.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { SLEEPS = 101, SLEEP_NS = 1000 };

static int64_t cpu_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now))
        return -1;
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *one, const void *two)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)two;

    return (a > b) - (a < b);
}

int64_t gt_sleep_cpu_ns(void)
{
    const struct timespec sleep = {.tv_nsec = SLEEP_NS};
    int slack = prctl(PR_GET_TIMERSLACK);
    static int64_t times_ns[SLEEPS];

    prctl(PR_SET_TIMERSLACK, 1UL);
    for (int i = 0; i < SLEEPS; i++) {
        int64_t start_ns = cpu_ns();

        nanosleep(&sleep, NULL);
        times_ns[i] = start_ns < 0 ? -1 : cpu_ns() - start_ns;
    }
    if (slack > 0) /* it outlives exec */
        prctl(PR_SET_TIMERSLACK, (unsigned long)slack);
    qsort(times_ns, SLEEPS, sizeof(times_ns[0]), compare);
    return times_ns[SLEEPS / 2];
}
