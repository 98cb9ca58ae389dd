/* SPDX-License-Identifier: MIT */
/*
 * An agent's log folder: the input is the control file up to its stops, STOPS of these, ANCHORS
 * anchors, then the beginnings of the log's units: what lies between is zeros, as in real logs.
 * When it says that it is of version 3 there are no stops, and threads have files of
 * THREAD_UNITS each.
 */
#include "harness.h"

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STOPS = 2,
    ANCHORS = 4,
    PIECE_BYTES = 2048,
    UNITS_MAX = 32,
    THREAD_UNITS = 5,
    THREADS = 4,
};

static int open_file(const char *dir, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0, "cannot write a log");
    return fd;
}

static void write_files_v3(const char *dir, int control, struct input *input)
{
    put(control, input, ANCHORS * sizeof(struct gt_wire_anchor),
        offsetof(struct gt_wire_control, stops));
    for (int thread = 1; thread <= THREADS; thread++) {
        char name[32];
        int fd;

        snprintf(name, sizeof(name), "1-%d-1.log", thread);
        fd = open_file(dir, name);
        for (size_t unit = 0; input->size && unit < THREAD_UNITS; unit++)
            put(fd, input, PIECE_BYTES, unit * GT_WIRE_CHUNK_BYTES);
        close(fd);
    }
}

static void write_file(const char *dir, int control, struct input *input)
{
    int fd = open_file(dir, GT_WIRE_LOG_NAME);

    put(control, input, STOPS * sizeof(struct gt_wire_stop),
        offsetof(struct gt_wire_control, stops));
    put(control, input, ANCHORS * sizeof(struct gt_wire_anchor),
        offsetof(struct gt_wire_control, anchors));
    for (size_t unit = 1; input->size && unit <= UNITS_MAX; unit++)
        put(fd, input, PIECE_BYTES, unit * GT_WIRE_CHUNK_BYTES);
    /* It may be cut within a unit: of the last one there are only as many bytes. */
    close(fd);
}

static void write_logs(const char *dir, const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    int control = open_file(dir, GT_WIRE_CONTROL_NAME);
    uint32_t version = 0;

    if (size >= offsetof(struct gt_wire_control, version) + sizeof(version))
        memcpy(&version, data + offsetof(struct gt_wire_control, version), sizeof(version));
    put(control, &input, offsetof(struct gt_wire_control, stops), 0);
    if (version == 3)
        write_files_v3(dir, control, &input);
    else
        write_file(dir, control, &input);
    close(control);
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
        must(event.comm && event.time_ns >= 0, "an event of nothing");
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
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    struct gt_ingest *ingest;
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
    ingest = gt_ingest_new(&options, NULL);
    must(ingest != NULL, "out of memory");
    gt_ingest_set_agentlog(ingest, log, GT_AGENTLOG_GIL | GT_AGENTLOG_LIVES);
    check_report(ingest, &info, NULL);
    gt_ingest_free(ingest);
    gt_agentlog_free(log);
    return 0;
}
