/* SPDX-License-Identifier: MIT */
#include "analysis/condition.h"

#include "analysis/bounds.h"
#include "analysis/coverage.h"
#include "analysis/worst_range.h"
#include "base/buf.h"
#include "base/nstime.h"

#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- parsing --- */

struct parser {
    const char *option, *text, *at;
    struct gt_error *err;
};

/* gt_error_set makes one line of its text, and these are three. */
static int fail(const struct parser *parser, const char *want)
{
    enum { SHOWN_MAX = 400 };
    int rc = gt_error_set(parser->err, GT_ERR_USAGE, "%s: %s is expected here", parser->option,
                          want);
    size_t spot = (size_t)(parser->at - parser->text);
    char shown[SHOWN_MAX + 1];
    size_t length;

    if (!parser->err)
        return rc;
    strlcpy(shown, parser->text, sizeof(shown));
    gt_text_make_visible(shown);
    length = strlen(parser->err->message);
    snprintf(parser->err->message + length, sizeof(parser->err->message) - length,
             "\n    %s\n    %*s^", shown, (int)(spot < SHOWN_MAX ? spot : SHOWN_MAX), "");
    return rc;
}

static void skip_space(struct parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t')
        parser->at++;
}

static bool take(struct parser *parser, const char *word)
{
    size_t length = strlen(word);

    skip_space(parser);
    if (strncmp(parser->at, word, length) != 0)
        return false;
    /* "wait" is not the beginning of "waiter". */
    if (isalpha((unsigned char)word[0]) &&
        (isalnum((unsigned char)parser->at[length]) || parser->at[length] == '_'))
        return false;
    parser->at += length;
    return true;
}

static int take_glob(struct parser *parser, struct gt_condition *condition)
{
    size_t length = 0;
    char quote;

    if (!take(parser, "("))
        return fail(parser, "(\"NAME\")");
    skip_space(parser);
    quote = *parser->at;
    if (quote != '"' && quote != '\'')
        return fail(parser, "a name in quotes");
    parser->at++;
    while (*parser->at && *parser->at != quote && length < sizeof(condition->glob) - 1)
        condition->glob[length++] = *parser->at++;
    condition->glob[length] = '\0';
    if (*parser->at != quote)
        return fail(parser, "the closing quote");
    parser->at++;
    return take(parser, ")") ? 0 : fail(parser, ")");
}

static const struct {
    const char *name;
    double scale;
} units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}};

/* A number without its unit. */
static int take_number(struct parser *parser, double *number)
{
    char *end;

    skip_space(parser);
    if (!isdigit((unsigned char)*parser->at))
        return fail(parser, "a number");
    *number = strtod(parser->at, &end);
    parser->at = end;
    return 0;
}

static bool take_unit(struct parser *parser, double *number)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (take(parser, units[i].name)) {
            *number *= units[i].scale;
            return true;
        }
    return false;
}

/* "(2s).wait", after "worst". */
static int take_worst(struct parser *parser, struct gt_condition *condition)
{
    const char *at;
    double length;
    int rc;

    if (!take(parser, "("))
        return fail(parser, "(TIME)");
    skip_space(parser);
    at = parser->at;
    rc = take_number(parser, &length);
    if (rc < 0)
        return rc;
    if (length <= 0) {
        parser->at = at;
        return fail(parser, "a time above 0");
    }
    if (!take_unit(parser, &length))
        return fail(parser, "a unit (ns, us, ms or s)");
    condition->worst_ns = length < 1 ? 1 : gt_ns_of(length);
    if (!take(parser, ")"))
        return fail(parser, ")");
    if (!take(parser, "."))
        return fail(parser, ".wait or .hold");
    condition->field = GT_FIELD_WAIT;
    if (take(parser, "wait"))
        return 0;
    condition->field = GT_FIELD_HOLD;
    return take(parser, "hold") ? 0 : fail(parser, "wait or hold");
}

static int take_field(struct parser *parser, struct gt_condition *condition)
{
    static const char *const names[] = {
        [GT_FIELD_WAIT] = "wait",
        [GT_FIELD_HOLD] = "hold",
        [GT_FIELD_LONGEST_WAIT] = "longest_wait",
        [GT_FIELD_LONGEST_HOLD] = "longest_hold",
        [GT_FIELD_LOCK_WAIT] = "lock_wait",
        [GT_FIELD_STOPPED] = "stopped",
    };

    if (take(parser, "worst"))
        return take_worst(parser, condition);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (take(parser, names[i])) {
            condition->field = (enum gt_condition_field)i;
            return 0;
        }
    return fail(parser, condition->what == GT_WHAT_THREAD
                            ? "wait, hold, longest_wait, longest_hold, lock_wait, stopped or "
                              "worst(TIME).wait"
                            : "wait, hold, longest_wait, longest_hold, lock_wait, stopped, "
                              "worst(TIME).wait, thread(\"NAME\").wait, blocker(\"NAME\") or "
                              "lock(\"NAME\")");
}

