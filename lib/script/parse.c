/* SPDX-License-Identifier: MIT */
#include "script/parse.h"

#include "script/prefix.h"
#include "script/text.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <string.h>
#include <sys/param.h>

void gt_parser_init(struct gt_parser *parser)
{
    memset(parser, 0, sizeof(*parser));
    gt_chunks_init(&parser->names, sizeof(struct gt_event_name));
}

void gt_parser_release(struct gt_parser *parser)
{
    gt_chunks_release(&parser->names);
}

/* "cycles:u", "cpu-clock:ppp": what perf prints after an event's name are modifiers. */
static bool is_modifiers(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr("ukhHGpPSDIeWb", text[i]) || !text[i])
            return false;
    return true;
}

static bool in_group(const char *name, const char *colon, const char *group)
{
    size_t length = strlen(group);

    return (size_t)(colon - name) == length && memcmp(name, group, length) == 0;
}

static bool starts(const char *event, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(event, word, strlen(word)) == 0;
}

/* "(7f9a0a15d120 <- 7f9a0a15d3b9) …": the text of a probe on a function's return. */
static bool is_return_text(const char *at, const char *end)
{
    static const char arrow[] = " <- ";
    uint64_t address;

    at = at < end && *at == '(' ? read_hex(at + 1, end, &address) : NULL;
    return at && (size_t)(end - at) >= sizeof(arrow) - 1 &&
           memcmp(at, arrow, sizeof(arrow) - 1) == 0;
}

/* Probe names are given by people and by perf (`_1`, `__return`): look for the words. Where a
 * name is taken, perf's own is `take_gil_2` on the return, too: there only `on_return` tells.
 */
enum gt_event_class gt_classify_event(const char *name, size_t length, bool on_return)
{
    const char *colon = memchr(name, ':', length);
    const char *event = colon ? colon + 1 : name;
    size_t rest = length - (size_t)(event - name);
    bool is_return = on_return || has(event, rest, "__return");

    if (!colon || is_modifiers(event, rest))
        return GT_CLASS_COUNTER;
    if (starts(event, rest, "sys_enter_futex"))
        return GT_CLASS_FUTEX_ENTER;
    if (starts(event, rest, "sys_exit_futex"))
        return GT_CLASS_FUTEX_EXIT;
    if (starts(event, rest, "sched_switch"))
        return GT_CLASS_SCHED_SWITCH;
    if (starts(event, rest, "sched_wakeup"))
        return GT_CLASS_SCHED_WAKEUP;
    if (starts(event, rest, "sched_waking"))
        return GT_CLASS_SCHED_WAKING;
    if (starts(event, rest, "sched_process_"))
        return GT_CLASS_LIFE;
    if (starts(event, rest, "contended_wake"))
        return GT_CLASS_CONTENDED_WAKE;
    if (starts(event, rest, "contended_wait"))
        return is_return ? GT_CLASS_CONTENDED_RETURN : GT_CLASS_CONTENDED_WAIT;
    if (starts(event, rest, "contended_block"))
        return GT_CLASS_CONTENDED_BLOCK;
    if (starts(event, rest, "semaphore_wait"))
        return is_return ? GT_CLASS_SEMAPHORE_RETURN : GT_CLASS_SEMAPHORE_WAIT;
    if (starts(event, rest, "semaphore_give"))
        return GT_CLASS_SEMAPHORE_GIVE;
    if (starts(event, rest, "semaphore_made"))
        return GT_CLASS_SEMAPHORE_MADE;
    if (has(event, rest, "take_gil"))
        return is_return ? GT_CLASS_TAKE_RETURN : GT_CLASS_TAKE_ENTER;
    if (has(event, rest, "drop_gil"))
        return is_return ? GT_CLASS_DROP_RETURN : GT_CLASS_DROP_ENTER;
    if (is_return || in_group(name, colon, "syscalls") || in_group(name, colon, "signal"))
        return GT_CLASS_COUNTER; /* "signal:signal_generate" is the kernel's */
    if (has(event, rest, "cond_signal") || starts(event, rest, "signal"))
        return GT_CLASS_COND_SIGNAL;
    if (has(event, rest, "timedwait") || has(event, rest, "clockwait") ||
        starts(event, rest, "wait"))
        return GT_CLASS_COND_WAIT;
    return GT_CLASS_COUNTER;
}

static const struct gt_event_name *name_at(const struct gt_parser *parser, size_t index)
{
    return gt_chunks_at(&parser->names, index);
}

static bool same_name(const struct gt_event_name *name, const char *text, size_t length)
{
    return name->length == length && memcmp(name->text, text, length) == 0;
}

