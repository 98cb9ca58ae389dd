/* SPDX-License-Identifier: MIT */
#include "common/checks.h"

#include "common/baseline.h"
#include "common/console.h"
#include "common/exit_status.h"

#include <stdlib.h>

/* NULL-terminated texts, or NULL. */
static int parse_all(struct gt_condition **conditions, const char *option, char *const *texts,
                     struct gt_error *err)
{
    size_t count = 0;
    int rc = 0;

    while (texts && texts[count])
        count++;
    *conditions = calloc(count + 1, sizeof(**conditions));
    if (!*conditions)
        return gt_error_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = gt_condition_parse(&(*conditions)[i], option, texts[i], err);
    return rc;
}

int gt_checks_init(struct gt_checks *checks, const struct gt_checks_asked *asked,
                   struct gt_error *err)
{
    int rc;

    *checks = (struct gt_checks){.asked = *asked};
    gt_metrics_init(&checks->metrics);
    gt_metrics_init(&checks->baseline);
    rc = parse_all(&checks->conditions, "--fail-if", asked->fail_if, err);
    if (rc == 0)
        rc = parse_all(&checks->when, "--when", asked->when, err);
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
    free(checks->when);
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
        gt_say("%s%s", rc == GT_BREACHED ? "breached: " : "", text.data);
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