static int take_what(struct parser *parser, struct gt_condition *condition)
{
    int rc;

    if (take(parser, "blocker")) {
        condition->what = GT_WHAT_BLOCKER;
        return take_glob(parser, condition);
    }
    if (take(parser, "lock")) {
        condition->what = GT_WHAT_LOCK;
        return take_glob(parser, condition);
    }
    if (!take(parser, "thread"))
        return take_field(parser, condition);
    condition->what = GT_WHAT_THREAD;
    rc = take_glob(parser, condition);
    if (rc == 0 && !take(parser, "."))
        rc = fail(parser, ".wait, .hold, .longest_wait, .longest_hold, .lock_wait, .stopped or "
                          ".worst(TIME).wait");
    return rc < 0 ? rc : take_field(parser, condition);
}

static int take_limit(struct parser *parser, struct gt_condition *condition)
{
    bool is_share = condition->field == GT_FIELD_WAIT || condition->field == GT_FIELD_HOLD ||
                    condition->field == GT_FIELD_LOCK_WAIT ||
                    condition->field == GT_FIELD_STOPPED;
    int rc = take_number(parser, &condition->limit);

    if (rc < 0)
        return rc;
    if (is_share && take(parser, "%")) {
        condition->percent = true;
        return 0;
    }
    if (take_unit(parser, &condition->limit))
        return 0;
    return fail(parser, is_share ? "a unit (%, ns, us, ms or s)" : "a unit (ns, us, ms or s)");
}

int gt_condition_parse(struct gt_condition *condition, const char *option, const char *text,
                       struct gt_error *err)
{
    struct parser parser = {option, text, text, err};
    int rc;

    *condition = (struct gt_condition){0};
    rc = take_what(&parser, condition);
    if (rc < 0)
        return rc;
    if (take(&parser, "<"))
        condition->below = true;
    else if (!take(&parser, ">"))
        return fail(&parser, ">, >=, < or <=");
    if (*parser.at == '=') {
        condition->or_equal = true;
        parser.at++;
    }
    rc = take_limit(&parser, condition);
    skip_space(&parser);
    if (rc == 0 && *parser.at)
        rc = fail(&parser, "the end (give the option again for a further condition)");
    return rc;
}

/* --- judging --- */

static struct gt_condition_range range_of(const struct gt_condition *condition,
                                          const struct gt_bounded_times *times)
{
    const struct gt_bounds *const fields[] = {
        [GT_FIELD_WAIT] = &times->wait,
        [GT_FIELD_HOLD] = &times->hold,
        [GT_FIELD_LONGEST_WAIT] = &times->longest_wait,
        [GT_FIELD_LONGEST_HOLD] = &times->longest_hold,
        [GT_FIELD_LOCK_WAIT] = &times->lock_wait,
        [GT_FIELD_STOPPED] = &times->stopped,
    };
    const struct gt_bounds *bounds = fields[condition->field];
    int64_t known_ns = times->lifetime_ns - times->unknown_ns;
    double high_ns = (double)gt_add_ns(bounds->ns, bounds->more_ns);
    double all_ns = times->lifetime_ns > 0 ? (double)times->lifetime_ns : 1;

    if (!condition->percent)
        return (struct gt_condition_range){(double)bounds->ns, high_ns, (double)bounds->ns};
    return (struct gt_condition_range){
        100.0 * (double)bounds->ns / all_ns, 100.0 * high_ns / all_ns,
        100.0 * (double)bounds->ns / (known_ns > 0 ? (double)known_ns : 1)};
}

static struct gt_condition_range worst_range(const struct gt_condition *condition,
                                             const struct gt_worst_range *range)
{
    if (condition->percent)
        return (struct gt_condition_range){range->low, range->high, range->percent};
    return (struct gt_condition_range){(double)range->ns, (double)range->most_ns,
                                       (double)range->ns};
}

/* What all threads did, the unseen ones included. */
static struct gt_bounded_times times_of_all(const struct gt_timeline *timeline)
{
    struct gt_bounded_times times = {0};

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            gt_bounds_add_thread(&times, timeline, gil, gt_gil_thread_at(gil, m));
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++)
        if (gt_bounds_is_without_gil(timeline, i))
            gt_bounds_add_without_gil(&times, timeline, i);
    gt_bounds_add_unseen(&times, timeline);
    return times;
}

static bool is_beyond(const struct gt_condition *condition, double value)
{
    return (condition->below ? value < condition->limit : value > condition->limit) ||
           (condition->or_equal && value == condition->limit);
}

