/* SPDX-License-Identifier: MIT */
#include "script/tracepoint.h"

#include "base/error.h"
#include "script/text.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

/* The values of each class, by the names that giltracer's probes and the kernel give them. */
enum { ADDRESS, SECONDS, NANOSECONDS, MUTEX }; /* of a condition variable's */
enum { STATE, NEXT_TID };                      /* of sched_switch */
enum { FUTEX_ADDRESS, FUTEX_OPERATION, TIME }; /* of a futex call */
                                               /* enum gt_lock_value: of a semaphore's */

/* A NUL-terminated copy of a format would cost memory: all reading is between two pointers. */
struct text {
    const char *at, *end;
};

/* --- formats --- */

static const char *find(const struct text *text, const char *word)
{
    return memmem(text->at, (size_t)(text->end - text->at), word, strlen(word));
}

/* The number after `key`; false where there is none. */
static bool number_after(const struct text *text, const char *key, int64_t *value)
{
    const char *found = find(text, key);

    return found && read_number(found + strlen(key), text->end, value);
}

/* The next line that describes a field; false when there are no more. */
static bool next_field(struct text *format, struct text *line)
{
    static const char key[] = "field:";
    const char *found = find(format, key), *stop;

    if (!found)
        return false;
    line->at = found + sizeof(key) - 1;
    stop = memchr(line->at, '\n', (size_t)(format->end - line->at));
    line->end = format->at = stop ? stop : format->end;
    return true;
}

/* "unsigned long cond;	offset:16;	size:8;	signed:0;": what is before the first ';' ends
 * with the name. */
static bool is_named(const struct text *line, const char *name)
{
    const char *stop = memchr(line->at, ';', (size_t)(line->end - line->at));
    size_t length = strlen(name);

    return stop && (size_t)(stop - line->at) > length &&
           memcmp(stop - length, name, length) == 0 && stop[-(ptrdiff_t)length - 1] == ' ';
}

static bool find_value(struct text format, const char *name, struct gt_tracepoint_value *value)
{
    int64_t offset, size, is_signed;
    struct text line;

    while (next_field(&format, &line)) {
        if (!is_named(&line, name))
            continue;
        if (!number_after(&line, "offset:", &offset) || !number_after(&line, "size:", &size) ||
            !number_after(&line, "signed:", &is_signed) || offset > UINT16_MAX ||
            (size != 1 && size != 2 && size != 4 && size != 8))
            return false;
        *value = (struct gt_tracepoint_value){(uint16_t)offset, (uint8_t)size, is_signed != 0};
        return true;
    }
    return false;
}

/* Has it any argument of its own? */
static bool has_arguments(struct text format)
{
    struct text line;

    while (next_field(&format, &line)) {
        const char *stop = memchr(line.at, ';', (size_t)(line.end - line.at));
        struct text name = {line.at, stop ? stop : line.end};

        if (!find(&name, " common_") && !find(&name, " __probe_"))
            return true;
    }
    return false;
}

static uint32_t state_of_letter(char letter)
{
    switch (letter) {
    case 'S':
        return GT_STATE_SLEEPING;
    case 'D':
        return GT_STATE_UNINTERRUPTIBLE;
    case 'T':
    case 't':
        return GT_STATE_STOPPED;
    case 'X':
    case 'x':
    case 'Z':
        return GT_STATE_DEAD;
    case 'I':
    case 'P':
        return GT_STATE_IDLE;
    case 'R':
        return GT_STATE_RUNNABLE;
    default:
        return 0;
    }
}

/* The bits of prev_state differ between kernels: `{ 0x00000001, "S" }, { 0x00000002, "D" }, …`
 * stands in the format. */
