/*
 * An agent's log folder: the input is the control file's first part, then threads' logs of
 * THREAD_BYTES each, of which each piece is the beginning of a chunk: what lies between is
 * zeros, as in real logs.
 */
#include "harness.h"

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONTROL_BYTES = offsetof(struct gt_wire_control, anchors) + 64,
    PIECE_BYTES = 2048,
    THREAD_BYTES = 8 * PIECE_BYTES,
    THREADS_MAX = 4,
};

/* Pieces of `piece` bytes, `distance` apart. */
static void write_file(const char *dir, const char *name, const uint8_t *data, size_t size,
                       size_t piece, off_t distance)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, "cannot write a log");
    for (off_t at = 0; size; at += distance) {
        size_t length = size < piece ? size : piece;

        must(pwrite(fd, data, length, at) == (ssize_t)length, "cannot write a log");
        data += length;
        size -= length;
    }
    close(fd);
}

static void write_logs(const char *dir, const uint8_t *data, size_t size)
{
    size_t length = size < CONTROL_BYTES ? size : CONTROL_BYTES;

    write_file(dir, GT_WIRE_CONTROL_NAME, data, length, CONTROL_BYTES, 0);
    for (int thread = 0; thread < THREADS_MAX; thread++) {
        char name[32];

        data += length;
        size -= length;
        length = size < THREAD_BYTES ? size : THREAD_BYTES;
        snprintf(name, sizeof(name), "1-%d-1.log", thread);
        write_file(dir, name, data, length, PIECE_BYTES, GT_WIRE_CHUNK_BYTES);
    }
}

static struct gt_agentlog *open_log(const char *dir)
{
    struct gt_error err = {0};
    struct gt_agentlog *log = gt_agentlog_open(dir, &err);

    must(log || (err.code && err.message[0]), "refused without a reason");
    return log;
}

static void check_events(struct gt_agentlog *log)
{
    struct gt_event event;

    while (gt_agentlog_next(log, &event, NULL) > 0)
        must(event.text && event.comm && event.time_ns >= 0, "an event of nothing");
}

static char *dir;

static void remove_dir(void)
{
    gt_fs_remove_tree(dir, NULL);
    free(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    struct gt_report *report;
    struct gt_agentlog *log;

    if (!dir) {
        dir = gt_fs_private_dir(NULL);
        must(dir && atexit(remove_dir) == 0, "no folder");
    }
    write_logs(dir, data, size);
    log = open_log(dir);
    if (!log)
        return 0;
    check_events(log);
    gt_agentlog_free(log);
    log = open_log(dir);
    report = gt_report_new(GT_DETECT_GIL, &info, NULL);
    must(report != NULL, "out of memory");
    gt_report_set_agentlog(report, log, GT_AGENTLOG_GIL | GT_AGENTLOG_LIVES);
    check_report(report);
    gt_report_free(report);
    gt_agentlog_free(log);
    return 0;
}
