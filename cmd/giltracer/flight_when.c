/* SPDX-License-Identifier: MIT */
#include "flight_when.h"

#include "base/nstime.h"

enum {
    LEAST_MS = 1000, /* between two looks */
    REST = 3,        /* times as long as a look took nothing is looked at */
};

void gt_flight_when_init(struct gt_flight_when *when, const struct gt_checks *checks,
                         int64_t keep_ns)
{
    const int64_t least_ns = (int64_t)LEAST_MS * GT_NS_PER_MS;

    *when = (struct gt_flight_when){
        .checks = checks,
        .keep_ns = keep_ns,
        .every_ns = keep_ns / 2 > least_ns ? keep_ns / 2 : least_ns,
    };
}

void gt_flight_when_begin(struct gt_flight_when *when, int64_t now_ns)
{
    if (when->checks->asked.when && when->checks->asked.when[0])
        when->next_ns = now_ns + when->every_ns;
}

bool gt_flight_when_is_due(const struct gt_flight_when *when, int64_t now_ns)
{
    return when->next_ns && now_ns >= when->next_ns;
}

/* Did it become true, or is nothing of the last report's time kept any more? */
static bool is_news(const struct gt_flight_when *when, int64_t until_ns)
{
    return !when->held || until_ns - when->reported_ns >= when->keep_ns;
}

/* Is that the result of a condition? `text` is what is said of the first one. 1, 0 or negative.
 */
static int finds(const struct gt_checks *checks, const struct gt_report *report,
                 enum gt_check_result result, struct gt_buf *text)
{
    for (size_t i = 0; checks->asked.when[i]; i++) {
        int rc;

        gt_buf_reset(text);
        rc = gt_report_check(report, &checks->when[i], checks->asked.when[i], text);
        if (rc < 0 || rc == (int)result)
            return rc < 0 ? rc : 1;
    }
    return 0;
}

int gt_flight_when_judge(const struct gt_flight_when *when, const struct gt_report *report,
                         int64_t until_ns, struct gt_buf *why, struct gt_error *err)
{
    int rc = finds(when->checks, report, GT_BREACHED, why);

    if (rc > 0)
        return is_news(when, until_ns) ? GT_FLIGHT_WROTE : GT_FLIGHT_HOLDS;
    if (rc == 0)
        rc = finds(when->checks, report, GT_UNJUDGED, why);
    if (rc < 0)
        return gt_error_memory(err);
    return rc ? GT_FLIGHT_UNJUDGED : GT_FLIGHT_PASSED;
}

void gt_flight_when_take(struct gt_flight_when *when, enum gt_flight_outcome outcome,
                         int64_t until_ns, int64_t now_ns)
{
    int64_t rested_ns = now_ns + REST * (now_ns - until_ns);

    when->next_ns = until_ns + when->every_ns;
    if (when->next_ns < rested_ns)
        when->next_ns = rested_ns;
    when->failed = outcome == GT_FLIGHT_FAILED;
    when->told |= outcome == GT_FLIGHT_UNJUDGED;
    if (outcome == GT_FLIGHT_WROTE)
        when->reported_ns = until_ns;
    if (outcome != GT_FLIGHT_FAILED)
        when->held = outcome == GT_FLIGHT_WROTE || outcome == GT_FLIGHT_HOLDS;
}