static void read_states(struct gt_tracepoint *tracepoint, struct text format)
{
    static const char key[] = "{ 0x";

    while ((format.at = find(&format, key)) && tracepoint->state_count < GT_TASK_STATES) {
        uint64_t bit;
        const char *after = read_hex(format.at + sizeof(key) - 1, format.end, &bit);

        format.at += sizeof(key) - 1;
        if (!after || format.end - after < 4 || memcmp(after, ", \"", 3) != 0)
            continue;
        tracepoint->states[tracepoint->state_count].bit = bit;
        tracepoint->states[tracepoint->state_count++].state = state_of_letter(after[3]);
    }
}

/* Probes that people made may have other arguments, in any order: perf script prints them. */
static bool read_mutex(struct gt_tracepoint *tracepoint, const struct text *format)
{
    struct gt_tracepoint_value *mutex = &tracepoint->values[MUTEX];

    return !find(format, " mutex=0x") ||
           (find_value(*format, "mutex", mutex) && mutex->size == 8);
}

static bool read_condition(struct gt_tracepoint *tracepoint, const struct text *format)
{
    struct gt_tracepoint_value *values = tracepoint->values;

    if (!has_arguments(*format))
        return true;
    if (!find_value(*format, "cond", &values[ADDRESS]) || values[ADDRESS].size != 8 ||
        !find(format, ") cond=0x%"))
        return false;
    return !find(format, " sec=") ||
           (find_value(*format, "sec", &values[SECONDS]) &&
            find_value(*format, "nsec", &values[NANOSECONDS]) && values[SECONDS].size == 8 &&
            values[SECONDS].is_signed && values[NANOSECONDS].size == 8 &&
            values[NANOSECONDS].is_signed && read_mutex(tracepoint, format));
}

/* That of an object is not fetched from each Python. */
static bool read_lock(struct gt_tracepoint *tracepoint, const struct text *format)
{
    for (int i = 0; i < GT_LOCK_VALUES; i++)
        if (!find_value(*format, gt_lock_value_names[i], &tracepoint->values[i]) &&
            (i < GT_LOCK_VALUES_NEEDED || tracepoint->values[i].size))
            return false;
    return find(format, ") sem=0x%");
}

static bool read_values(struct gt_tracepoint *tracepoint, const struct text *format)
{
    struct gt_tracepoint_value *values = tracepoint->values;

    switch (tracepoint->event_class) {
    case GT_CLASS_COND_SIGNAL:
    case GT_CLASS_COND_WAIT:
    case GT_CLASS_CONTENDED_WAIT:
    case GT_CLASS_CONTENDED_BLOCK:
        return read_condition(tracepoint, format);
    case GT_CLASS_TAKE_ENTER:
    case GT_CLASS_TAKE_RETURN:
    case GT_CLASS_DROP_ENTER:
    case GT_CLASS_DROP_RETURN:
    case GT_CLASS_LIFE:
        return true;
    case GT_CLASS_SCHED_SWITCH:
        read_states(tracepoint, *format);
        return tracepoint->state_count > 0 &&
               find_value(*format, "prev_state", &values[STATE]) &&
               find_value(*format, "next_pid", &values[NEXT_TID]);
    case GT_CLASS_SCHED_WAKEUP:
    case GT_CLASS_SCHED_WAKING:
        return find_value(*format, "pid", &values[0]);
    case GT_CLASS_FUTEX_ENTER:
        return find_value(*format, "uaddr", &values[FUTEX_ADDRESS]) &&
               find_value(*format, "op", &values[FUTEX_OPERATION]) &&
               find_value(*format, "utime", &values[TIME]);
    case GT_CLASS_FUTEX_EXIT:
        return find_value(*format, "ret", &values[0]);
    case GT_CLASS_CONTENDED_WAKE:
        return find_value(*format, "uaddr", &values[FUTEX_ADDRESS]) &&
               find_value(*format, "op", &values[FUTEX_OPERATION]);
    case GT_CLASS_CONTENDED_RETURN:
    case GT_CLASS_SEMAPHORE_RETURN:
        return find_value(*format, "result", &values[0]);
    case GT_CLASS_SEMAPHORE_WAIT:
        return read_lock(tracepoint, format);
    case GT_CLASS_SEMAPHORE_GIVE:
    case GT_CLASS_SEMAPHORE_MADE:
        return find_value(*format, "sem", &values[0]) && find(format, ") sem=0x%");
    case GT_CLASS_COUNTER:
        break;
    }
    return false;
}

