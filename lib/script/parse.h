/*
 * One line of `perf script` text → one struct gt_event. Pure: no I/O, no allocation but for
 * the table of event names.
 *
 * Read forms (launch/PERF.md, "The text of perf script"): `-F
 * comm,pid,tid,cpu,time,event,trace`, the default fields, without cpu or comm; times of µs or
 * ns; periods before the event's name; modifiers; PERF_RECORD_* lines of --show-task-events,
 * --show-switch-events and
 * --show-lost-events; both texts of sched_switch; any comm.
 *
 * A line is split from the left: the comm ends where the last ` tid [cpu] time:` that starts
 * within its 16 bytes begins, so that a comm may itself look like anything.
 */
#ifndef GT_SCRIPT_PARSE_H
#define GT_SCRIPT_PARSE_H

#include "base/chunks.h"
#include "event/event.h"

enum gt_line_kind {
    GT_LINE_EVENT,   /* `event` is filled */
    GT_LINE_FRAME,   /* a frame of the stack of the event before it: `frame` is filled */
    GT_LINE_END,     /* an empty line: the stack is complete */
    GT_LINE_COMMENT, /* '#': perf's header */
    GT_LINE_UNKNOWN,
};

/* How an event's name and its arguments are read; found once per name. */
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
    GT_CLASS_SCHED_SWITCH,
    GT_CLASS_SCHED_WAKEUP,
    GT_CLASS_SCHED_WAKING,
    GT_CLASS_LIFE,    /* a tracepoint that says what a PERF_RECORD_* says better */
    GT_CLASS_COUNTER, /* any other event: hardware, software, tracepoints and probes */
};

struct gt_event_name {
    char text[64];
    uint32_t length;
    enum gt_event_class event_class;
};

struct gt_parser {
    struct gt_chunks names; /* of struct gt_event_name; few */
    size_t recent;          /* the last one used */
};

void gt_parser_init(struct gt_parser *parser);
void gt_parser_release(struct gt_parser *parser);

/*
 * Parse the line [line, end), which has no newline. At least one readable byte must follow
 * `end` (the newline itself serves). Slices in `event` and `frame` point into the line.
 * An event line that ends in a frame (`… page-faults:  ffff sym+0x1 (dso)`) fills both, with
 * `event->frame_count` 1 and `event->frames` at `frame`.
 */
enum gt_line_kind gt_parse_line(struct gt_parser *parser, const char *line, const char *end,
                                struct gt_event *event, struct gt_frame *frame);

#endif