/* `at`: the text after the name. Events of one name are all of one class. */
static enum gt_event_class class_of(struct gt_parser *parser, const char *text, size_t length,
                                    const char *at, const char *end)
{
    struct gt_event_name *name;

    for (size_t i = 0; i < parser->names.count; i++)
        if (same_name(name_at(parser, i), text, length)) {
            parser->recent = i;
            return name_at(parser, i)->event_class;
        }
    /* Hostile text could hold a million names: a few hundred are remembered. */
    name = length < sizeof(name->text) && parser->names.count < 256
               ? gt_chunks_push(&parser->names)
               : NULL;
    if (!name)
        return gt_classify_event(text, length, is_return_text(at, end));
    memcpy(name->text, text, length);
    name->length = (uint32_t)length;
    name->event_class = gt_classify_event(text, length, is_return_text(at, end));
    parser->recent = parser->names.count - 1;
    return name->event_class;
}

/* "(7f46234a5e20) cond=0x7f4623b4e720": the first argument, whatever it is called. */
static bool parse_address(const char *at, const char *end, struct gt_event *event)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));

    if (!equals || end - equals < 4 || equals[1] != '0' || equals[2] != 'x')
        return false;
    return read_hex(equals + 3, end, &event->cond.address) != NULL;
}

/*
 * "prev_comm=A prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=B next_pid=2 next_prio=120"
 * or "A:1 [120] S ==> B:2 [120]": where the arrow is, and the number of the task that follows.
 * Both names may hold arrows and numbers themselves, but what follows the second has no name
 * in it: read from the end, and take the farthest arrow that leaves no more room than a
 * name's.
 */
static const char *find_arrow(const char *at, const char *end, const char **next_tid)
{
    const char *stop = memrchr(at, '=', (size_t)(end - at));
    bool keys = stop && stop - at > 10 && memcmp(stop - 10, " next_prio", 10) == 0;
    const char *mark = keys ? " ==> next_comm=" : " ==> ";
    ptrdiff_t room = (ptrdiff_t)strlen(mark) + GT_COMM_WIDTH - 1;

    stop = memrchr(at, keys ? '=' : ':', (size_t)((keys ? stop : end) - at));
    if (!stop)
        return NULL;
    *next_tid = stop + 1;
    if (keys && stop - at > 9)
        stop -= 9; /* "next_pid" and its space belong to no name */
    if (stop - at > room)
        at = stop - room;
    return memmem(at, (size_t)(stop - at), mark, strlen(mark));
}
/* "prev_state=R+ ==>" or "[120] R ==>": letters, '|' and '+' before " ==> ". */
static void parse_switch(const char *at, const char *end, struct gt_event *event)
{
    const char *next_tid;
    const char *arrow = find_arrow(at, end, &next_tid);
    const char *letter;
    int64_t value;

    event->switched.state = 0;
    for (letter = arrow; letter && letter > at && letter[-1] != ' ' && letter[-1] != '=';
         letter--)
        switch (letter[-1]) {
        case 'R':
            event->switched.state |= GT_STATE_RUNNABLE;
            break;
        case 'S':
            event->switched.state |= GT_STATE_SLEEPING;
            break;
        case 'D':
            event->switched.state |= GT_STATE_UNINTERRUPTIBLE;
            break;
        case 'T':
        case 't':
            event->switched.state |= GT_STATE_STOPPED;
            break;
        case 'X':
        case 'x':
        case 'Z':
            event->switched.state |= GT_STATE_DEAD;
            break;
        case 'I':
        case 'P':
            event->switched.state |= GT_STATE_IDLE;
            break;
        default:
            break;
        }
    if (arrow && read_number(next_tid, end, &value) && is_id(value))
        event->switched.next_tid = (int32_t)value;
}

/* "comm=NAME pid=15 prio=120 target_cpu=001" or the plugin's "NAME:15 [120] … CPU:001": who. */
static bool parse_wakeup(const char *at, const char *end, struct gt_event *event)
{
    const char *pid = memmem(at, (size_t)(end - at), " pid=", 5);
    const char *later;
    int64_t value;

    /* The last " pid=": the name before it may hold one too. */
    while (pid && (later = memmem(pid + 1, (size_t)(end - pid - 1), " pid=", 5)))
        pid = later;
    if (pid) {
        if (!read_number(pid + 5, end, &value))
            return false;
    } else {
        const char *bracket = memrchr(at, '[', (size_t)(end - at));
        const char *colon = bracket ? memrchr(at, ':', (size_t)(bracket - at)) : NULL;

        if (!colon || !read_number(colon + 1, bracket, &value))
            return false;
    }
    if (!is_id(value))
        return false;
    event->woken_tid = (int32_t)value;
    return true;
}

