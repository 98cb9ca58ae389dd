#include "report/internal.h"

#include "report/html.h"
#include "report/profile.h"

#include <stdlib.h>
#include <string.h>

void gt_report_free(struct gt_report *report)
{
    if (!report)
        return;
    gt_whatif_release(&report->whatif);
    gt_analysis_free((struct gt_analysis *)report->analysis);
    gt_strvec_release(&report->findings);
    free(report);
}

/* CPUs that the program could use, as what-if wants them: by a quota, and by the process's own
 * affinity, too. */
static double usable_cpus(const struct gt_report *report)
{
    double usable =
        report->info->usable_cpus > 0 ? report->info->usable_cpus : report->info->cpus;

    if (report->info->usable_cpus_changed)
        return -1;
    if (report->recorded->agent_cpus && (usable <= 0 || report->recorded->agent_cpus < usable))
        usable = report->recorded->agent_cpus;
    return usable;
}

static int estimate(struct gt_report *report, struct gt_error *err)
{
    const struct gt_analysis *analysis = report->analysis;

    if (report->options.without_estimates)
        return 0;
    return gt_whatif_init(&report->whatif, report->timeline, analysis->blockers,
                          usable_cpus(report),
                          analysis->cost.code_ns > 0 ? analysis->cost.total_ns : 0, err);
}

struct gt_report *gt_report_new(struct gt_recorded *recorded, const struct gt_run_info *info,
                                const struct gt_report_options *options, struct gt_error *err)
{
    struct gt_report *report = calloc(1, sizeof(*report));
    int rc = -1;

    if (!report) {
        gt_error_memory(err);
        return NULL;
    }
    report->recorded = recorded;
    report->timeline = recorded->timeline;
    report->info = info;
    if (options)
        report->options = *options;
    gt_strvec_init(&report->findings);
    report->analysis = gt_analysis_new(recorded, info, err);
    if (report->analysis)
        rc = estimate(report, err);
    if (rc == 0 && gt_findings_make(report))
        rc = gt_error_memory(err);
    if (rc < 0) {
        gt_report_free(report);
        return NULL;
    }
    /* They served to judge holders of the GIL. */
    if (!(recorded->detect & GT_DETECT_SCHED))
        gt_timeline_drop_states(recorded->timeline);
    return report;
}

void gt_report_set_metrics(struct gt_report *report, const struct gt_metrics *metrics)
{
    report->metrics = metrics;
}

static const struct {
    const char *ending;
    enum gt_report_format format;
} endings[] = {
    {".json", GT_FORMAT_JSON}, {".json.gz", GT_FORMAT_JSON_GZ}, {".html", GT_FORMAT_HTML},
    {".htm", GT_FORMAT_HTML},  {".folded", GT_FORMAT_FOLDED},   {".pb.gz", GT_FORMAT_PPROF},
};

int gt_report_format_of(const char *path, enum gt_report_format *format, struct gt_error *err)
{
    size_t length = strlen(path);

    if (strcmp(path, "-") == 0) {
        *format = GT_FORMAT_JSON;
        return 0;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t size = strlen(endings[i].ending);

        if (length >= size && strcmp(path + length - size, endings[i].ending) == 0) {
            *format = endings[i].format;
            return 0;
        }
    }
    return gt_error_set(err, GT_ERR_USAGE,
                        "%s: the ending of an output's name says its format: .html, .json, "
                        ".json.gz, .folded or .pb.gz",
                        path);
}

bool gt_report_shows_estimates(char *const *paths)
{
    enum gt_report_format format;

    for (; paths && *paths; paths++)
        if (gt_report_format_of(*paths, &format, NULL) == 0 && format != GT_FORMAT_FOLDED &&
            format != GT_FORMAT_PPROF)
            return true;
    return false;
}

int gt_report_write(struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err)
{
    struct gt_buf summary;
    int rc;

    if (format == GT_FORMAT_FOLDED)
        return gt_folded_write(report, output, err);
    if (format == GT_FORMAT_PPROF)
        return gt_pprof_write(report, output, err);
    gt_buf_init(&summary);
    rc = gt_report_summary(report, &summary, err);
    if (rc == 0 && format == GT_FORMAT_HTML)
        rc = gt_html_write(report->timeline, summary.data, summary.length,
                           report->options.keep_interpreter_frames, output, err);
    else if (rc == 0)
        rc = gt_chrome_write(report, &summary, format == GT_FORMAT_JSON_GZ, output, err);
    gt_buf_release(&summary);
    return rc;
}

int gt_report_name(const struct gt_report *report, uint32_t thread, struct gt_buf *text)
{
    char label[64];
    size_t length = gt_timeline_thread_label(report->timeline, thread, label, sizeof(label));

    return gt_buf_add_visible(text, label, length);
}

int gt_report_label(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_thread *thread = gt_thread_at(report->timeline, index);

    if (gt_report_name(report, index, text))
        return -1;
    return thread->flags & GT_THREAD_NAMESAKE ? gt_buf_addf(text, " (%d)", thread->tid) : 0;
}