static enum gt_check_result check(const struct gt_condition *condition,
                                  const struct gt_condition_range *range)
{
    bool low = is_beyond(condition, range->low), high = is_beyond(condition, range->high);

    return low && high ? GT_BREACHED : low || high ? GT_UNJUDGED : GT_PASSED;
}

/* Breached, then not known, then passed; of the same, the greatest or least. */
static bool is_nearer(const struct gt_condition *condition, const struct gt_checked *one,
                      const struct gt_checked *other)
{
    if (one->result != other->result)
        return other->result != GT_BREACHED && one->result != GT_PASSED;
    return condition->below ? one->range.value < other->range.value
                            : one->range.value > other->range.value;
}

/* A thread that matches: it counts if it is nearer to a breach than those before. */
static void weigh(const struct gt_condition *condition, uint32_t thread, int64_t start_ns,
                  const struct gt_condition_range *range, struct gt_checked *worst)
{
    const struct gt_checked own = {.result = check(condition, range),
                                   .range = *range,
                                   .thread = thread,
                                   .start_ns = start_ns};

    if (worst->thread == UINT32_MAX || is_nearer(condition, &own, worst))
        *worst = own;
}

static int check_threads_without_gil(const struct gt_condition *condition,
                                     const struct gt_timeline *timeline,
                                     const struct gt_condition_names *names,
                                     struct gt_checked *worst)
{
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        struct gt_bounded_times times = {0};
        struct gt_condition_range range;
        int matches;

        if (!gt_bounds_is_without_gil(timeline, i))
            continue;
        matches = names->thread(names->context, i);
        if (matches < 0)
            return GT_ERR_MEMORY;
        if (!matches)
            continue;
        gt_bounds_add_without_gil(&times, timeline, i);
        range = range_of(condition, &times);
        weigh(condition, i, -1, &range, worst);
    }
    return 0;
}

/* What a member of a GIL did; and when, in the worst window. 0 or -1. */
static int member_range(const struct gt_condition *condition,
                        const struct gt_timeline *timeline, const struct gt_covers_index *index,
                        uint32_t member, struct gt_condition_range *range, int64_t *start_ns)
{
    struct gt_bounded_times times = {0};
    struct gt_worst_range worst;

    *start_ns = -1;
    if (!condition->worst_ns) {
        gt_bounds_add_thread(&times, timeline, index->members.gil,
                             gt_gil_thread_at(index->members.gil, member));
        *range = range_of(condition, &times);
        return 0;
    }
    if (gt_worst_range_of_member(&worst, timeline, index, member, condition->worst_ns,
                                 condition->field == GT_FIELD_HOLD))
        return -1;
    *start_ns = worst.start_ns;
    *range = worst_range(condition, &worst);
    return 0;
}

/* Those of one GIL. 0 or negative. */
static int check_members(const struct gt_condition *condition,
                         const struct gt_timeline *timeline,
                         const struct gt_covers_index *index,
                         const struct gt_condition_names *names, struct gt_checked *worst)
{
    const struct gt_gil *gil = index->members.gil;

    for (uint32_t m = 0; m < gil->members.count; m++) {
        uint32_t thread = gt_gil_thread_at(gil, m)->thread;
        int matches = names->thread(names->context, thread);
        struct gt_condition_range range;
        int64_t start_ns;

        if (matches < 0)
            return GT_ERR_MEMORY;
        if (!matches)
            continue;
        if (member_range(condition, timeline, index, m, &range, &start_ns))
            return GT_ERR_MEMORY;
        weigh(condition, thread, start_ns, &range, worst);
    }
    return 0;
}

static int check_threads(const struct gt_condition *condition,
                         const struct gt_timeline *timeline,
                         const struct gt_condition_names *names, struct gt_checked *worst)
{
    int rc = 0;

    if (gt_may_lack_threads(timeline))
        worst->result = GT_UNJUDGED;
    for (uint32_t i = 0; rc == 0 && i < timeline->gils.count; i++) {
        struct gt_covers_index index = {.members.gil = gt_gil_at(timeline, i)};

        if (condition->worst_ns && gt_covers_index_init(&index, gt_gil_at(timeline, i)))
            rc = GT_ERR_MEMORY;
        if (rc == 0)
            rc = check_members(condition, timeline, &index, names, worst);
        gt_covers_index_release(&index);
    }
    if (rc < 0)
        return rc;
    return check_threads_without_gil(condition, timeline, names, worst);
}

static int check_worst_of_all(const struct gt_condition *condition,
                              const struct gt_timeline *timeline, struct gt_checked *checked)
{
    struct gt_worst_range worst;

    if (gt_worst_range_of_all(&worst, timeline, condition->worst_ns,
                              condition->field == GT_FIELD_HOLD))
        return GT_ERR_MEMORY;
    checked->start_ns = worst.start_ns;
    checked->range = worst_range(condition, &worst);
    checked->result = check(condition, &checked->range);
    return 0;
}