/* The number that follows `key`, which is to be found after `at`; false when it is not. */
static bool parse_key(const char *at, const char *end, const char *key, uint64_t *value)
{
    const char *found = memmem(at, (size_t)(end - at), key, strlen(key));

    return found && read_hex(found + strlen(key), end, value);
}

/* "FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG": the number of those that matter, without flags. */
static uint32_t futex_operation(const char *at, const char *end)
{
    static const char *const names[] = {
        [FUTEX_WAIT] = "WAIT",
        [FUTEX_WAKE] = "WAKE",
        [FUTEX_FD] = "FD",
        [FUTEX_REQUEUE] = "REQUEUE",
        [FUTEX_CMP_REQUEUE] = "CMP_REQUEUE",
        [FUTEX_WAKE_OP] = "WAKE_OP",
        [FUTEX_LOCK_PI] = "LOCK_PI",
        [FUTEX_UNLOCK_PI] = "UNLOCK_PI",
        [FUTEX_TRYLOCK_PI] = "TRYLOCK_PI",
        [FUTEX_WAIT_BITSET] = "WAIT_BITSET",
        [FUTEX_WAKE_BITSET] = "WAKE_BITSET",
    };
    const char *stop = at;

    while (stop < end && *stop != '|' && *stop != ' ')
        stop++;
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == (size_t)(stop - at) &&
            memcmp(names[i], at, (size_t)(stop - at)) == 0)
            return i;
    return UINT32_MAX;
}

/* "uaddr: 0x00a5b8f8, op: 0x00000081, val: …, utime: 0x…, …" or, of libtraceevent's plugin,
 * "op=FUTEX_WAKE|FUTEX_PRIVATE_FLAG uaddr=0xa5b8f8 val=1", with what the operation uses. */
static bool parse_futex(const char *at, const char *end, struct gt_event *event)
{
    static const char plugin[] = "op=FUTEX_";
    uint64_t operation, timeout = 0;

    if (end - at > (ptrdiff_t)sizeof(plugin) && memcmp(at, plugin, sizeof(plugin) - 1) == 0) {
        event->futex.operation = futex_operation(at + sizeof(plugin) - 1, end);
        event->futex.timed = parse_key(at, end, "utime=0x", &timeout) && timeout;
        return parse_key(at, end, "uaddr=0x", &event->futex.address);
    }
    if (!parse_key(at, end, "uaddr: 0x", &event->futex.address) ||
        !parse_key(at, end, "op: 0x", &operation) || !parse_key(at, end, "utime: 0x", &timeout))
        return false;
    event->futex.operation = (uint32_t)operation;
    event->futex.timed = timeout != 0;
    return true;
}

/* "(7f90ee4feebd) uaddr=0xa5b8f0 op=0x81", of a probe on the system call. */
static bool parse_wake(const char *at, const char *end, struct gt_event *event)
{
    uint64_t operation;

    if (!parse_key(at, end, " uaddr=0x", &event->futex.address) ||
        !parse_key(at, end, " op=0x", &operation))
        return false;
    event->futex.operation = (uint32_t)operation;
    return true;
}

/* "(7f90ee4feebd <- 7f9a0a15d3b9) result=0x6e", of a probe on the return; "0x0" or
 * "0xffffffffffffff92", of the system call. */
static bool parse_result(const char *at, const char *end, const char *key,
                         struct gt_event *event)
{
    uint64_t result;

    if (!parse_key(at, end, key, &result))
        return false;
    event->result = (int64_t)result;
    return true;
}

/* "(7f90…) cond=0xa5b8c8 sec=2560 nsec=313198719": in ns; 0 when it is not there. */
static int64_t parse_deadline(const char *at, const char *end)
{
    const char *seconds_at = memmem(at, (size_t)(end - at), " sec=", 5);
    const char *rest_at = memmem(at, (size_t)(end - at), " nsec=", 6);
    int64_t seconds, rest;

    if (!seconds_at || !rest_at || !read_number(seconds_at + 5, end, &seconds) ||
        !read_number(rest_at + 6, end, &rest) || seconds > INT64_MAX / 1000000000 - 1 ||
        rest >= 1000000000)
        return 0;
    return seconds * 1000000000 + rest;
}

/* The deadline, and the mutex: "… mutex=0xa5b8f8"; each is 0 when it is not there. */
static void parse_wait(const char *at, const char *end, struct gt_event *event)
{
    event->cond.deadline_ns = parse_deadline(at, end);
    if (!parse_key(at, end, " mutex=0x", &event->cond.mutex))
        event->cond.mutex = 0;
}