/* "name: sched_switch\nID: 316\nformat:\n…" of the group `group`. */
static int read_format(struct gt_chunks *tracepoints, const char *group,
                       const struct text *format)
{
    static const char key[] = "name: ";
    const char *name = find(format, key), *stop;
    struct gt_tracepoint *tracepoint;
    int64_t id;
    int length;

    if (!name || !number_after(format, "\nID: ", &id))
        return GT_ERR_FORMAT;
    name += sizeof(key) - 1;
    stop = memchr(name, '\n', (size_t)(format->end - name));
    if (!stop)
        return GT_ERR_FORMAT;
    tracepoint = gt_chunks_push(tracepoints);
    if (!tracepoint)
        return GT_ERR_MEMORY;
    *tracepoint = (struct gt_tracepoint){.id = (uint64_t)id};
    length = snprintf(tracepoint->name, sizeof(tracepoint->name), "%s:%.*s", group,
                      (int)MIN(stop - name, 64), name);
    if (length < 0 || (size_t)length >= sizeof(tracepoint->name))
        return 0; /* perf script understands it */
    tracepoint->name_length = (uint32_t)length;
    tracepoint->event_class =
        gt_classify_event(tracepoint->name, (size_t)length, find(format, "__probe_ret_ip"));
    tracepoint->understood = read_values(tracepoint, format);
    for (int i = 0; i < GT_TRACEPOINT_VALUES; i++)
        tracepoint->bytes = MAX(tracepoint->bytes, (uint32_t)tracepoint->values[i].offset +
                                                       tracepoint->values[i].size);
    return 0;
}

/* --- tracing data --- */

static bool skip(struct text *data, uint64_t bytes)
{
    if ((uint64_t)(data->end - data->at) < bytes)
        return false;
    data->at += bytes;
    return true;
}

static bool take_u32(struct text *data, uint32_t *value)
{
    const char *at = data->at;

    if (!skip(data, sizeof(*value)))
        return false;
    memcpy(value, at, sizeof(*value));
    return true;
}

/* A file: its size in 64 bits, and its bytes. */
static bool take_file(struct text *data, struct text *file)
{
    const char *at = data->at;
    uint64_t size;

    if (!skip(data, sizeof(size)))
        return false;
    memcpy(&size, at, sizeof(size));
    file->at = data->at;
    if (!skip(data, size))
        return false;
    file->end = data->at;
    return true;
}

static bool take_string(struct text *data, const char **string)
{
    const char *stop = memchr(data->at, '\0', (size_t)(data->end - data->at));

    *string = data->at;
    return stop && skip(data, (uint64_t)(stop + 1 - data->at));
}

/* "\x17\x08\x44tracing", version, whether it is big-endian, size of a long, size of a page,
 * and the formats of ftrace's own events. */
static bool skip_head(struct text *data)
{
    static const char magic[] = "\x17\x08\x44tracing";
    const char *string;
    struct text file;
    uint32_t count;

    if (data->end - data->at < (ptrdiff_t)sizeof(magic) ||
        memcmp(data->at, magic, sizeof(magic) - 1) != 0 || !skip(data, sizeof(magic) - 1) ||
        !take_string(data, &string) || !skip(data, 2 + sizeof(uint32_t)) ||
        !take_string(data, &string) || strcmp(string, "header_page") != 0 ||
        !take_file(data, &file) || !take_string(data, &string) ||
        strcmp(string, "header_event") != 0 || !take_file(data, &file) ||
        !take_u32(data, &count))
        return false;
    for (; count > 0; count--)
        if (!take_file(data, &file))
            return false;
    return true;
}

