#include "agentlog/agentlog.h"
#include "agentlog/internal.h"
#include "base/buf.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WARNINGS = 32 };

void gt_agentlog_warn(struct gt_agentlog *log, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gt_text_make_visible(text);
    for (size_t i = 0; i < log->warnings.count; i++)
        if (!strcmp(log->warnings.items[i], text))
            return;
    if (log->warnings.count < MAX_WARNINGS)
        gt_strvec_push(&log->warnings, text); /* a warning lost to lack of memory is no harm */
}

const char *gt_agentlog_warning(const struct gt_agentlog *log, size_t index)
{
    return index < log->warnings.count ? log->warnings.items[index] : NULL;
}

const struct gt_agentlog_quality *gt_agentlog_quality(const struct gt_agentlog *log)
{
    return &log->quality;
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

static int read_control(struct gt_agentlog *log, const char *dir, struct gt_error *err)
{
    struct gt_wire_control *control = calloc(1, sizeof(*control));
    int fd =
        openat(log->dir, GT_WIRE_CONTROL_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got = fd >= 0 && control ? pread(fd, control, sizeof(*control), 0) : -1;
    uint64_t stopped = 0;
    int rc = 0;

    if (!control)
        rc = gt_error_memory(err);
    else if (fd < 0)
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "no agent log in %s: the agent was not loaded (a static or set-uid "
                          "program, or one that clears LD_PRELOAD, cannot be watched this way)",
                          dir);
    else if (got < (ssize_t)offsetof(struct gt_wire_control, anchors) ||
             control->magic != GT_WIRE_MAGIC_CONTROL)
        rc = gt_error_set(err, GT_ERR_FORMAT, "the agent's control file in %s is damaged", dir);
    else if (control->version != GT_WIRE_VERSION)
        rc = gt_error_set(err, GT_ERR_FORMAT,
                          "the agent log in %s is of version %u, this program reads version %d",
                          dir, control->version, GT_WIRE_VERSION);
    else
        rc = gt_agentlog_clock_init(&log->clock, control, err);
    log->quality.stopped_ns = -1;
    if (!rc) {
        log->quality.cpus = control->cpus;
        stopped = control->stopped_ticks;
        control->trouble[sizeof(control->trouble) - 1] = '\0';
        if (control->trouble[0])
            gt_agentlog_warn(log, "%s", control->trouble);
    }
    if (!rc && stopped) {
        struct gt_agentlog_mark mark = {.ticks = stopped, .rank = GT_MARK_STOPPED};

        log->quality.stopped_ns = gt_agentlog_ns(&log->clock, stopped);
        rc = gt_agentlog_mark(log, &mark, err);
    }
    if (fd >= 0)
        close(fd);
    free(control);
    return rc;
}

static int read_folder(struct gt_agentlog *log, const char *dir, struct gt_error *err)
{
    int fd = dup(log->dir);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int rc = 0;

    if (!folder) {
        if (fd >= 0)
            close(fd);
        return gt_error_errno(err, "cannot list %s", dir);
    }
    while (!rc && (entry = readdir(folder))) {
        size_t length = strlen(entry->d_name);
        size_t suffix = strlen(GT_WIRE_LOG_SUFFIX);

        if (length > suffix && !strcmp(entry->d_name + length - suffix, GT_WIRE_LOG_SUFFIX))
            rc = gt_agentlog_add_file(log, entry->d_name, err);
    }
    closedir(folder);
    return rc;
}

/* When the logs were full, or an agent gave up, that is said already. */
static void warn_of_drops(struct gt_agentlog *log)
{
    if (log->quality.dropped && log->quality.stopped_ns < 0 && !log->warnings.count)
        gt_agentlog_warn(log,
                         "%llu events were not recorded: they came while the agent was busy "
                         "(from signal handlers, for example)",
                         (unsigned long long)log->quality.dropped);
}

struct gt_agentlog *gt_agentlog_open(const char *dir, struct gt_error *err)
{
    struct gt_agentlog *log = calloc(1, sizeof(*log));
    int rc;

    if (!log) {
        gt_error_memory(err);
        return NULL;
    }
    gt_chunks_init(&log->functions, sizeof(struct gt_function));
    gt_hashmap_init(&log->function_of);
    gt_intern_init(&log->texts);
    gt_strvec_init(&log->warnings);
    log->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir < 0)
        rc = gt_error_errno(err, "cannot open the agent's log folder %s", dir);
    else
        rc = read_control(log, dir, err);
    if (!rc)
        rc = read_folder(log, dir, err);
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
    gt_intern_release(&log->texts);
    gt_strvec_release(&log->warnings);
    if (log->dir >= 0)
        close(log->dir);
    free(log);
}