/* What all waited for functions that match. Where nobody knows which function had the GIL, it
 * may have been one. 0 or negative. */
static int add_blockers(struct gt_bounds *wait, const struct gt_blockers *blockers,
                        bool lost_calls, const struct gt_condition_names *names)
{
    for (size_t r = 0; r < blockers->rows.count; r++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, r);
        int matches;

        if (row->waiting_ns == 0)
            break; /* they are ranked */
        matches = names->blocker(names->context, row);
        if (matches < 0)
            return GT_ERR_MEMORY;
        if (matches)
            gt_bounds_add(wait, row->waiting_ns, 0);
        else if (lost_calls && row->doing.kind == GT_DOING_UNKNOWN)
            gt_bounds_add(wait, 0, row->waiting_ns);
    }
    return 0;
}

/* Waits for locks are recorded by probes, or by the agent, which always records usage, too;
 * stops by the agent alone. */
static bool is_about_locks(const struct gt_condition *condition)
{
    return condition->what == GT_WHAT_LOCK || condition->field == GT_FIELD_LOCK_WAIT ||
           condition->field == GT_FIELD_STOPPED;
}

static bool sees_locks(const struct gt_timeline *timeline, const struct gt_condition *condition)
{
    if (condition->field == GT_FIELD_STOPPED)
        return timeline->usages.count > 0 || timeline->stops.count > 0;
    return timeline->usages.count > 0 || timeline->locks.count > 0 || timeline->probed_locks;
}

/* What was waited for those locks, of the lives of all threads. 0 or negative. */
static int times_of_locks(const struct gt_timeline *timeline,
                          const struct gt_locks_found *locks,
                          const struct gt_condition_names *names,
                          struct gt_bounded_times *times)
{
    struct gt_bounded_times all = times_of_all(timeline);

    *times =
        (struct gt_bounded_times){.lifetime_ns = all.lifetime_ns, .unknown_ns = all.unknown_ns};
    for (size_t i = 0; i < locks->rows.count; i++) {
        const struct gt_lock_row *row = gt_lock_row_at(locks, i);
        int matches = names->lock(names->context, row);

        if (matches < 0)
            return GT_ERR_MEMORY;
        if (matches)
            gt_bounds_add(&times->wait, row->wait_ns, 0);
        else if (row->function == GT_NO_INDEX)
            gt_bounds_add(&times->wait, 0, row->wait_ns); /* it may be one */
    }
    times->wait.more_ns = gt_add_ns(times->wait.more_ns, all.unknown_ns);
    return 0;
}

/* What was waited for those functions, of the lives of all threads. 0 or negative. */
static int times_of_blockers(const struct gt_timeline *timeline,
                             const struct gt_blockers *blockers,
                             const struct gt_condition_names *names,
                             struct gt_bounded_times *times)
{
    struct gt_bounded_times all = times_of_all(timeline);
    bool lost_calls = gt_may_lack_calls(timeline);
    int rc = 0;

    *times =
        (struct gt_bounded_times){.lifetime_ns = all.lifetime_ns, .unknown_ns = all.unknown_ns};
    for (uint32_t i = 0; rc == 0 && i < timeline->gils.count; i++)
        rc = add_blockers(&times->wait, &blockers[i], lost_calls, names);
    times->wait.more_ns = gt_add_ns(times->wait.more_ns, all.unknown_ns);
    return rc;
}

int gt_condition_check(const struct gt_condition *condition, const struct gt_recorded *recorded,
                       const struct gt_blockers *blockers, const struct gt_locks_found *locks,
                       const struct gt_condition_names *names, struct gt_checked *checked)
{
    const struct gt_timeline *timeline = recorded->timeline;
    struct gt_bounded_times times;
    int rc = 0;

    *checked = (struct gt_checked){.thread = UINT32_MAX, .start_ns = -1};
    if (recorded->blind) {
        checked->result = GT_UNJUDGED;
        checked->blind = true;
        return 0;
    }
    if (is_about_locks(condition) && !sees_locks(timeline, condition)) {
        checked->result = GT_UNJUDGED;
        checked->no_locks = true;
        return 0;
    }
    if (condition->what == GT_WHAT_THREAD)
        return check_threads(condition, timeline, names, checked);
    if (condition->worst_ns)
        return check_worst_of_all(condition, timeline, checked);
    if (condition->what == GT_WHAT_BLOCKER)
        rc = times_of_blockers(timeline, blockers, names, &times);
    else if (condition->what == GT_WHAT_LOCK)
        rc = times_of_locks(timeline, locks, names, &times);
    else
        times = times_of_all(timeline);
    if (rc < 0)
        return rc;
    checked->range = range_of(condition, &times);
    checked->result = check(condition, &checked->range);
    return 0;
}