/* "(7f90…) sem=0x7f…" */
static bool parse_semaphore(const char *at, const char *end, enum gt_event_class event_class,
                            struct gt_event *event)
{
    bool given = event_class == GT_CLASS_SEMAPHORE_GIVE;

    event->kind = given ? GT_EVENT_SEM_POST : GT_EVENT_SEM_NEW;
    event->sync.since_ns = given ? GT_NOT_SEEN : 0;
    return parse_key(at, end, " sem=0x", &event->sync.object);
}

static void parse_class(struct gt_parser *parser, enum gt_event_class event_class,
                        const char *at, const char *end, struct gt_event *event)
{
    switch (event_class) {
    case GT_CLASS_COND_SIGNAL:
    case GT_CLASS_COND_WAIT:
        event->kind =
            event_class == GT_CLASS_COND_WAIT ? GT_EVENT_COND_WAIT : GT_EVENT_COND_SIGNAL;
        if (!parse_address(at, end, event))
            event->kind = GT_EVENT_OTHER; /* a probe without its argument tells nothing */
        else if (event_class == GT_CLASS_COND_WAIT)
            parse_wait(at, end, event);
        break;
    case GT_CLASS_TAKE_ENTER:
        event->kind = GT_EVENT_TAKE_ENTER;
        break;
    case GT_CLASS_TAKE_RETURN:
        event->kind = GT_EVENT_TAKE_RETURN;
        break;
    case GT_CLASS_DROP_ENTER:
        event->kind = GT_EVENT_DROP_ENTER;
        break;
    case GT_CLASS_DROP_RETURN:
        event->kind = GT_EVENT_DROP_RETURN;
        break;
    case GT_CLASS_SCHED_SWITCH:
        event->kind = GT_EVENT_SCHED_SWITCH;
        parse_switch(at, end, event);
        break;
    case GT_CLASS_SCHED_WAKEUP:
    case GT_CLASS_SCHED_WAKING:
        event->kind = event_class == GT_CLASS_SCHED_WAKEUP ? GT_EVENT_SCHED_WAKEUP
                                                           : GT_EVENT_SCHED_WAKING;
        if (!parse_wakeup(at, end, event))
            event->kind = GT_EVENT_OTHER;
        break;
    case GT_CLASS_FUTEX_ENTER:
        event->kind = parse_futex(at, end, event) ? GT_EVENT_FUTEX_ENTER : GT_EVENT_OTHER;
        break;
    case GT_CLASS_FUTEX_EXIT:
        event->kind = GT_EVENT_FUTEX_EXIT;
        if (starts(at, (size_t)(end - at), "0x"))
            parse_result(at, end, "0x", event);
        break;
    case GT_CLASS_CONTENDED_WAKE:
        event->kind = parse_wake(at, end, event) ? GT_EVENT_FUTEX_ENTER : GT_EVENT_OTHER;
        break;
    case GT_CLASS_CONTENDED_WAIT:
    case GT_CLASS_CONTENDED_BLOCK:
        event->kind = parse_address(at, end, event) ? GT_EVENT_BLOCK_ENTER : GT_EVENT_OTHER;
        if (event_class == GT_CLASS_CONTENDED_WAIT) {
            parse_wait(at, end, event);
            event->cond.deadline_ns = MAX(event->cond.deadline_ns, (int64_t)GT_NO_DEADLINE);
        }
        break;
    case GT_CLASS_CONTENDED_RETURN:
        event->kind =
            parse_result(at, end, "result=0x", event) ? GT_EVENT_BLOCK_EXIT : GT_EVENT_OTHER;
        break;
    case GT_CLASS_SEMAPHORE_WAIT:
        gt_lock_probe_parse(at, end, &parser->lock, event);
        break;
    case GT_CLASS_SEMAPHORE_RETURN:
        event->kind =
            parse_result(at, end, "result=0x", event) ? GT_EVENT_SEM_RETURN : GT_EVENT_OTHER;
        break;
    case GT_CLASS_SEMAPHORE_GIVE:
    case GT_CLASS_SEMAPHORE_MADE:
        if (!parse_semaphore(at, end, event_class, event))
            event->kind = GT_EVENT_OTHER;
        break;
    case GT_CLASS_COUNTER:
        event->kind = GT_EVENT_COUNTER;
        break;
    case GT_CLASS_LIFE:
        event->kind = GT_EVENT_OTHER;
        break;
    }
}

/* The parenthesis that opens a frame's object. Symbols ("run(int)+0x1f") and paths
 * ("/tmp/a.so (deleted)") hold parentheses too; what tells is the offset before it. */
