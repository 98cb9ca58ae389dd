/* SPDX-License-Identifier: MIT */
#include "report/condition.h"

#include "analysis/bounds.h"
#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/labels.h"

#include <bsd/string.h>
#include <ctype.h>
#include <fnmatch.h>
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

/* A figure lies between these. Of what is known, it is `value`. */
struct range {
    double low, high, value;
};

static struct range range_of(const struct gt_condition *condition,
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
        return (struct range){(double)bounds->ns, high_ns, (double)bounds->ns};
    return (struct range){100.0 * (double)bounds->ns / all_ns, 100.0 * high_ns / all_ns,
                          100.0 * (double)bounds->ns / (known_ns > 0 ? (double)known_ns : 1)};
}

static struct range range_of_all(const struct gt_condition *condition,
                                 const struct gt_report *report)
{
    struct gt_bounded_times times = {0};

    for (uint32_t i = 0; i < report->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(report->timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            gt_bounds_add_thread(&times, report->timeline, gil, gt_gil_thread_at(gil, m));
    }
    gt_bounds_add_unseen(&times, report->timeline);
    return range_of(condition, &times);
}

static bool is_beyond(const struct gt_condition *condition, double value)
{
    return (condition->below ? value < condition->limit : value > condition->limit) ||
           (condition->or_equal && value == condition->limit);
}

static enum gt_check_result judge(const struct gt_condition *condition,
                                  const struct range *range)
{
    bool low = is_beyond(condition, range->low), high = is_beyond(condition, range->high);

    return low && high ? GT_BREACHED : low || high ? GT_UNJUDGED : GT_PASSED;
}

/* A thread that matches: it counts if it is nearer to a breach than those before. 0 or -1. */
static int weigh(const struct gt_condition *condition, const struct range *range,
                 const struct gt_buf *name, struct range *worst,
                 enum gt_check_result *judgement, struct gt_buf *label)
{
    enum gt_check_result own = judge(condition, range);
    bool first = label->length == 0;

    /* Breached, then not known, then passed; of the same, the greatest or least. */
    if (!first && (own == *judgement ? condition->below ? range->value >= worst->value
                                                        : range->value <= worst->value
                                     : *judgement == GT_BREACHED || own == GT_PASSED))
        return 0;
    *worst = *range;
    *judgement = own;
    gt_buf_reset(label);
    return gt_buf_add(label, name->data, name->length);
}

/* Of the threads that match, the one nearest to a breach. 0 or -1. */
static int judge_threads(const struct gt_condition *condition, const struct gt_report *report,
                         struct range *worst, enum gt_check_result *judgement,
                         struct gt_buf *label)
{
    struct gt_buf name;
    int rc = 0;

    *judgement = gt_may_lack_threads(report->timeline) ? GT_UNJUDGED : GT_PASSED;
    gt_buf_init(&name);
    for (uint32_t i = 0; rc == 0 && i < report->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(report->timeline, i);

        for (uint32_t m = 0; rc == 0 && m < gil->members.count; m++) {
            struct gt_bounded_times times = {0};
            struct range range;

            gt_buf_reset(&name);
            rc = gt_report_label(report, gt_gil_thread_at(gil, m)->thread, &name);
            if (rc || !name.length || fnmatch(condition->glob, name.data, 0))
                continue;
            gt_bounds_add_thread(&times, report->timeline, gil, gt_gil_thread_at(gil, m));
            range = range_of(condition, &times);
            rc = weigh(condition, &range, &name, worst, judgement, label);
        }
    }
    gt_buf_release(&name);
    return rc;
}

/* Does the glob match the path "a/b/c.py" as a module, before ".name"? From right to left. */
static bool matches_module(const char *glob, const struct gt_blocker_text *text)
{
    const char *file = text->file.length ? text->file.data : "";
    size_t length = strlen(file);
    char dotted[1024];

    if (length > 3 && strcmp(file + length - 3, ".py") == 0)
        length -= 3;
    if (snprintf(dotted, sizeof(dotted), "%.*s.%s", (int)(length < 512 ? length : 512), file,
                 text->name.data) >= (int)sizeof(dotted))
        return false;
    for (char *at = dotted; at < dotted + length; at++)
        if (*at == '/')
            *at = '.';
    for (const char *at = dotted; at; at = strchr(at, '.')) {
        at += *at == '.';
        if (fnmatch(glob, at, 0) == 0)
            return true;
    }
    return false;
}

/* Is it what the glob names: "name", or "module.name"? */
static bool matches(const struct gt_blocker_text *text, const char *glob)
{
    if (text->name.length && fnmatch(glob, text->name.data, 0) == 0)
        return true;
    return strcmp(text->kind, "python") == 0 && matches_module(glob, text);
}

/* What all waited for functions that match. Where nobody knows which function had the GIL, it
 * may have been one. 0 or -1. */
static int add_blockers(const struct gt_condition *condition, const struct gt_report *report,
                        uint32_t index, struct gt_bounded_times *times)
{
    const struct gt_blockers *blockers = &report->analysis->blockers[index];
    bool lost_calls = gt_may_lack_calls(report->timeline);

    for (size_t r = 0; r < blockers->rows.count; r++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, r);
        struct gt_blocker_text text;

        if (row->waiting_ns == 0)
            break; /* they are ranked */
        if (gt_blocker_text_init(&text, report, row))
            return -1;
        if (matches(&text, condition->glob))
            gt_bounds_add(&times->wait, row->waiting_ns, 0);
        else if (lost_calls && row->doing.kind == GT_DOING_UNKNOWN)
            gt_bounds_add(&times->wait, 0, row->waiting_ns);
        gt_blocker_text_release(&text);
    }
    return 0;
}

