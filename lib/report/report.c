/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "report/sentences.h"
#include "report/writers.h"

#include <stdlib.h>
#include <string.h>

struct gt_report *gt_report_new(const struct gt_recorded *recorded,
                                const struct gt_analysis *analysis,
                                const struct gt_whatif *whatif, const struct gt_run_info *info,
                                const struct gt_report_options *options, struct gt_error *err)
{
    static const struct gt_whatif none = {0};
    struct gt_report *report = calloc(1, sizeof(*report));

    if (!report) {
        gt_error_memory(err);
        return NULL;
    }
    *report = (struct gt_report){.recorded = recorded,
                                 .timeline = recorded->timeline,
                                 .analysis = analysis,
                                 .whatif = whatif ? whatif : &none,
                                 .info = info};
    if (options)
        report->options = *options;
    gt_strvec_init(&report->findings);
    gt_strvec_init(&report->essential);
    if (gt_findings_make(report) == 0)
        return report;
    gt_report_free(report);
    gt_error_memory(err);
    return NULL;
}

void gt_report_free(struct gt_report *report)
{
    if (!report)
        return;
    gt_strvec_release(&report->findings);
    gt_strvec_release(&report->essential);
    free(report);
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

int gt_report_write(const struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err)
{
    static gt_writer *const writers[] = {
        [GT_FORMAT_JSON] = gt_chrome_write, [GT_FORMAT_JSON_GZ] = gt_chrome_write_gzip,
        [GT_FORMAT_HTML] = gt_html_write,   [GT_FORMAT_FOLDED] = gt_folded_write,
        [GT_FORMAT_PPROF] = gt_pprof_write,
    };

    return writers[format](report, output, err);
}
