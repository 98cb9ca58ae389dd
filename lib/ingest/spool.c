/* SPDX-License-Identifier: MIT */
#include "ingest/spool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gt_spool {
    FILE *file;
    uint64_t count;
    int64_t end_ns;
};

struct record {
    int64_t time_ns;
    uint64_t address;    /* LOST: how many events */
    int64_t deadline_ns; /* LOST: since when */
    int32_t pid, tid, cpu;
    uint16_t kind;
    uint16_t of_process;
};

static int fail(struct gt_error *err)
{
    return gt_error_errno(err, "cannot keep the probes' events in a temporary file (set TMPDIR "
                               "to a folder with more room)");
}

_Static_assert(GT_EVENT_KINDS <= UINT16_MAX, "a kind fits into a record");

/* Kernels and file systems that know no O_TMPFILE get a name for a moment. */
static int open_nameless(void)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];
    int fd;

    if (!folder || !*folder)
        folder = "/tmp";
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0 || snprintf(path, sizeof(path), "%s/giltracer-XXXXXX", folder) >= PATH_MAX)
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

struct gt_spool *gt_spool_new(struct gt_error *err)
{
    struct gt_spool *spool = calloc(1, sizeof(*spool));
    int fd;

    if (!spool) {
        gt_error_memory(err);
        return NULL;
    }
    spool->end_ns = -1;
    fd = open_nameless();
    if (fd >= 0)
        spool->file = fdopen(fd, "w+");
    if (spool->file)
        return spool;
    fail(err);
    if (fd >= 0)
        close(fd);
    free(spool);
    return NULL;
}

void gt_spool_free(struct gt_spool *spool)
{
    if (!spool)
        return;
    fclose(spool->file);
    free(spool);
}

int gt_spool_put(struct gt_spool *spool, const struct gt_event *event, struct gt_error *err)
{
    struct record record = {
        .time_ns = event->time_ns,
        .pid = event->pid,
        .tid = event->tid,
        .cpu = event->cpu,
        .kind = (uint16_t)event->kind,
    };

    if (event->kind == GT_EVENT_LOST) {
        record.address = event->lost.events;
        record.deadline_ns = event->lost.since_ns;
        record.of_process = event->lost.of_process;
    } else {
        record.address = event->cond.address;
        record.deadline_ns = event->cond.deadline_ns;
        spool->count++;
        spool->end_ns = event->time_ns;
    }
    if (fwrite(&record, sizeof(record), 1, spool->file) == 1)
        return 0;
    return fail(err);
}

int gt_spool_rewind(struct gt_spool *spool, struct gt_error *err)
{
    if (fflush(spool->file) == 0 && fseek(spool->file, 0, SEEK_SET) == 0)
        return 0;
    return fail(err);
}

int gt_spool_next(struct gt_spool *spool, struct gt_event *event, struct gt_error *err)
{
    struct record record;

    if (fread(&record, sizeof(record), 1, spool->file) != 1)
        return ferror(spool->file)
                   ? gt_error_errno(err, "cannot read the probes' events from a temporary file")
                   : 0;
    *event = (struct gt_event){
        .kind = (enum gt_event_kind)record.kind,
        .time_ns = record.time_ns,
        .pid = record.pid,
        .tid = record.tid,
        .cpu = record.cpu,
    };
    if (event->kind == GT_EVENT_LOST) {
        event->lost.events = record.address;
        event->lost.since_ns = record.deadline_ns;
        event->lost.of_process = record.of_process;
    } else {
        event->cond.address = record.address;
        event->cond.deadline_ns = record.deadline_ns;
    }
    return 1;
}

uint64_t gt_spool_count(const struct gt_spool *spool)
{
    return spool->count;
}

int64_t gt_spool_end_ns(const struct gt_spool *spool)
{
    return spool->end_ns;
}