static const char *find_dso(const char *at, const char *end)
{
    const char *open = memmem(at, (size_t)(end - at), "+0x", 3);

    if (open) {
        for (open += 3; open < end && *open != ' ';)
            open++;
        if (end - open > 2 && open[1] == '(')
            return open + 1;
    }
    if (end - at > 11 && memcmp(at, "[unknown] (", 11) == 0)
        return at + 10;
    open = memmem(at, (size_t)(end - at), " (/", 3);
    return open ? open + 1 : memrchr(at, '(', (size_t)(end - at));
}

/* "\t    7f88 PyEval_Foo+0x28 (/usr/bin/python3.11)"; false when it is no frame. */
static bool parse_frame(const char *at, const char *end, struct gt_frame *frame)
{
    const char *open, *plus;

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    at = read_hex(at, end, &frame->address);
    if (!at || at >= end || *at != ' ' || end[-1] != ')')
        return false;
    at = skip_spaces(at, end);
    open = find_dso(at, end);
    if (!open)
        return false;
    frame->dso = open + 1;
    frame->dso_length = (uint32_t)(end - 1 - frame->dso);
    frame->symbol = at;
    if (open > at && open[-1] == ' ')
        open--;
    plus = memrchr(at, '+', (size_t)(open - at));
    if (plus && (open - plus < 3 || plus[1] != '0' || plus[2] != 'x'))
        plus = NULL; /* "operator+" printed without its offset */
    frame->symbol_length = (uint32_t)((plus ? plus : open) - at);
    return true;
}

static bool ends_name(const char *colon, const char *end)
{
    return colon + 1 == end || colon[1] == ' ';
}

/* The colon after an event's name, which may hold others; NULL: there is none. */
static const char *end_of_name(const char *name, const char *end)
{
    const char *stop = name;

    while ((stop = memchr(stop, ':', (size_t)(end - stop))) && !ends_name(stop, end))
        stop++;
    return stop;
}

/* The name of the event before, if this one has it, too, as most have; else NULL. */
static const struct gt_event_name *same_as_before(const struct gt_parser *parser,
                                                  const char *name, const char *end)
{
    const struct gt_event_name *recent =
        parser->recent < parser->names.count ? name_at(parser, parser->recent) : NULL;

    return recent && (size_t)(end - name) > recent->length && name[recent->length] == ':' &&
                   ends_name(name + recent->length, end) &&
                   same_name(recent, name, recent->length)
               ? recent
               : NULL;
}

/* After the time: an optional period, the event's name, its text. */
static enum gt_line_kind parse_event(struct gt_parser *parser, const char *at, const char *end,
                                     struct gt_event *event, struct gt_frame *frame)
{
    const struct gt_event_name *known;
    const char *name, *stop, *after;
    int64_t period = 0, number;

    at = skip_spaces(at, end);
    if (at < end && is_digit(*at)) {
        after = read_number(at, end, &number);
        if (after && after < end && *after == ' ') {
            period = number;
            at = skip_spaces(after, end);
        }
    }
    name = at;
    if (end - name > 12 && memcmp(name, "PERF_RECORD_", 12) == 0)
        return gt_parse_record(name + 12, end, event);
    known = same_as_before(parser, name, end);
    stop = known ? name + known->length : end_of_name(name, end);
    if (!stop || stop == name)
        return GT_LINE_UNKNOWN;
    event->name = name;
    event->name_length = (uint32_t)(stop - name);
    at = skip_spaces(stop + 1, end);
    parse_class(parser,
                known ? known->event_class
                      : class_of(parser, name, (size_t)(stop - name), at, end),
                at, end, event);
    if (event->kind != GT_EVENT_COUNTER)
        return GT_LINE_EVENT;
    event->period = (uint64_t)period;
    if (at < end && parse_frame(at, end, frame)) {
        event->frames = frame;
        event->frame_count = 1;
    }
    return GT_LINE_EVENT;
}

enum gt_line_kind gt_parse_line(struct gt_parser *parser, const char *line, const char *end,
                                struct gt_event *event, struct gt_frame *frame)
{
    const char *after;

    if (line == end)
        return GT_LINE_END;
    if (*line == '\t' && parse_frame(line, end, frame))
        return GT_LINE_FRAME;
    memset(event, 0, sizeof(*event));
    after = gt_prefix_read(&parser->prefixes, line, end, event);
    if (after)
        return parse_event(parser, after, end, event, frame);
    if (*line == '#')
        return GT_LINE_COMMENT; /* not before: a thread may be called "#1" */
    return *line == ' ' && parse_frame(line, end, frame) ? GT_LINE_FRAME : GT_LINE_UNKNOWN;
}
