/* SPDX-License-Identifier: MIT */
/*
 * Parses one line of `perf script` text into one struct gt_event. No I/O, and no memory but for
 * a table of event names.
 *
 * It understands (launch/PERF.md, "The text of perf script"): lines with the fields
 * comm,pid,tid,cpu,time,event,trace, with the default fields, and without cpu or comm; times in
 * µs or ns; periods before the name of an event; modifiers after it; the PERF_RECORD_* lines of
 * --show-task-events, --show-switch-events, --show-lost-events and --show-mmap-events; both
 * texts of sched_switch; any comm.
 *
 * A comm may look like anything, also like the fields that follow it. It ends where the last
 * ` tid [cpu] time:` begins that begins within 16 bytes.
 */
#ifndef GT_SCRIPT_PARSE_H
#define GT_SCRIPT_PARSE_H

#include "base/chunks.h"
#include "event/event.h"
#include "script/lock_probe.h"
#include "script/prefix.h"

#include <stdbool.h>

enum gt_line_kind {
    GT_LINE_EVENT,   /* `event` is filled */
    GT_LINE_FRAME,   /* `frame` is filled: it belongs to the stack of the event before */
    GT_LINE_END,     /* an empty line: the stack of the event before is complete */
    GT_LINE_COMMENT, /* a line of perf's header, with '#' */
    GT_LINE_UNKNOWN, /* not understood */
};

/* What an event is, as its name says; found out once per name. */
enum gt_event_class {
    GT_CLASS_COND_SIGNAL,
    GT_CLASS_COND_WAIT,
    GT_CLASS_TAKE_ENTER,
    GT_CLASS_TAKE_RETURN,
    GT_CLASS_DROP_ENTER,
    GT_CLASS_DROP_RETURN,
    GT_CLASS_FUTEX_ENTER,
    GT_CLASS_FUTEX_EXIT,
    GT_CLASS_CONTENDED_WAKE, /* launch/probes.h: gt_probes_plan_contended */
    GT_CLASS_CONTENDED_WAIT,
    GT_CLASS_CONTENDED_RETURN,
    GT_CLASS_CONTENDED_BLOCK,
    GT_CLASS_SEMAPHORE_WAIT, /* gt_probes_plan_locks */
    GT_CLASS_SEMAPHORE_RETURN,
    GT_CLASS_SEMAPHORE_GIVE,
    GT_CLASS_SEMAPHORE_MADE,
    GT_CLASS_SCHED_SWITCH,
    GT_CLASS_SCHED_WAKEUP,
    GT_CLASS_SCHED_WAKING,
    GT_CLASS_LIFE,    /* a tracepoint; a PERF_RECORD_* line says the same better */
    GT_CLASS_COUNTER, /* any other event: hardware, software, tracepoint or probe */
};

struct gt_event_name {
    char text[64];
    uint32_t length;
    enum gt_event_class event_class;
};

struct gt_parser {
    struct gt_chunks names; /* of struct gt_event_name; few */
    size_t recent;          /* index of the one that was used last */
    struct gt_prefixes prefixes;
    struct gt_lock_hit lock; /* of the last event of a lock */
};

/* Takes one event, which is valid during the call. A negative result ends the reading. */
typedef int gt_event_sink(void *context, const struct gt_event *event);

/* What an event of this name ("group:name", or "page-faults") is. `on_return`: it is known to
 * be a probe on a function's return. */
enum gt_event_class gt_classify_event(const char *name, size_t length, bool on_return);

void gt_parser_init(struct gt_parser *parser);
void gt_parser_release(struct gt_parser *parser);

/*
 * Parse the line [line, end), without its newline. The byte at `end` must be readable (the
 * newline is). Strings in `event` and `frame` are slices of the line, or the parser's. If the
 * line of an event ends in a frame (`… page-faults:  ffff sym+0x1 (dso)`), both are filled, and
 * event->frames is `frame`.
 */
enum gt_line_kind gt_parse_line(struct gt_parser *parser, const char *line, const char *end,
                                struct gt_event *event, struct gt_frame *frame);

#endif
