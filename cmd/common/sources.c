/* SPDX-License-Identifier: MIT */
#include "common/sources.h"

#include "base/nstime.h"
#include "common/console.h"
#include "common/interrupt.h"
#include "common/recordings.h"
#include "common/run_file.h"
#include "ingest/native_log.h"
#include "launch/input.h"

#include <string.h>

int gt_sources_add_agentlog(struct gt_sources *sources, const char *dir, unsigned parts,
                            struct gt_ingest *ingest, struct gt_error *err)
{
    sources->agentlog = gt_agentlog_open(dir, err);
    if (!sources->agentlog)
        return err->code;
    gt_ingest_set_agentlog(ingest, sources->agentlog, parts);
    return 0;
}

int gt_sources_add_viztracer(struct gt_sources *sources, const char *path, bool alone,
                             struct gt_ingest *ingest, struct gt_error *err)
{
    struct gt_error damage = {0};

    sources->viztracer = gt_viztracer_open(path, &damage, err);
    if (!sources->viztracer)
        return err->code;
    if (damage.code)
        gt_say("%s", damage.message);
    if (alone)
        gt_ingest_expect_no_text(ingest);
    gt_ingest_set_viztracer(ingest, sources->viztracer, path);
    return 0;
}

static int feed(void *ingest, const char *data, size_t length, struct gt_error *err)
{
    return gt_ingest_feed(ingest, data, length, err);
}

static int feed_probes(void *ingest, const char *data, size_t length, struct gt_error *err)
{
    return gt_ingest_feed_probes(ingest, data, length, err);
}

static void limit(void *ingest, uint64_t most_events)
{
    gt_ingest_limit_text(ingest, most_events);
}

static void limit_probes(void *ingest, uint64_t most_events)
{
    gt_ingest_limit_probes(ingest, most_events);
}

/* Not so often that it costs anything, and not of what is read at once. */
static void show_progress(double share)
{
    enum { EACH_NS = 100 * GT_NS_PER_MS };
    static int64_t next_ns;
    int64_t now_ns = gt_now_ns();

    if (share >= 1 || now_ns < next_ns)
        return;
    next_ns = now_ns + EACH_NS;
    gt_progress("reading the recording, %.0f%%", 100 * share);
}

static int read_input(const char *input, const struct gt_input_reader *reader,
                      struct gt_error *damage, struct gt_error *err)
{
    int rc = gt_input_read(input, reader, damage, err);

    gt_progress_clear();
    if (rc == 0 && !damage->code)
        gt_run_file_check_length(input, damage);
    if (rc == 0 && damage->code && gt_ingest_set_cut(reader->context, damage->message) < 0)
        rc = gt_error_memory(err);
    return rc;
}

int gt_sources_read(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                    struct gt_error *err)
{
    const struct gt_input_reader reader = {
        .on_text = feed,
        .is_readable = gt_recording_is_readable,
        .on_recording = limit,
        .on_progress = show_progress,
        .context = ingest,
        .stop_fd = gt_interrupt_fd(),
        .mappings = true,
    };

    return read_input(input, &reader, damage, err);
}

int gt_sources_read_probes(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                           struct gt_error *err)
{
    const struct gt_input_reader reader = {
        .on_text = feed_probes,
        .is_readable = gt_recording_is_readable,
        .on_recording = limit_probes,
        .on_progress = show_progress,
        .context = ingest,
        .stop_fd = gt_interrupt_fd(),
    };

    return read_input(input, &reader, damage, err);
}

static int feed_native(void *ingest, const char *data, size_t length, struct gt_error *err)
{
    struct gt_native_log *log = gt_ingest_native(ingest, err);

    return log ? gt_native_log_feed(log, data, length, err) : GT_ERR_MEMORY;
}

static void limit_native(void *ingest, uint64_t most_events)
{
    struct gt_native_log *log = gt_ingest_native(ingest, NULL);

    if (log)
        gt_native_log_limit(log, most_events);
}

int gt_sources_read_native(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                           struct gt_error *err)
{
    const struct gt_input_reader reader = {
        .on_text = feed_native,
        .on_recording = limit_native,
        .on_progress = show_progress,
        .context = ingest,
        .stop_fd = gt_interrupt_fd(),
        .not_inlined = true,
    };

    return read_input(input, &reader, damage, err);
}

const char *gt_sources_input_name(const char *input)
{
    return strcmp(input, "-") == 0 ? "standard input" : input;
}

void gt_sources_say_warnings(const struct gt_agentlog *log)
{
    const char *warning;

    for (size_t i = 0; log && (warning = gt_agentlog_warning(log, i)); i++)
        gt_say("%s", warning);
}

void gt_sources_release(struct gt_sources *sources)
{
    gt_agentlog_free(sources->agentlog);
    gt_viztracer_free(sources->viztracer);
    *sources = (struct gt_sources){0};
}
