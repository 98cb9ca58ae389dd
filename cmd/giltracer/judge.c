#include "judge.h"

#include "say.h"

#include <stdlib.h>

int gt_judge_init(struct gt_judge *judge, const struct gt_cli *cli, struct gt_error *err)
{
    size_t count = cli->fail_if.count;
    int rc = 0;

    *judge = (struct gt_judge){.cli = cli};
    gt_metrics_init(&judge->metrics);
    gt_metrics_init(&judge->baseline);
    judge->conditions = calloc(count + 1, sizeof(*judge->conditions));
    if (!judge->conditions)
        return gt_error_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = gt_condition_parse(&judge->conditions[i], cli->fail_if.items[i], err);
    if (rc == 0 && cli->baseline)
        rc = gt_metrics_read(&judge->baseline, cli->baseline, err);
    return rc;
}

void gt_judge_refuse(const struct gt_error *err)
{
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_buf_addf(&text, "giltracer: %s\n", err->message) == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
}

void gt_judge_release(struct gt_judge *judge)
{
    free(judge->conditions);
    gt_metrics_release(&judge->metrics);
    gt_metrics_release(&judge->baseline);
}

int gt_judge_take(struct gt_judge *judge, struct gt_report *report, struct gt_error *err)
{
    int rc = gt_metrics_add(&judge->metrics, report, err);

    if (rc == 0)
        gt_report_set_metrics(report, &judge->metrics);
    return rc;
}

static void say_metrics(struct gt_judge *judge)
{
    struct gt_error err = {0};
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    if (judge->cli->repeat > 1)
        rc = gt_metrics_print(&judge->metrics, &text);
    if (rc == 0 && judge->cli->baseline)
        rc = gt_metrics_compare(&judge->baseline, &judge->metrics, &text, &err);
    if (text.length && !judge->cli->quiet)
        gt_say_text(&text);
    if (rc < 0)
        gt_say("%s", err.code ? err.message : "out of memory");
    gt_buf_release(&text);
}

static void judge_one(struct gt_judge *judge, size_t index, const struct gt_report *report)
{
    const char *source = judge->cli->fail_if.items[index];
    struct gt_buf text;
    int rc = GT_UNJUDGED;

    gt_buf_init(&text);
    if (report)
        rc = gt_condition_judge(&judge->conditions[index], source, report, &text);
    if (!report)
        gt_say("cannot be judged without a report: %s", source);
    else if (rc < 0)
        gt_say("cannot be judged: %s: out of memory", source);
    else if (rc != GT_PASSED)
        gt_say("%s", text.data);
    judge->breached = judge->breached || rc == GT_BREACHED;
    judge->unjudged = judge->unjudged || (rc != GT_PASSED && rc != GT_BREACHED);
    gt_buf_release(&text);
}

void gt_judge_say(struct gt_judge *judge, const struct gt_report *report)
{
    if (report)
        say_metrics(judge);
    for (size_t i = 0; i < judge->cli->fail_if.count; i++)
        judge_one(judge, i, report);
}

int gt_judge_status(const struct gt_judge *judge)
{
    enum { EXIT_BREACHED = 3, EXIT_UNJUDGED = 4 };

    return judge->breached ? EXIT_BREACHED : judge->unjudged ? EXIT_UNJUDGED : 0;
}
