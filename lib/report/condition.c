/* SPDX-License-Identifier: MIT */
#include "report/condition.h"

#include "base/nstime.h"
#include "report/blocker_text.h"
#include "report/labels.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* --- what a GLOB matches --- */

struct matcher {
    const struct gt_report *report;
    const char *glob;
};

static int matches_thread(void *context, uint32_t thread)
{
    const struct matcher *matcher = context;
    struct gt_buf label;
    int rc;

    gt_buf_init(&label);
    rc = gt_report_label(matcher->report, thread, &label);
    if (rc == 0)
        rc = label.length && fnmatch(matcher->glob, label.data, 0) == 0;
    gt_buf_release(&label);
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

static int matches_blocker(void *context, const struct gt_blocker *row)
{
    const struct matcher *matcher = context;
    struct gt_blocker_text text;
    bool result;

    if (gt_blocker_text_init(&text, matcher->report, row))
        return -1;
    result = matches(&text, matcher->glob);
    gt_blocker_text_release(&text);
    return result;
}

/* A lock is called like the function in which threads wait for it, or like the type of the
 * object whose lock it is. */
static int matches_lock(void *context, const struct gt_lock_row *row)
{
    const struct matcher *matcher = context;
    const struct gt_blocker as = {
        .doing = {.kind = GT_DOING_PYTHON, .function = row->function, .caller = GT_NO_INDEX}};

    if (row->type != GT_NO_INDEX &&
        !fnmatch(matcher->glob, gt_intern_text(&matcher->report->timeline->names, row->type),
                 0))
        return 1;
    return row->function == GT_NO_INDEX ? 0 : matches_blocker(context, &as);
}

/* --- what is said --- */

static int put_value(const struct gt_condition *condition, double value, struct gt_buf *text)
{
    char duration[32];

    return condition->percent
               ? gt_buf_addf(text, "%.1f%%", value)
               : gt_buf_addf(text, "%s",
                             gt_duration_text(gt_ns_of(value), duration, sizeof(duration)));
}

static int put_thread(const struct gt_report *report, uint32_t thread, struct gt_buf *text)
{
    if (thread == UINT32_MAX)
        return 0;
    return gt_buf_adds(text, " of ") ? -1 : gt_report_label(report, thread, text);
}

/* When the worst window begins. */
static int put_moment(const struct gt_report *report, int64_t start_ns, struct gt_buf *text)
{
    char moment[32];

    if (start_ns < 0)
        return 0;
    return gt_buf_addf(
        text, " from %s on",
        gt_moment_text(start_ns - gt_report_zero_ns(report), moment, sizeof(moment)));
}

/* A breach, or why it cannot be judged. 0 or -1. */
static int say(const struct gt_report *report, const struct gt_condition *condition,
               const char *source, const struct gt_checked *checked, struct gt_buf *text)
{
    const struct gt_condition_range *range = &checked->range;

    if (gt_buf_adds(text, checked->result == GT_BREACHED ? ""
                          : checked->blind ? "cannot be judged, since nothing was recorded: "
                          : checked->no_locks
                              ? "cannot be judged, since waits for locks were not recorded: "
                              : "cannot be judged: ") ||
        gt_buf_add_visible(text, source, strlen(source)))
        return -1;
    if (checked->blind || checked->no_locks)
        return 0;
    if (checked->result == GT_BREACHED)
        return gt_buf_adds(text, ": it is ") || put_value(condition, range->value, text) ||
               put_thread(report, checked->thread, text) ||
               put_moment(report, checked->start_ns, text);
    if (condition->what == GT_WHAT_THREAD && checked->thread == UINT32_MAX)
        return gt_buf_adds(text, ": no such thread was seen, and part of the run was not "
                                 "recorded");
    return gt_buf_adds(text, ": it is between ") || put_value(condition, range->low, text) ||
           gt_buf_adds(text, " and ") || put_value(condition, range->high, text) ||
           put_thread(report, checked->thread, text) ||
           gt_buf_adds(text, ", since not all of the run is known");
}

int gt_report_check(const struct gt_report *report, const struct gt_condition *condition,
                    const char *source, struct gt_buf *text)
{
    struct matcher matcher = {report, condition->glob};
    const struct gt_condition_names names = {matches_thread, matches_blocker, matches_lock,
                                             &matcher};
    struct gt_checked checked;
    int rc = gt_condition_check(condition, report->recorded, report->analysis->blockers,
                                &report->analysis->locks, &names, &checked);

    if (rc == 0 && checked.result != GT_PASSED &&
        say(report, condition, source, &checked, text))
        rc = GT_ERR_MEMORY;
    return rc < 0 ? rc : (int)checked.result;
}
