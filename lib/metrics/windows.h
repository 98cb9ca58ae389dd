/* SPDX-License-Identifier: MIT */
/*
 * Cuts a stream of events that does not end into stretches of time, each of which gets a
 * timeline of its own, so that memory is bounded however long it goes on. A timeline begins
 * GT_WINDOW_LEAD_NS before its stretch and ends GT_WINDOW_TAIL_NS behind it: a thread that
 * waits calls its timed wait again when the switch interval (5 ms) is over, so who waits at
 * the border is known on both sides. Events of that time are kept, and fed twice.
 */
#ifndef GT_METRICS_WINDOWS_H
#define GT_METRICS_WINDOWS_H

#include "base/error.h"
#include "event/lives.h"
#include "model/feed.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GT_WINDOW_NS      INT64_C(2000000000)
#define GT_WINDOW_LEAD_NS INT64_C(100000000)
#define GT_WINDOW_TAIL_NS INT64_C(20000000)
/* Events of one stretch, and of its borders, that are kept: the rest of it counts as lost. */
enum { GT_WINDOW_EVENTS_MAX = 2000000, GT_BORDER_EVENTS_MAX = 200000 };

/* A stretch is over. */
struct gt_window {
    const struct gt_timeline *timeline; /* finished */
    int64_t since_ns, until_ns;
    int64_t dropped_ns; /* before or behind it, and not known: there were too many events */
    uint64_t events, lost_events;
    const struct gt_lives *lives; /* as it ends; NULL: not known */
};
typedef int (*gt_window_fn)(void *context, const struct gt_window *window,
                            struct gt_error *err);

struct gt_windows_options { /* as in struct gt_ingest_options */
    bool single_gil;
    const struct gt_runtime *runtime;
    const struct gt_probed *probed;
    int64_t realtime_ns;
    int64_t interval_ns; /* the switch interval at the beginning; 0: not known */
};

struct gt_windows {
    struct gt_windows_options options;
    gt_window_fn on_window;
    void *context;
    struct gt_lives lives;        /* before `border` */
    struct gt_timeline *timeline; /* NULL: before the first stretch, or after the last one */
    int64_t since_ns, until_ns;   /* of the stretch */
    int64_t stopped_ns;           /* no event was taken from then on; 0: all were */
    int64_t known_ns;             /* what comes of times before is too late */
    int64_t skipped_ns;           /* before since_ns: too many events at its border */
    uint64_t fed;                 /* into the timeline */
    uint64_t events, lost_events;
    struct gt_event *border; /* events of the time around until_ns, with their strings */
    size_t border_count, border_capacity;
    bool border_full;
    struct gt_error error; /* why _take failed */
};

/* `options` are copied, what they point at is borrowed. Until _begin, of what is taken only
 * lives count. */
void gt_windows_init(struct gt_windows *windows, const struct gt_windows_options *options,
                     gt_window_fn on_window, void *context);
/* The first stretch begins. `attached`: the program runs already. 0 or negative
 * (windows->error). */
int gt_windows_begin(struct gt_windows *windows, int64_t since_ns, bool attached);
void gt_windows_release(struct gt_windows *windows);

/* Take the next event; ends stretches that are over. 0 or negative (windows->error). */
int gt_windows_take(struct gt_windows *windows, const struct gt_event *event);

/* All events up to `now_ns` were taken: end a stretch that is over, though none came since. */
int gt_windows_pass(struct gt_windows *windows, int64_t now_ns);

/* No more events come: the last stretch ends at `until_ns`. */
int gt_windows_finish(struct gt_windows *windows, int64_t until_ns);

#endif
