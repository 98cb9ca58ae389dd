/* SPDX-License-Identifier: MIT */
/*
 * One of two reports that are compared, read from its JSON: a summary, or a trace that has one
 * (report/SCHEMA.md). Of a trace, the spans of GILs and the calls are kept, too.
 *
 *     gt_side_init → { gt_side_feed } … → gt_side_finish → … → gt_side_release
 *
 * What makes no sense in it is left out. Times are nanoseconds since the run's own time zero,
 * from 0 to GT_TIME_MOST_NS.
 */
#ifndef GT_COMPARE_SIDE_H
#define GT_COMPARE_SIDE_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "base/split.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { GT_BEFORE, GT_AFTER, GT_SIDES };

struct gt_side_span {
    int64_t start_ns, end_ns;
};

struct gt_side_call {
    int64_t start_ns, end_ns;
    uint32_t function; /* in the names, as gt_side_init says */
};

struct gt_side_thread {
    int32_t pid, tid;
    struct gt_chunks holds,
        waits;              /* of struct gt_side_span; by their starts after _finish, and */
    struct gt_chunks calls; /* of struct gt_side_call: likewise, outer ones first */
};

struct gt_side {
    json_t *summary; /* an object, after _finish */
    bool has_trace;
    int64_t length_ns;        /* of the run */
    struct gt_chunks threads; /* of struct gt_side_thread: those with spans or calls */
    uint64_t left_out;        /* events that make no sense, or come after too many others */

    struct gt_intern *names;     /* private: borrowed */
    struct gt_hashmap thread_of; /* private: by pid and tid */
    struct gt_split split;       /* private */
    json_t *own;                 /* private: keys beside the events */
    uint64_t kept;               /* private */
};

/* `names`, which both sides share, and which must outlive them, get functions as NAME, NUL and
 * the file's name without its folder and line: so a function is the same function in both,
 * wherever it was installed, and when lines were put in before it. */
void gt_side_init(struct gt_side *side, struct gt_intern *names);
void gt_side_release(struct gt_side *side);

/* The next of its bytes. 0 or GT_ERR_MEMORY. */
int gt_side_feed(struct gt_side *side, const char *data, size_t length, struct gt_error *err);

/* That was all. GT_ERR_FORMAT: it is no report of giltracer, of another schema, or cut short;
 * `path` is what messages call it. 0 or negative. */
int gt_side_finish(struct gt_side *side, const char *path, struct gt_error *err);

static inline struct gt_side_thread *gt_side_thread_at(const struct gt_side *side, size_t index)
{
    return gt_chunks_at(&side->threads, index);
}

/* As a key of maps of threads. */
static inline uint64_t gt_side_key(int32_t pid, int32_t tid)
{
    return (uint64_t)(uint32_t)pid << 32 | (uint32_t)tid;
}

/* A time of the summary: the value of an integer key from 0 to GT_TIME_MOST_NS, else 0. */
int64_t gt_side_ns(const json_t *object, const char *key);

#endif