static int range_of_blockers(const struct gt_condition *condition,
                             const struct gt_report *report, struct range *range)
{
    struct gt_bounded_times times = {0}, all = {0};

    for (uint32_t i = 0; i < report->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(report->timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            gt_bounds_add_thread(&all, report->timeline, gil, gt_gil_thread_at(gil, m));
        if (add_blockers(condition, report, i, &times))
            return -1;
    }
    gt_bounds_add_unseen(&all, report->timeline);
    times.wait.more_ns = gt_add_ns(times.wait.more_ns, all.unknown_ns);
    times.lifetime_ns = all.lifetime_ns;
    times.unknown_ns = all.unknown_ns;
    *range = range_of(condition, &times);
    return 0;
}

static int put_value(const struct gt_condition *condition, double value, struct gt_buf *text)
{
    char duration[32];

    return condition->percent
               ? gt_buf_addf(text, "%.1f%%", value)
               : gt_buf_addf(text, "%s",
                             gt_duration_text(gt_ns_of(value), duration, sizeof(duration)));
}

static int say(const struct gt_condition *condition, const char *source,
               enum gt_check_result judgement, const struct range *range,
               const struct gt_buf *label, struct gt_buf *text)
{
    if (gt_buf_adds(text, judgement == GT_BREACHED ? "breached: " : "cannot be judged: ") ||
        gt_buf_add_visible(text, source, strlen(source)))
        return -1;
    if (judgement == GT_BREACHED)
        return gt_buf_adds(text, ": it is ") || put_value(condition, range->value, text) ||
               (label->length && gt_buf_addf(text, " of %s", label->data));
    if (condition->what == GT_WHAT_THREAD && !label->length)
        return gt_buf_adds(text, ": no such thread was seen, and part of the run was not "
                                 "recorded");
    return gt_buf_adds(text, ": it is between ") || put_value(condition, range->low, text) ||
           gt_buf_adds(text, " and ") || put_value(condition, range->high, text) ||
           (label->length && gt_buf_addf(text, " of %s", label->data)) ||
           gt_buf_adds(text, ", since not all of the run is known");
}

int gt_condition_judge(const struct gt_condition *condition, const char *source,
                       const struct gt_report *report, struct gt_buf *text)
{
    enum gt_check_result judgement;
    struct range range = {0};
    struct gt_buf label;
    int rc = 0;

    gt_buf_init(&label);
    if (condition->what == GT_WHAT_THREAD) {
        rc = judge_threads(condition, report, &range, &judgement, &label);
    } else {
        if (condition->what == GT_WHAT_BLOCKER)
            rc = range_of_blockers(condition, report, &range);
        else
            range = range_of_all(condition, report);
        judgement = judge(condition, &range);
    }
    if (rc == 0 && report->recorded->blind) {
        judgement = GT_UNJUDGED;
        rc = gt_buf_adds(text, "cannot be judged, since nothing was recorded: ") ||
             gt_buf_add_visible(text, source, strlen(source));
    } else if (rc == 0 && judgement != GT_PASSED) {
        rc = say(condition, source, judgement, &range, &label, text);
    }
    gt_buf_release(&label);
    return rc ? GT_ERR_MEMORY : (int)judgement;
}
