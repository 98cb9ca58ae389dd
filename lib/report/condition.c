#include "report/condition.h"

#include "base/nstime.h"
#include "report/internal.h"

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
    static const char *const names[] = {"wait", "hold", "longest_wait", "longest_hold"};

    for (int i = GT_FIELD_WAIT; i <= GT_FIELD_LONGEST_HOLD; i++)
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
    char *end;

    skip_space(parser);
    if (!isdigit((unsigned char)*parser->at))
        return fail(parser, "a number");
    condition->limit = strtod(parser->at, &end);
    parser->at = end;
    if (condition->field < GT_FIELD_LONGEST_WAIT && take(parser, "%")) {
        condition->percent = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (take(parser, units[i].name)) {
            condition->limit *= units[i].scale;
            return 0;
        }
    return fail(parser, condition->field < GT_FIELD_LONGEST_WAIT ? "a unit (%, ns, us, ms or s)"
                                                                 : "a unit (ns, us, ms or s)");
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

struct sums {
    int64_t wait_ns, hold_ns, longest_wait_ns, longest_hold_ns, lifetime_ns;
};

static void add_member(struct sums *sums, const struct gt_member *member)
{
    sums->wait_ns = gt_add_ns(sums->wait_ns, member->wait_ns);
    sums->hold_ns = gt_add_ns(sums->hold_ns, member->hold_ns);
    sums->lifetime_ns = gt_add_ns(sums->lifetime_ns, member->lifetime_ns);
    if (member->longest_wait_ns > sums->longest_wait_ns)
        sums->longest_wait_ns = member->longest_wait_ns;
    if (member->longest_hold_ns > sums->longest_hold_ns)
        sums->longest_hold_ns = member->longest_hold_ns;
}

static double value_of(const struct gt_condition *condition, const struct sums *sums)
{
    int64_t ns = condition->field == GT_FIELD_WAIT           ? sums->wait_ns
                 : condition->field == GT_FIELD_HOLD         ? sums->hold_ns
                 : condition->field == GT_FIELD_LONGEST_WAIT ? sums->longest_wait_ns
                                                             : sums->longest_hold_ns;

    if (!condition->percent)
        return (double)ns;
    return sums->lifetime_ns > 0 ? 100.0 * (double)ns / (double)sums->lifetime_ns : 0.0;
}

static double value_of_all(const struct gt_condition *condition, const struct gt_report *report)
{
    struct sums sums = {0};

    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        for (uint32_t m = 0; m < gt_gil_at(report->timeline, i)->members.count; m++)
            add_member(&sums, gt_member_at(gt_gil_at(report->timeline, i), m));
    return value_of(condition, &sums);
}

/* Of the threads that match, the one nearest to a breach. -1: none; -2: no memory. */
static double value_of_threads(const struct gt_condition *condition,
                               const struct gt_report *report, struct gt_buf *label)
{
    struct gt_buf name;
    double worst = -1;

    gt_buf_init(&name);
    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        for (uint32_t m = 0; m < gt_gil_at(report->timeline, i)->members.count; m++) {
            const struct gt_member *member = gt_member_at(gt_gil_at(report->timeline, i), m);
            struct sums sums = {0};
            double value;

            gt_buf_reset(&name);
            if (gt_report_name(report, member->thread, &name)) {
                gt_buf_release(&name);
                return -2;
            }
            if (!name.length || fnmatch(condition->glob, name.data, 0))
                continue;
            add_member(&sums, member);
            value = value_of(condition, &sums);
            if (worst >= 0 && (condition->below ? value >= worst : value <= worst))
                continue;
            worst = value;
            gt_buf_reset(label);
            if (gt_report_label(report, member->thread, label)) {
                worst = -2;
                break;
            }
        }
    gt_buf_release(&name);
    return worst;
}

/* Does the glob match the path "a/b/c.py" as a module, before ".name"? From right to left. */
static bool matches_module(const char *glob, const struct gt_blame_text *text)
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

bool gt_blame_matches(const struct gt_blame_text *text, const char *glob)
{
    if (text->name.length && fnmatch(glob, text->name.data, 0) == 0)
        return true;
    return strcmp(text->kind, "python") == 0 && matches_module(glob, text);
}

/* -2: no memory. */
static double value_of_blockers(const struct gt_condition *condition,
                                const struct gt_report *report)
{
    struct sums sums = {0};

    for (uint32_t i = 0; i < report->timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(report->timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++)
            sums.lifetime_ns = gt_add_ns(sums.lifetime_ns, gt_member_at(gil, m)->lifetime_ns);
        for (size_t r = 0; r < report->blockers[i].rows.count; r++) {
            const struct gt_blocker *row = gt_blocker_at(&report->blockers[i], r);
            struct gt_blame_text text;

            if (row->waiting_ns == 0)
                break; /* they are ranked */
            if (gt_blame_text_init(&text, report, row))
                return -2;
            if (gt_blame_matches(&text, condition->glob))
                sums.wait_ns = gt_add_ns(sums.wait_ns, row->waiting_ns);
            gt_blame_text_release(&text);
        }
    }
    return value_of(condition, &sums);
}

static int say(const struct gt_condition *condition, const char *source, double value,
               const struct gt_buf *label, struct gt_buf *text)
{
    char duration[32];

    if (gt_buf_adds(text, "breached: ") || gt_buf_add_visible(text, source, strlen(source)) ||
        (condition->percent
             ? gt_buf_addf(text, ": it is %.1f%%", value)
             : gt_buf_addf(text, ": it is %s",
                           gt_duration_text(gt_ns_of(value), duration, sizeof(duration)))))
        return -1;
    return label->length ? gt_buf_addf(text, " of %s", label->data) : 0;
}

int gt_condition_breached(const struct gt_condition *condition, const char *source,
                          const struct gt_report *report, struct gt_buf *text)
{
    struct gt_buf label;
    double value;
    int breached = 0;

    gt_buf_init(&label);
    value = condition->what == GT_WHAT_BLOCKER  ? value_of_blockers(condition, report)
            : condition->what == GT_WHAT_THREAD ? value_of_threads(condition, report, &label)
                                                : value_of_all(condition, report);
    if (value >= 0)
        breached = (condition->below ? value < condition->limit : value > condition->limit) ||
                   (condition->or_equal && value == condition->limit);
    if (value < -1 || (breached && say(condition, source, value, &label, text)))
        breached = GT_ERR_MEMORY;
    gt_buf_release(&label);
    return breached;
}
