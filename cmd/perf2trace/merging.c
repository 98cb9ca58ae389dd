/* SPDX-License-Identifier: MIT */
#include "merging.h"

#include "common/interrupt.h"
#include "reading.h"
#include "tracejson/tracejson.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two that began at the same nanosecond of one machine are one. */
static bool is_same(const struct recording *a, const struct recording *b)
{
    const struct gt_clocks *left = &a->file.clocks, *right = &b->file.clocks;
    char real_left[PATH_MAX], real_right[PATH_MAX];

    if (left->first.monotonic_ns && left->first.monotonic_ns == right->first.monotonic_ns &&
        left->first.realtime_ns == right->first.realtime_ns &&
        strcmp(left->boot_id, right->boot_id) == 0)
        return true;
    return realpath(a->path, real_left) && realpath(b->path, real_right) &&
           strcmp(real_left, real_right) == 0;
}

/* "rank", "rank (2)". */
static int tell_apart(struct recording *list, size_t count, struct gt_error *err)
{
    for (size_t i = 1; i < count; i++) {
        unsigned before = 0;
        char *name;

        for (size_t j = 0; j < i; j++)
            before += strncmp(list[j].name, list[i].name, strlen(list[i].name)) == 0 &&
                      (!list[j].name[strlen(list[i].name)] ||
                       strncmp(list[j].name + strlen(list[i].name), " (", 2) == 0);
        if (!before)
            continue;
        if (asprintf(&name, "%s (%u)", list[i].name, before + 1) < 0)
            return gt_error_memory(err);
        free(list[i].name);
        list[i].name = name;
    }
    return 0;
}

static int find_all(struct merging *merging, const struct cli *cli, struct gt_error *err)
{
    merging->list = calloc(cli->inputs.count + 1, sizeof(*merging->list));
    if (!merging->list)
        return gt_error_memory(err);
    for (size_t i = 0; i < cli->inputs.count; i++) {
        struct recording *recording = &merging->list[merging->count++];
        int rc = recording_find(recording, cli->inputs.items[i], err);

        if (rc == 0)
            rc = recording_label(recording, &cli->labels, err);
        if (rc < 0)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (is_same(recording, &merging->list[j]))
                return gt_error_set(err, GT_ERR_USAGE,
                                    "%s and %s are the same recording: name it once",
                                    merging->list[j].path, recording->path);
    }
    return tell_apart(merging->list, merging->count, err);
}

static int align(const struct merging *merging, struct gt_aligned **aligned,
                 struct gt_alignment *alignment, struct gt_error *err)
{
    *aligned = calloc(merging->count + 1, sizeof(**aligned));
    if (!*aligned)
        return gt_error_memory(err);
    for (size_t i = 0; i < merging->count; i++)
        (*aligned)[i] = (struct gt_aligned){.name = merging->list[i].path,
                                            .clocks = merging->list[i].file.clocks};
    return gt_align(*aligned, merging->count, alignment, err);
}

static int add_report(struct merging *merging, const struct recording *recording,
                      struct gt_aligned *aligned, struct gt_error *err)
{
    struct gt_timeline *timeline = gt_tracejson_read(recording->path, err);
    struct gt_recorded recorded = {
        .timeline = timeline, .detect = GT_DETECT_GIL | GT_DETECT_SCHED, .reports = 1};

    if (!timeline)
        return err->code;
    return gt_merge_add(merging->merge, recording->name, recording->file.info.host, aligned,
                        &recorded, timeline, err);
}

/* Read one, and move it behind the others. */
static int add(struct merging *merging, const struct cli *cli, size_t index,
               struct gt_aligned *aligned, struct gt_error *err)
{
    const struct recording *recording = &merging->list[index];
    const struct gt_ingest_options options = recording_options(recording, cli->detect);
    struct gt_sources sources = {0};
    struct gt_ingest *ingest = gt_ingest_new(&options, err);
    struct cli one = *cli;
    int rc = ingest ? 0 : err->code;

