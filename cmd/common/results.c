/* SPDX-License-Identifier: MIT */
#include "common/results.h"

#include <unistd.h>

/* As gt_whatif_init wants it. */
static double usable_cpus(const struct gt_run_info *info)
{
    if (info->usable_cpus_changed)
        return -1;
    return info->usable_cpus > 0 ? info->usable_cpus : info->cpus;
}

int gt_results_make(struct gt_results *results, const struct gt_recorded *recorded,
                    const struct gt_run_info *info, const struct gt_report_options *options,
                    bool estimates, struct gt_error *err)
{
    struct gt_report_options wanted = options ? *options : (struct gt_report_options){0};

    results->analysis = gt_analysis_new(recorded, info, err);
    if (!results->analysis)
        return GT_ERR_MEMORY;
    if (estimates) {
        int rc = gt_whatif_init(&results->whatif, recorded, results->analysis, wanted.what_if,
                                usable_cpus(info), err);

        if (rc < 0)
            return rc;
    }
    if (!wanted.working_dir && getcwd(results->working_dir, sizeof(results->working_dir)))
        wanted.working_dir = results->working_dir;
    results->report =
        gt_report_new(recorded, results->analysis, &results->whatif, info, &wanted, err);
    return results->report ? 0 : GT_ERR_MEMORY;
}

void gt_results_release(struct gt_results *results)
{
    gt_report_free(results->report);
    gt_whatif_release(&results->whatif);
    gt_analysis_free(results->analysis);
    *results = (struct gt_results){0};
}
