/* SPDX-License-Identifier: MIT */
#include "report/run_json.h"

#include "event/clocks.h"
#include "report/values.h"

#include <stdlib.h>
#include <string.h>

static json_t *optional_number(int64_t value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

static json_t *anchors_value(const struct gt_clocks *clocks)
{
    const struct gt_clock_anchor *anchors[] = {&clocks->first, &clocks->last};
    json_t *list = json_array();

    for (size_t i = 0; i < 2; i++)
        if (anchors[i]->monotonic_ns)
            gt_json_add(&list, json_pack("{s:I, s:I, s:I, s:o}", "monotonic_ns",
                                         (json_int_t)anchors[i]->monotonic_ns, "unix_ns",
                                         (json_int_t)anchors[i]->realtime_ns, "within_ns",
                                         (json_int_t)anchors[i]->within_ns, "error_ns",
                                         optional_number(anchors[i]->error_ns)));
    return list;
}

static json_t *config_value(const struct gt_run_config *config)
{
    json_t *list = json_array();

    for (; config->file; config++) {
        json_t *options = json_array();

        for (char *const *name = config->options; name && *name; name++)
            gt_json_add(&options, json_string(*name));
        gt_json_add(&list, json_pack("{s:o, s:o}", "file",
                                     gt_json_text(config->file, strlen(config->file)),
                                     "options", options));
    }
    return list;
}

json_t *gt_labels_json(const struct gt_label *labels)
{
    json_t *value = json_object();

    for (; labels && labels->key; labels++)
        gt_json_set(&value, labels->key, gt_json_text(labels->value, strlen(labels->value)));
    return value;
}

json_t *gt_rank_json(const char *rank)
{
    return json_integer(strtoll(rank, NULL, 10));
}

json_t *gt_run_json(const struct gt_run_info *info)
{
    const struct gt_clocks *clocks = info->clocks;
    json_t *value, *argv = json_array();

    for (char *const *item = info->argv; item && *item; item++)
        gt_json_add(&argv, gt_json_text(*item, strlen(*item)));
    value = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o*, s:b, s:o, s:i, s:o, s:o}", "argv", argv,
                      "interpreter", gt_json_optional(info->interpreter), "version",
                      gt_json_optional(info->version), "gil_source",
                      gt_json_optional(info->gil_source), "host", gt_json_optional(info->host),
                      "user", info->user ? gt_json_optional(info->user) : NULL, "gil_enabled",
                      info->gil_enabled, "exit_status", optional_number(info->exit_status),
                      "term_signal", info->term_signal > 0 ? info->term_signal : 0, "root_pid",
                      optional_number(info->root_pid), "started_unix_ns",
                      optional_number(info->started_unix_ns));
    if (info->because)
        gt_json_set(&value, "because", gt_json_text(info->because, strlen(info->because)));
    if (info->rank)
        gt_json_set(&value, "rank", gt_rank_json(info->rank));
    if (info->labels && info->labels->key)
        gt_json_set(&value, "labels", gt_labels_json(info->labels));
    if (info->config && info->config->file)
        gt_json_set(&value, "config", config_value(info->config));
    if (clocks)
        gt_json_set(&value, "clocks",
                    json_pack("{s:o, s:o}", "boot_id",
                              gt_json_optional(clocks->boot_id[0] ? clocks->boot_id : NULL),
                              "anchors", anchors_value(clocks)));
    return value;
}
