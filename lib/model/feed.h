/*
 * The timeline (model/timeline.h) is built from events as they stream in.
 *
 *     gt_timeline_new → gt_timeline_feed … → gt_timeline_finish → read it → gt_timeline_free
 */
#ifndef GT_MODEL_FEED_H
#define GT_MODEL_FEED_H

#include "event/event.h"
#include "model/timeline.h"

struct gt_runtime; /* event/pyruntime.h */
struct gt_probed;  /* event/probed_files.h */

/* `single_gil`: every process is known to have one GIL (CPython before 3.12). */
struct gt_timeline *gt_timeline_new(bool single_gil, struct gt_error *err);
void gt_timeline_free(struct gt_timeline *timeline);

/* What is known of the interpreter's file, borrowed until _finish: with its mappings
 * (GT_EVENT_MMAP) the GIL is told by where it lies. Optional; before the first event. */
void gt_timeline_set_runtime(struct gt_timeline *timeline, const struct gt_runtime *runtime);

/* CLOCK_REALTIME less CLOCK_MONOTONIC, for deadlines of the former. Optional; before the first
 * event. Without it such deadlines tell nothing. */
void gt_timeline_set_realtime(struct gt_timeline *timeline, int64_t offset_ns);

/* Which files have probes, borrowed until _finish: with mappings, who was not seen is known.
 * May be NULL. Before the first event. */
void gt_timeline_set_probed(struct gt_timeline *timeline, const struct gt_probed *probed);

/* A counter that was asked for, as the user names it ("page-faults:u"): it is shown even if
 * nothing is counted. 0, or -1 when memory is exhausted. Before the first event. */
int gt_counters_expect(struct gt_timeline *timeline, const char *name);

/* Take one event. Fails only for lack of memory. */
int gt_timeline_feed(struct gt_timeline *timeline, const struct gt_event *event);

/* Was the exit of a process's main thread recorded? While feeding. */
bool gt_timeline_saw_exit(const struct gt_timeline *timeline, int32_t pid);

/* The recording ended early: nothing is known from `from_ns` until the program's end. Before
 * _finish. */
void gt_timeline_ended_early(struct gt_timeline *timeline, int64_t from_ns, int64_t end_ns);

/* No more events: close what is open, cut lost ranges, check invariants, sum up. */
int gt_timeline_finish(struct gt_timeline *timeline, struct gt_error *err);

/* After _finish: forget the GILs and their spans. */
void gt_timeline_drop_gils(struct gt_timeline *timeline);

#endif
