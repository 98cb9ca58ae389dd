/* SPDX-License-Identifier: MIT */
#include "agentlog/agentlog.h"
#include "agentlog/internal.h"

#include "base/nstime.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_CPUS = 1 << 16, /* no machine has more */
};

const struct gt_agentlog_quality *gt_agentlog_quality(const struct gt_agentlog *log)
{
    return &log->quality;
}

const struct gt_clocks *gt_agentlog_clocks(const struct gt_agentlog *log)
{
    return &log->clocks;
}

static bool earlier(const struct gt_agentlog_cursor *a, const struct gt_agentlog_cursor *b)
{
    return a->ticks != b->ticks ? a->ticks < b->ticks : a->thread < b->thread;
}

void gt_agentlog_sift_down(struct gt_agentlog *log, size_t index)
{
    struct gt_agentlog_cursor moving = log->heap[index];

    for (;;) {
        size_t child = 2 * index + 1;

        if (child >= log->heap_count)
            break;
        if (child + 1 < log->heap_count && earlier(&log->heap[child + 1], &log->heap[child]))
            child++;
        if (!earlier(&log->heap[child], &moving))
            break;
        log->heap[index] = log->heap[child];
        index = child;
    }
    log->heap[index] = moving;
}

static int open_cursors(struct gt_agentlog *log, struct gt_error *err)
{
    log->heap = calloc(log->thread_count * 2 + 1, sizeof(*log->heap));
    if (!log->heap)
        return gt_error_memory(err);
    for (size_t i = 0; i < log->thread_count; i++) {
        for (unsigned stream = 0; stream < GT_WIRE_STREAM_NOTES; stream++) {
            struct gt_agentlog_cursor *cursor = &log->heap[log->heap_count];
            int rc;

            memset(cursor, 0, sizeof(*cursor));
            cursor->thread = (uint32_t)i;
            cursor->stream = stream;
            rc = gt_agentlog_cursor_open(log, cursor, err);
            if (rc < 0)
                return rc;
            log->heap_count += (size_t)rc;
        }
    }
    for (size_t i = log->heap_count / 2; i-- > 0;)
        gt_agentlog_sift_down(log, i);
    return 0;
}

static int no_agent(struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_NOT_FOUND,
                        "no agent log: the agent was not loaded (a static or set-uid "
                        "program, or one that clears LD_PRELOAD, cannot be watched this way), "
                        "or had no memory, disk space or descriptor to begin it");
}

/* When all is stopped, at a time that can be. */
static int note_stopped(struct gt_agentlog *log, uint64_t ticks, struct gt_error *err)
{
    struct gt_agentlog_mark mark = {.ticks = ticks, .rank = GT_MARK_STOPPED};

    if (!ticks)
        return 0;
    if (!gt_agentlog_is_time(&log->clock, ticks)) {
        gt_agentlog_warn(log, "the agent's control file is damaged: recording seems to have "
                              "stopped at a time that cannot be");
        mark.ticks = log->clock.count ? log->clock.anchors[0].ticks : 1;
    }
    log->quality.stopped_ns = gt_agentlog_ns(&log->clock, mark.ticks);
    return gt_agentlog_mark(log, &mark, err);
}

static int take_stops(struct gt_agentlog *log, const struct gt_wire_control *control,
                      struct gt_error *err)
{
    uint32_t count =
        control->stop_count < GT_WIRE_STOPS ? control->stop_count : (uint32_t)GT_WIRE_STOPS;

    log->stops = calloc(count + 1, sizeof(*log->stops));
    if (!log->stops)
        return gt_error_memory(err);
    for (uint32_t i = 0; i < count; i++)
        if (control->stops[i].ticks && control->stops[i].pid > 0) {
            struct gt_wire_stop *stop = &log->stops[log->stop_count++];

            *stop = control->stops[i];
            stop->pid = gt_agentlog_outer(log, stop->pid);
            stop->parent_pid = gt_agentlog_outer(log, stop->parent_pid);
        }
    return 0;
}

static int check_control(const struct gt_wire_control *control, ssize_t got, bool has_folder,
                         struct gt_error *err)
{
    bool old = control->version == GT_AGENTLOG_VERSION_3;
    size_t least = old ? offsetof(struct gt_wire_control, stops)
                       : offsetof(struct gt_wire_control, anchors);