    recording_use(recording, &one);
    one.more_follow = index + 1 < merging->count;
    if (rc == 0)
        rc = read_and_say(&one, ingest, &sources, err);
    if (rc == 0)
        rc = gt_merge_add(merging->merge, recording->name, recording->file.info.host, aligned,
                          gt_ingest_recorded(ingest), gt_ingest_take_timeline(ingest), err);
    else if (rc != GT_ERR_CANCELLED && !strstr(err->message, recording->path)) {
        struct gt_error why = *err;

        gt_error_set(err, why.code, "%s: %s", recording->path, why.message);
    }
    gt_ingest_free(ingest);
    gt_sources_release(&sources);
    return rc;
}

static bool are_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_label(const struct gt_label *list, const struct gt_label *label)
{
    for (; list->key; list++)
        if (strcmp(list->key, label->key) == 0)
            return strcmp(list->value, label->value) == 0;
    return false;
}

/* Whose each recording is, and the labels that all have. */
static int identify(struct merging *merging, struct gt_error *err)
{
    struct gt_run_identity *identities = calloc(merging->count + 1, sizeof(*identities));
    const struct gt_label *first = merging->list[0].file.labels.list;
    int rc = 0;

    if (!identities)
        return gt_error_memory(err);
    merging->identities = identities;
    for (size_t i = 0; i < merging->count; i++) {
        const struct gt_run_info *info = &merging->list[i].file.info;

        identities[i] = (struct gt_run_identity){info->labels, info->rank, info->root_pid};
    }
    for (; rc == 0 && first->key; first++) {
        const struct gt_label one[] = {*first, {NULL, NULL}};
        size_t have = 1;

        while (have < merging->count && has_label(identities[have].labels, first))
            have++;
        if (have == merging->count)
            rc = gt_user_labels_add_list(&merging->labels, one, err);
    }
    return rc;
}

/* What all of them have in common. */
static void sum_up(struct merging *merging)
{
    struct gt_run_info *info = &merging->info;

    *info = merging->list[0].file.info;
    info->argv = NULL;
    info->rank = NULL;
    info->labels = merging->labels.list;
    info->identities = merging->identities;
    info->clocks = NULL;
    info->exit_status = info->root_pid = -1;
    info->term_signal = 0;
    info->hit_ns = info->switch_ns = 0;
    for (size_t i = 1; i < merging->count; i++) {
        const struct gt_run_info *other = &merging->list[i].file.info;

        info->interpreter =
            are_same(info->interpreter, other->interpreter) ? info->interpreter : NULL;
        info->version = are_same(info->version, other->version) ? info->version : NULL;
        info->gil_source =
            are_same(info->gil_source, other->gil_source) ? info->gil_source : NULL;
        info->host = are_same(info->host, other->host) ? info->host : NULL;
        info->user = are_same(info->user, other->user) ? info->user : NULL;
        info->gil_enabled |= other->gil_enabled;
        if (other->started_unix_ns >= 0 &&
            (info->started_unix_ns < 0 || other->started_unix_ns < info->started_unix_ns))
            info->started_unix_ns = other->started_unix_ns;
    }
}

int merging_read(struct merging *merging, const struct cli *cli, struct gt_error *err)
{
    struct gt_aligned *aligned = NULL;
    struct gt_alignment alignment;
    int rc = find_all(merging, cli, err);

    if (rc == 0)
        rc = identify(merging, err);
    if (rc == 0)
        rc = align(merging, &aligned, &alignment, err);
    if (rc == 0) {
        merging->merge = gt_merge_new(&alignment, err);
        rc = merging->merge ? 0 : err->code;
    }
    /* A signal ends the reading of one, which then says so, and of all that follow. */
    for (size_t i = 0; rc == 0 && i < merging->count && (i == 0 || !gt_interrupt_signal()); i++)
        rc = merging->list[i].is_report
                 ? add_report(merging, &merging->list[i], &aligned[i], err)
                 : add(merging, cli, i, &aligned[i], err);
    if (rc == 0) {
        gt_interrupt_has_read();
        sum_up(merging);
        merging->recorded = gt_merge_finish(merging->merge, err);
        rc = merging->recorded ? 0 : err->code;
    }
    free(aligned);
    return rc;
}

void merging_release(struct merging *merging)
{
    gt_merge_free(merging->merge);
    for (size_t i = 0; i < merging->count; i++)
        recording_release(&merging->list[i]);
    free(merging->list);
    free(merging->identities);
    gt_user_labels_release(&merging->labels);
    *merging = (struct merging){0};
}
