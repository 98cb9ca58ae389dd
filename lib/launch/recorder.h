/* SPDX-License-Identifier: MIT */
/*
 * perf record as a child: it begins when it is told to, says that it records, and ends when it
 * is told to, or when all that it records has ended.
 *
 *     gt_recorder_start → on_ready → gt_recorder_stop → on_done → gt_recorder_release
 */
#ifndef GT_LAUNCH_RECORDER_H
#define GT_LAUNCH_RECORDER_H

#include "base/error.h"
#include "launch/caps.h"
#include "launch/child.h"
#include "launch/perfctl.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_recorder;

typedef void (*gt_recorder_fn)(void *context, struct gt_recorder *recorder);

/* perf finds its ends of the control pipes here (gt_plan_record_command). */
enum { GT_RECORDER_CONTROL_FD = 3, GT_RECORDER_ACK_FD = 4 };

struct gt_recorder {
    struct gt_perfctl control;
    struct gt_child child;
    bool spawned;
    bool ready;          /* it records, or is held */
    bool done;           /* it is gone, and so are its pipes; true also before it was started */
    bool stopped;        /* it was told to end */
    int stream;          /* the caller's: a pipe that its data goes into; -1: into a file */
    bool without_syslog; /* the caller's: nothing of the kernel is to be named (become.h) */
    bool stop_word;      /* it knows the word "stop" (perf 5.12) */
    char enable_word[32]; /* that has it record; "enable", unless it is set before the start */
    gt_recorder_fn on_ready, on_done;
    void *context;
};

/* No process yet. */
void gt_recorder_init(struct gt_recorder *recorder, gt_recorder_fn on_ready,
                      gt_recorder_fn on_done, void *context);

/*
 * Starts it with perf record's argument vector, which has it write to standard output: that is
 * a new file, `data_path`, which is made here, with giltracer's rights. perf, which may have
 * more (rights.h), is given no path that somebody could lead elsewhere. `held`: it does not
 * record yet, and on_ready says that it waits. After a failure there is still no process. With
 * a `stream`, which the caller closes, there is no file.
 *
 * Until it is told to end it is asked 20 times a second to write what it has; so most of a
 * recording is there when it is killed, or the disk is full.
 */
int gt_recorder_start(struct gt_recorder *recorder, const struct gt_caps *caps, uv_loop_t *loop,
                      char *const *argv, const char *data_path, bool held,
                      struct gt_error *err);

/* Let one that is held record; on_ready is called again. */
void gt_recorder_enable(struct gt_recorder *recorder);

/* Have it write what it has, and end. Harmless when it is gone, or was told before. */
void gt_recorder_stop(struct gt_recorder *recorder);

/* End it at once: TERM, and KILL after `grace_ms`. */
void gt_recorder_kill(struct gt_recorder *recorder, uint64_t grace_ms);

/* Of one that is done: it ended by itself, as perf does when every traced thread has, or as it
 * was told to. */
bool gt_recorder_ended_well(const struct gt_recorder *recorder);

/* Of one that is done: until when (CLOCK_MONOTONIC) all that it recorded is surely in the file;
 * 0: not known. INT64_MAX: to the end, since it ended well. */
int64_t gt_recorder_written_ns(const struct gt_recorder *recorder);

/* And what it has to say, in one line of at most `size` - 1 bytes; "": nothing. */
void gt_recorder_complaint(const struct gt_recorder *recorder, char *text, size_t size);

/* Closes its pipes, by `loop`, and frees the rest. It must be done. */
void gt_recorder_release(struct gt_recorder *recorder, uv_loop_t *loop);

#endif