    if (got == 0 || (got > 0 && !control->magic && !control->version))
        return no_agent(err);
    if (got < (ssize_t)least || control->magic != GT_WIRE_MAGIC_CONTROL)
        return gt_error_set(err, GT_ERR_FORMAT, "the agent's control file is damaged");
    if (control->version != GT_WIRE_VERSION && !(old && has_folder))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "the agent's log is of version %u, this program reads versions %d "
                            "and %d",
                            control->version, GT_AGENTLOG_VERSION_3, GT_WIRE_VERSION);
    return 0;
}

static struct gt_clock_anchor anchor_of(const struct gt_wire_wall *wall)
{
    return (struct gt_clock_anchor){.monotonic_ns = wall->monotonic_ns,
                                    .realtime_ns = wall->realtime_ns,
                                    .within_ns = wall->within_ns,
                                    .error_ns = wall->error_ns};
}

static void take_clocks(struct gt_clocks *clocks, const struct gt_wire_control *control)
{
    _Static_assert(sizeof(control->boot_id) == sizeof(clocks->boot_id), "it is copied whole");
    if (control->version != GT_WIRE_VERSION)
        return;
    clocks->first = anchor_of(&control->walls[0]);
    clocks->last = anchor_of(&control->walls[1]);
    memcpy(clocks->boot_id, control->boot_id, sizeof(clocks->boot_id));
    clocks->boot_id[sizeof(clocks->boot_id) - 1] = '\0';
}

static int64_t ns_of(uint64_t told)
{
    return told < GT_TIME_MOST_NS ? (int64_t)told : 0; /* damaged */
}

static void take_copied(struct gt_agentlog *log, const struct gt_wire_control *control)
{
    if (control->version != GT_WIRE_VERSION)
        return;
    log->quality.gil_copied_ns = ns_of(control->copied_ns[GT_WIRE_STREAM_GIL]);
    log->quality.calls_copied_ns = ns_of(control->copied_ns[GT_WIRE_STREAM_CALLS]);
}

/* `units`: of the log, that were taken. Version 3 has a `folder` instead, which log keeps. */
static int read_control(struct gt_agentlog *log, int fd, int folder, uint64_t *units,
                        struct gt_error *err)
{
    struct gt_wire_control *control = calloc(1, sizeof(*control));
    ssize_t got = control ? pread(fd, control, sizeof(*control), 0) : -1;
    int rc = control ? check_control(control, got, folder >= 0, err) : gt_error_memory(err);

    log->quality.stopped_ns = -1;
    if (!rc && control->version == GT_AGENTLOG_VERSION_3)
        rc = gt_agentlog_convert_control(log, control, folder, err);
    if (!rc)
        rc = gt_agentlog_clock_init(&log->clock, control, err);
    if (!rc) {
        take_clocks(&log->clocks, control);
        *units = control->kept_units ? control->kept_units : control->units;
        log->quality.cpus = control->cpus <= MAX_CPUS ? control->cpus : 0;
        take_copied(log, control);
        log->quality.probes_out_ns = (int64_t)(control->probes_out_ns & INT64_MAX);
        log->quality.rest_out = control->perf_out & GT_WIRE_REST_OUT;
        log->quality.rest_lost = control->perf_out & GT_WIRE_REST_LOST;
        log->quality.perf_died = control->perf_out & GT_WIRE_PERF_DIED;
        control->trouble[sizeof(control->trouble) - 1] = '\0';
        if (control->trouble[0])
            gt_agentlog_warn(log, "%s", control->trouble);
        rc = note_stopped(log, control->stopped_ticks, err);
    }
    if (!rc)
        rc = take_stops(log, control, err);
    free(control);
    return rc;
}

/* When the logs were full, or an agent gave up, that is said already. */
static void warn_of_drops(struct gt_agentlog *log)
{
    if (log->quality.dropped && log->quality.stopped_ns < 0 && !log->stop_count &&
        !log->warnings.count)
        gt_agentlog_warn(log,
                         "%llu events were not recorded: they came while the agent was busy "
                         "(from signal handlers, for example)",
                         (unsigned long long)log->quality.dropped);
}

