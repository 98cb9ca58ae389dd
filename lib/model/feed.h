/* SPDX-License-Identifier: MIT */
/*
 * Building a timeline (model/timeline.h) of events.
 *
 *     gt_timeline_new → gt_timeline_feed … → gt_timeline_finish → read it → gt_timeline_free
 */
#ifndef GT_MODEL_FEED_H
#define GT_MODEL_FEED_H

#include "event/event.h"
#include "model/timeline.h"

struct gt_runtime; /* event/pyruntime.h */
struct gt_probed;  /* event/probed_files.h */

/* `single_gil`: no process has more than one GIL (CPython before 3.12). */
struct gt_timeline *gt_timeline_new(bool single_gil, struct gt_error *err);
void gt_timeline_free(struct gt_timeline *timeline);

/* Five settings, all optional, before the first event. Pointers are borrowed until _finish.
 *
 * Where the interpreter's file keeps its GIL: with GT_EVENT_MMAP, its address is known then. */
void gt_timeline_set_runtime(struct gt_timeline *timeline, const struct gt_runtime *runtime);

/* CLOCK_REALTIME minus CLOCK_MONOTONIC: without it, deadlines of CLOCK_REALTIME tell nothing.
 */
void gt_timeline_set_realtime(struct gt_timeline *timeline, int64_t offset_ns);

/* The files that have probes: with GT_EVENT_MMAP, it is known which programs are not seen. */
void gt_timeline_set_probed(struct gt_timeline *timeline, const struct gt_probed *probed);

/*
 * The recording began at `since_ns`, while processes ran already (0: it began with the
 * program), and was ended at `until_ns`, while they ran on (0: it was not). Of what was fed of
 * times before, also of time 0 or less, only lives, names and mappings are taken; nothing of
 * times after. `interval_ns`: the switch interval at the beginning; 0: not known.
 */
void gt_timeline_set_range(struct gt_timeline *timeline, int64_t since_ns, int64_t until_ns,
                           int64_t interval_ns);

/* A counter that was asked for, as the user names it ("page-faults:u"): it is shown even if
 * nothing is counted. 0, or -1: memory is exhausted. */
int gt_counters_expect(struct gt_timeline *timeline, const char *name);

/* Take one event. 0, or -1: memory is exhausted. */
int gt_timeline_feed(struct gt_timeline *timeline, const struct gt_event *event);

/* Was the exit of the main thread of `pid` fed? */
bool gt_timeline_saw_exit(const struct gt_timeline *timeline, int32_t pid);
/* Is a thread with that tid known that has not ended? */
bool gt_timeline_is_alive(const struct gt_timeline *timeline, int32_t tid);

/* The recording ended before the program did: nothing is known from `from_ns` on until the end.
 */
void gt_timeline_ended_early(struct gt_timeline *timeline, int64_t from_ns, int64_t end_ns);

/* The scheduler's events end then, before the other ones: states are not known from there on.
 * Before the first event. */
void gt_timeline_states_ended(struct gt_timeline *timeline, int64_t from_ns);

/* No more events: end what is open, cut lost ranges out, check the invariants, sum up. 0, or
 * GT_ERR_MEMORY. */
int gt_timeline_finish(struct gt_timeline *timeline, struct gt_error *err);

/* Forget the GILs and their spans, after _finish. */
void gt_timeline_drop_gils(struct gt_timeline *timeline);

#endif
