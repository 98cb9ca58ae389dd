/* SPDX-License-Identifier: MIT */
#include "analysis/gil_times.h"

#include "base/nstime.h"

int64_t gt_gil_life_ns(const struct gt_gil *gil)
{
    return gil->end_ns > gil->start_ns ? gil->end_ns - gil->start_ns : 0;
}

int64_t gt_gil_known_ns(const struct gt_gil *gil)
{
    return gt_gil_life_ns(gil) - gil->unknown_ns;
}

int64_t gt_gil_wait_ns(const struct gt_gil *gil)
{
    int64_t wait_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++)
        wait_ns = gt_add_ns(wait_ns, gt_gil_thread_at(gil, i)->wait_ns);
    return wait_ns;
}

int64_t gt_gil_lives_ns(const struct gt_gil *gil)
{
    int64_t lives_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++)
        lives_ns = gt_add_ns(lives_ns, gt_gil_thread_at(gil, i)->lifetime_ns);
    return lives_ns;
}

int64_t gt_gil_thread_lives_ns(const struct gt_gil *gil)
{
    int64_t known_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);

        known_ns = gt_add_ns(known_ns, member->lifetime_ns - member->unknown_ns);
    }
    return known_ns;
}

bool gt_gil_is_mostly_unknown(const struct gt_gil *gil)
{
    enum { MOSTLY_PERCENT = 50 };

    return gil->unknown_ns > 0 && gil->unknown_ns >= gt_gil_life_ns(gil) / 100 * MOSTLY_PERCENT;
}

bool gt_gil_hardly_waited(const struct gt_gil *gil)
{
    enum { LITTLE_NS = 10000000, SHARE = 1000 };
    int64_t wait_ns = gt_gil_wait_ns(gil);

    return wait_ns < LITTLE_NS && wait_ns < gt_gil_lives_ns(gil) / SHARE;
}

bool gt_gil_lacks_returns(const struct gt_gil *gil)
{
    return gil->takes && gil->defects.returns_missing >= gil->takes - gil->takes / 2;
}

enum gt_wait_level gt_wait_level(double percent)
{
    enum { MUCH_PERCENT = 20, SOME_PERCENT = 1 };

    if (percent >= MUCH_PERCENT)
        return GT_WAIT_MUCH;
    return percent < SOME_PERCENT ? GT_WAIT_LITTLE : GT_WAIT_SOME;
}