int gt_tracepoints_read(struct gt_chunks *tracepoints, const char *data, size_t length)
{
    struct text text = {data, data + length}, format;
    uint32_t groups, events;
    const char *group;
    int rc = 0;

    if (!skip_head(&text) || !take_u32(&text, &groups))
        return GT_ERR_FORMAT;
    for (; groups > 0; groups--) {
        if (!take_string(&text, &group) || !take_u32(&text, &events))
            return GT_ERR_FORMAT;
        for (; rc == 0 && events > 0; events--)
            rc = take_file(&text, &format) ? read_format(tracepoints, group, &format)
                                           : GT_ERR_FORMAT;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- values --- */

/* As a 64-bit number, extended by its sign if it has one. The caller has checked the length. */
static uint64_t value_of(const struct gt_tracepoint_value *value, const unsigned char *raw)
{
    uint64_t result = 0;
    unsigned shift = 64 - 8u * value->size;

    memcpy(&result, raw + value->offset, value->size); /* little-endian */
    return value->is_signed && shift ? (uint64_t)((int64_t)(result << shift) >> shift) : result;
}

/* As parse_deadline of perf script's text. */
static int64_t deadline_of(const struct gt_tracepoint *tracepoint, const unsigned char *raw)
{
    int64_t seconds, rest;

    if (!tracepoint->values[SECONDS].size)
        return 0;
    seconds = (int64_t)value_of(&tracepoint->values[SECONDS], raw);
    rest = (int64_t)value_of(&tracepoint->values[NANOSECONDS], raw);
    if (seconds < 0 || rest < 0 || seconds > INT64_MAX / 1000000000 - 1 || rest >= 1000000000)
        return 0;
    return seconds * 1000000000 + rest;
}

static uint32_t states_of(const struct gt_tracepoint *tracepoint, uint64_t bits)
{
    uint32_t states = 0;

    for (uint32_t i = 0; i < tracepoint->state_count; i++)
        if (bits & tracepoint->states[i].bit)
            states |= tracepoint->states[i].state;
    return states ? states : GT_STATE_RUNNABLE;
}

static void take_condition(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                           struct gt_event *event)
{
    static const enum gt_event_kind kinds[] = {
        [GT_CLASS_COND_SIGNAL] = GT_EVENT_COND_SIGNAL,
        [GT_CLASS_COND_WAIT] = GT_EVENT_COND_WAIT,
        [GT_CLASS_CONTENDED_WAIT] = GT_EVENT_BLOCK_ENTER,
        [GT_CLASS_CONTENDED_BLOCK] = GT_EVENT_BLOCK_ENTER,
    };
    enum gt_event_class class = tracepoint->event_class;

    event->kind = kinds[class];
    if (!tracepoint->values[ADDRESS].size) {
        event->kind = GT_EVENT_OTHER; /* a probe without its argument tells nothing */
        return;
    }
    event->cond.address = value_of(&tracepoint->values[ADDRESS], raw);
    if (tracepoint->values[MUTEX].size)
        event->cond.mutex = value_of(&tracepoint->values[MUTEX], raw);
    if (class == GT_CLASS_COND_WAIT)
        event->cond.deadline_ns = deadline_of(tracepoint, raw);
    else if (class == GT_CLASS_CONTENDED_WAIT)
        event->cond.deadline_ns = MAX(deadline_of(tracepoint, raw), (int64_t)GT_NO_DEADLINE);
}

static void take_futex(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                       struct gt_event *event)
{
    const struct gt_tracepoint_value *values = tracepoint->values;

    event->kind = GT_EVENT_FUTEX_ENTER;
    event->futex.address = value_of(&values[FUTEX_ADDRESS], raw);
    event->futex.operation = (uint32_t)value_of(&values[FUTEX_OPERATION], raw);
    event->futex.timed = values[TIME].size && value_of(&values[TIME], raw);
}

/* What is not recorded is 0. */
static void take_lock(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                      struct gt_lock_hit *lock, struct gt_event *event)
{
    uint64_t values[GT_LOCK_VALUES];

    for (int i = 0; i < GT_LOCK_VALUES; i++)
        values[i] = tracepoint->values[i].size ? value_of(&tracepoint->values[i], raw) : 0;
    gt_lock_probe_read(values, lock, event);
}

static void take_values(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                        struct gt_event *event)
{
    static const enum gt_event_kind plain[] = {
        [GT_CLASS_TAKE_ENTER] = GT_EVENT_TAKE_ENTER,
        [GT_CLASS_TAKE_RETURN] = GT_EVENT_TAKE_RETURN,
        [GT_CLASS_DROP_ENTER] = GT_EVENT_DROP_ENTER,
        [GT_CLASS_DROP_RETURN] = GT_EVENT_DROP_RETURN,
        [GT_CLASS_FUTEX_EXIT] = GT_EVENT_FUTEX_EXIT,
        [GT_CLASS_CONTENDED_RETURN] = GT_EVENT_BLOCK_EXIT,
        [GT_CLASS_SEMAPHORE_RETURN] = GT_EVENT_SEM_RETURN,
        [GT_CLASS_SEMAPHORE_GIVE] = GT_EVENT_SEM_POST,
        [GT_CLASS_SEMAPHORE_MADE] = GT_EVENT_SEM_NEW,
        [GT_CLASS_SCHED_SWITCH] = GT_EVENT_SCHED_SWITCH,
        [GT_CLASS_SCHED_WAKEUP] = GT_EVENT_SCHED_WAKEUP,
        [GT_CLASS_SCHED_WAKING] = GT_EVENT_SCHED_WAKING,
        [GT_CLASS_LIFE] = GT_EVENT_OTHER,
    };
    const struct gt_tracepoint_value *values = tracepoint->values;

    event->kind = plain[tracepoint->event_class];
    switch (tracepoint->event_class) {
    case GT_CLASS_FUTEX_EXIT:
    case GT_CLASS_CONTENDED_RETURN:
    case GT_CLASS_SEMAPHORE_RETURN:
        event->result = (int64_t)value_of(&values[0], raw);
        break;
    case GT_CLASS_SEMAPHORE_GIVE:
        event->sync.since_ns = GT_NOT_SEEN;
        event->sync.object = value_of(&values[0], raw);
        break;
    case GT_CLASS_SEMAPHORE_MADE:
        event->sync.object = value_of(&values[0], raw);
        break;
    case GT_CLASS_SCHED_SWITCH:
        event->switched.state = states_of(tracepoint, value_of(&values[STATE], raw));
        event->switched.next_tid = (int32_t)value_of(&values[NEXT_TID], raw);
        break;
    case GT_CLASS_SCHED_WAKEUP:
    case GT_CLASS_SCHED_WAKING:
        event->woken_tid = (int32_t)value_of(&values[0], raw);
        break;
    default:
        break;
    }
}

bool gt_tracepoint_take(const struct gt_tracepoint *tracepoint, const unsigned char *raw,
                        size_t length, struct gt_lock_hit *lock, struct gt_event *event)
{
    if (tracepoint->bytes > length)
        return false;
    event->name = tracepoint->name;
    event->name_length = tracepoint->name_length;
    switch (tracepoint->event_class) {
    case GT_CLASS_COND_SIGNAL:
    case GT_CLASS_COND_WAIT:
    case GT_CLASS_CONTENDED_WAIT:
    case GT_CLASS_CONTENDED_BLOCK:
        take_condition(tracepoint, raw, event);
        return true;
    case GT_CLASS_FUTEX_ENTER:
    case GT_CLASS_CONTENDED_WAKE:
        take_futex(tracepoint, raw, event);
        return true;
    case GT_CLASS_SEMAPHORE_WAIT:
        take_lock(tracepoint, raw, lock, event);
        return true;
    default:
        take_values(tracepoint, raw, event);
        return true;
    }
}