/* `folder`: where the files are; or -1. */
static struct gt_agentlog *open_log(const struct gt_agentlog_files *files, int folder,
                                    const struct gt_agentlog_ends *ends, struct gt_error *err)
{
    struct gt_agentlog *log = calloc(1, sizeof(*log));
    uint64_t units = 0;
    int rc;

    if (!log) {
        gt_error_memory(err);
        return NULL;
    }
    gt_chunks_init(&log->functions, sizeof(struct gt_function));
    gt_hashmap_init(&log->function_of);
    gt_hashmap_init(&log->type_of);
    gt_intern_init(&log->texts);
    gt_strvec_init(&log->warnings);
    if (ends)
        log->ends = *ends;
    log->folder = -1;
    log->file = fcntl(files->log, F_DUPFD_CLOEXEC, 0);
    rc = read_control(log, files->control, folder, &units, err);
    if (!rc && log->folder >= 0)
        rc = gt_agentlog_read_folder(log, err);
    else if (!rc && log->file < 0)
        rc = gt_error_set(err, GT_ERR_FORMAT, "the agent's records are missing");
    else if (!rc)
        rc = gt_agentlog_read_threads(log, units, err);
    if (!rc)
        warn_of_drops(log);
    if (!rc)
        rc = gt_agentlog_find_lives(log, err);
    if (!rc)
        rc = open_cursors(log, err);
    if (rc) {
        gt_agentlog_free(log);
        return NULL;
    }
    return log;
}

struct gt_agentlog *gt_agentlog_open_files(const struct gt_agentlog_files *files,
                                           const struct gt_agentlog_ends *ends,
                                           struct gt_error *err)
{
    return open_log(files, -1, ends, err);
}

struct gt_agentlog *gt_agentlog_open(const char *dir, struct gt_error *err)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct gt_agentlog_files files = {-1, -1};
    struct gt_agentlog *log = NULL;
    struct gt_error why = {0};

    if (folder < 0) {
        gt_error_errno(err, "cannot open the agent's log folder %s", dir);
        return NULL;
    }
    files.control = gt_agentlog_open_file(folder, GT_WIRE_CONTROL_NAME);
    if (files.control >= 0)
        files.log = gt_agentlog_open_file(folder, GT_WIRE_LOG_NAME);
    if (files.control < 0 && errno != ENOENT)
        gt_error_errno(err, "cannot open %s/%s", dir, GT_WIRE_CONTROL_NAME);
    else if (files.control < 0)
        no_agent(&why);
    else if (files.log < 0 && errno != ENOENT)
        gt_error_errno(err, "cannot open %s/%s", dir, GT_WIRE_LOG_NAME);
    else if (!(log = open_log(&files, folder, NULL, &why)) && !why.code)
        gt_error_memory(&why);
    if (why.code)
        gt_error_set(err, why.code, "%s: %s", dir, why.message);
    if (files.control >= 0)
        close(files.control);
    if (files.log >= 0)
        close(files.log);
    close(folder);
    return log;
}

int gt_agentlog_read_clocks(const char *dir, struct gt_clocks *clocks, struct gt_error *err)
{
    struct gt_wire_control *control = calloc(1, sizeof(*control));
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = folder >= 0 ? gt_agentlog_open_file(folder, GT_WIRE_CONTROL_NAME) : -1;
    ssize_t got = control && fd >= 0 ? pread(fd, control, sizeof(*control), 0) : -1;
    int rc = control ? check_control(control, got, false, err) : gt_error_memory(err);

    if (fd < 0)
        rc = gt_error_errno(err, "cannot open %s/%s", dir, GT_WIRE_CONTROL_NAME);
    if (rc == 0)
        take_clocks(clocks, control);
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    free(control);
    return rc;
}

void gt_agentlog_free(struct gt_agentlog *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->thread_count; i++)
        free(log->threads[i].chunks);
    for (size_t i = 0; i < log->heap_count; i++)
        gt_agentlog_cursor_close(&log->heap[i]);
    free(log->heap);
    free(log->threads);
    free(log->processes);
    free(log->marks);
    gt_agentlog_clock_release(&log->clock);
    gt_chunks_release(&log->functions);
    gt_hashmap_release(&log->function_of);
    gt_hashmap_release(&log->type_of);
    gt_intern_release(&log->texts);
    gt_strvec_release(&log->warnings);
    free(log->stops);
    if (log->file >= 0)
        close(log->file);
    if (log->folder >= 0)
        close(log->folder);
    free(log);
}
