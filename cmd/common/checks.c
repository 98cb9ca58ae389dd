/* SPDX-License-Identifier: MIT */
#include "common/checks.h"

#include "common/baseline.h"
#include "common/console.h"
#include "common/exit_status.h"

#include <stdlib.h>

int gt_checks_init(struct gt_checks *checks, const struct gt_checks_asked *asked,
                   struct gt_error *err)
{
    size_t count = 0;
    int rc = 0;

    while (asked->fail_if && asked->fail_if[count])
        count++;
    *checks = (struct gt_checks){.asked = *asked};
    gt_metrics_init(&checks->metrics);
    gt_metrics_init(&checks->baseline);
    checks->conditions = calloc(count + 1, sizeof(*checks->conditions));
    if (!checks->conditions)
        return gt_error_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = gt_condition_parse(&checks->conditions[i], asked->fail_if[i], err);
    if (rc == 0 && asked->baseline)
        rc = gt_baseline_read(&checks->baseline, asked->baseline, err);
    return rc;
}

void gt_checks_refuse(const char *program, const struct gt_error *err)
{
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_buf_addf(&text, "%s: %s\n", program, err->message) == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
}

void gt_checks_release(struct gt_checks *checks)
{
    free(checks->conditions);
    gt_metrics_release(&checks->metrics);
    gt_metrics_release(&checks->baseline);
}

int gt_checks_take(struct gt_checks *checks, struct gt_report *report, struct gt_error *err)
{
    int rc = gt_metrics_add(&checks->metrics, report, err);

    if (rc == 0)
        gt_report_set_metrics(report, &checks->metrics);
    return rc;
}

static void say_metrics(struct gt_checks *checks)
{
    struct gt_error err = {0};
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    if (checks->asked.runs > 1)
        rc = gt_metrics_print(&checks->metrics, &text);
    if (rc == 0 && checks->asked.baseline)
        rc = gt_metrics_compare(&checks->baseline, &checks->metrics, &text, &err);
    if (text.length && !checks->asked.quiet)
        gt_say_text(&text);
    if (rc < 0)
        gt_say("%s", err.code ? err.message : "out of memory");
    gt_buf_release(&text);
}

static void judge_one(struct gt_checks *checks, size_t index, const struct gt_report *report)
{
    const char *source = checks->asked.fail_if[index];
    struct gt_buf text;
    int rc = GT_UNJUDGED;

    gt_buf_init(&text);
    if (report)
        rc = gt_report_check(report, &checks->conditions[index], source, &text);
    if (!report)
        gt_say("cannot be judged without a report: %s", source);
    else if (rc < 0)
        gt_say("cannot be judged: %s: out of memory", source);
    else if (rc != GT_PASSED)
        gt_say("%s", text.data);
    checks->breached = checks->breached || rc == GT_BREACHED;
    checks->unjudged = checks->unjudged || (rc != GT_PASSED && rc != GT_BREACHED);
    gt_buf_release(&text);
}

void gt_checks_say(struct gt_checks *checks, const struct gt_report *report)
{
    if (report)
        say_metrics(checks);
    for (size_t i = 0; checks->asked.fail_if && checks->asked.fail_if[i]; i++)
        judge_one(checks, i, report);
}

int gt_checks_status(const struct gt_checks *checks)
{
    return checks->breached ? GT_EXIT_BREACHED : checks->unjudged ? GT_EXIT_UNJUDGED : 0;
}
