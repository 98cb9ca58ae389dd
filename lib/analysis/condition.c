/* SPDX-License-Identifier: MIT */
#include "analysis/condition.h"

#include "analysis/bounds.h"
#include "analysis/coverage.h"
#include "base/buf.h"
#include "base/nstime.h"

#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- parsing --- */

struct parser {
    const char *text, *at;
    struct gt_error *err;
};

/* gt_error_set makes one line of its text, and these are three. */
static int fail(const struct parser *parser, const char *want)
{
    enum { SHOWN_MAX = 400 };
    int rc = gt_error_set(parser->err, GT_ERR_USAGE, "--fail-if: %s is expected here", want);
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

static int take_field(struct parser *parser, struct gt_condition *condition)
{
    static const char *const names[] = {
        [GT_FIELD_WAIT] = "wait",
        [GT_FIELD_HOLD] = "hold",
        [GT_FIELD_LONGEST_WAIT] = "longest_wait",
        [GT_FIELD_LONGEST_HOLD] = "longest_hold",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (take(parser, names[i])) {
            condition->field = (enum gt_condition_field)i;
            return 0;
        }
    return fail(parser,
                condition->what == GT_WHAT_THREAD
                    ? "wait, hold, longest_wait or longest_hold"
                    : "wait, hold, longest_wait, longest_hold, thread(\"NAME\").wait or "
                      "blocker(\"NAME\")");
}

static int take_what(struct parser *parser, struct gt_condition *condition)
{
    int rc;

    if (take(parser, "blocker")) {
        condition->what = GT_WHAT_BLOCKER;
        return take_glob(parser, condition);
    }
    if (!take(parser, "thread"))
        return take_field(parser, condition);
    condition->what = GT_WHAT_THREAD;
    rc = take_glob(parser, condition);
    if (rc == 0 && !take(parser, "."))
        rc = fail(parser, ".wait, .hold, .longest_wait or .longest_hold");
    return rc < 0 ? rc : take_field(parser, condition);
}

static int take_limit(struct parser *parser, struct gt_condition *condition)
{
    static const struct {
        const char *name;
        double scale;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    bool is_share = condition->field == GT_FIELD_WAIT || condition->field == GT_FIELD_HOLD;
    char *end;

    skip_space(parser);
    if (!isdigit((unsigned char)*parser->at))
        return fail(parser, "a number");
    condition->limit = strtod(parser->at, &end);
    parser->at = end;
    if (is_share && take(parser, "%")) {
        condition->percent = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (take(parser, units[i].name)) {
            condition->limit *= units[i].scale;
            return 0;
        }
    return fail(parser, is_share ? "a unit (%, ns, us, ms or s)" : "a unit (ns, us, ms or s)");
}

int gt_condition_parse(struct gt_condition *condition, const char *text, struct gt_error *err)
{
    struct parser parser = {text, text, err};
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
        rc = fail(&parser, "the end (give --fail-if again for a further condition)");
    return rc;
}

/* --- judging --- */

static struct gt_condition_range range_of(const struct gt_condition *condition,
                                          const struct gt_bounded_times *times)
{
    const struct gt_bounds *bounds = condition->field == GT_FIELD_WAIT   ? &times->wait
                                     : condition->field == GT_FIELD_HOLD ? &times->hold
                                     : condition->field == GT_FIELD_LONGEST_WAIT
                                         ? &times->longest_wait
                                         : &times->longest_hold;
    int64_t known_ns = times->lifetime_ns - times->unknown_ns;
    double high_ns = (double)gt_add_ns(bounds->ns, bounds->more_ns);
    double all_ns = times->lifetime_ns > 0 ? (double)times->lifetime_ns : 1;

    if (!condition->percent)
        return (struct gt_condition_range){(double)bounds->ns, high_ns, (double)bounds->ns};
    return (struct gt_condition_range){
        100.0 * (double)bounds->ns / all_ns, 100.0 * high_ns / all_ns,
        100.0 * (double)bounds->ns / (known_ns > 0 ? (double)known_ns : 1)};
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
static void weigh(const struct gt_condition *condition, uint32_t thread,
                  const struct gt_condition_range *range, struct gt_checked *worst)
{
    const struct gt_checked own = {
        .result = check(condition, range), .range = *range, .thread = thread};

    if (worst->thread == UINT32_MAX || is_nearer(condition, &own, worst))
        *worst = own;
}

static int check_threads(const struct gt_condition *condition,
                         const struct gt_timeline *timeline,
                         const struct gt_condition_names *names, struct gt_checked *worst)
{
    if (gt_may_lack_threads(timeline))
        worst->result = GT_UNJUDGED;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++) {
            const struct gt_gil_thread *member = gt_gil_thread_at(gil, m);
            struct gt_bounded_times times = {0};
            struct gt_condition_range range;
            int matches = names->thread(names->context, member->thread);

            if (matches < 0)
                return GT_ERR_MEMORY;
            if (!matches)
                continue;
            gt_bounds_add_thread(&times, timeline, gil, member);
            range = range_of(condition, &times);
            weigh(condition, member->thread, &range, worst);
        }
    }
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
                       const struct gt_blockers *blockers,
                       const struct gt_condition_names *names, struct gt_checked *checked)
{
    const struct gt_timeline *timeline = recorded->timeline;
    struct gt_bounded_times times;
    int rc = 0;

    *checked = (struct gt_checked){.thread = UINT32_MAX};
    if (recorded->blind) {
        checked->result = GT_UNJUDGED;
        checked->blind = true;
        return 0;
    }
    if (condition->what == GT_WHAT_THREAD)
        return check_threads(condition, timeline, names, checked);
    if (condition->what == GT_WHAT_BLOCKER)
        rc = times_of_blockers(timeline, blockers, names, &times);
    else
        times = times_of_all(timeline);
    if (rc < 0)
        return rc;
    checked->range = range_of(condition, &times);
    checked->result = check(condition, &checked->range);
    return 0;
}
