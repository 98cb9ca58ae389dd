/* SPDX-License-Identifier: MIT */
#include "script/prefix.h"

#include "script/text.h"

/* ".092496680:" or ".092496:", from after the point → the position after the colon, or NULL. */
static inline const char *read_fraction(const char *at, const char *end, int64_t *ns)
{
    const char *stop = read_number(at, end, ns);

    if (!stop || stop == end || *stop != ':')
        return NULL;
    switch (stop - at) {
    case 9:
        break;
    case 6:
        *ns *= 1000;
        break;
    case 3:
        *ns *= 1000000;
        break;
    default:
        return NULL;
    }
    return stop + 1;
}

/* "1325.092496680:" → what follows, or NULL. `*point` is what follows the point. */
static inline const char *read_time(const char *at, const char *end, int64_t *time_ns,
                                    const char **point)
{
    int64_t seconds, fraction_ns;
    const char *dot = read_number(at, end, &seconds);

    if (!dot || dot == end || *dot != '.' || seconds > INT64_MAX / 1000000000 - 1)
        return NULL;
    *point = dot + 1;
    at = read_fraction(dot + 1, end, &fraction_ns);
    *time_ns = at ? seconds * 1000000000 + fraction_ns : 0;
    return at;
}

/* " 12744/12744 [001]  1325.085011065:" with its optional parts → what follows, or NULL. */
static const char *read_head(const char *at, const char *end, struct gt_event *event,
                             const char **point)
{
    int64_t first, second = 0, cpu = -1;

    at = read_signed(skip_spaces(at, end), end, &first);
    if (!at || at == end)
        return NULL;
    if (*at == '/') {
        at = read_signed(at + 1, end, &second);
        if (!at || at == end)
            return NULL;
        event->pid = (int32_t)first;
        event->tid = (int32_t)second;
    } else if (at[0] == ' ' && at + 2 < end && at[1] == '-' && is_digit(at[2])) {
        at = read_signed(at + 1, end, &second); /* ":-1 -1", of a thread that is gone */
        if (!at)
            return NULL;
        event->pid = (int32_t)first;
        event->tid = (int32_t)second;
    } else {
        event->pid = 0;
        event->tid = (int32_t)first;
    }
    if (at == end || *at != ' ' || !is_id(first) || !is_id(second))
        return NULL;
    at = skip_spaces(at, end);
    if (at < end && *at == '[') {
        at = read_signed(at + 1, end, &cpu);
        if (!at || at == end || *at != ']' || !is_id(cpu))
            return NULL;
        at = skip_spaces(at + 1, end);
    }
    event->cpu = cpu < 0 ? -1 : (int32_t)cpu;
    return read_time(at, end, &event->time_ns, point);
}

/* The comm is not padded (lines with stacks), or there is none at all: the last place that
 * fits.
 */
static const char *read_unpadded(const char *line, const char *end, struct gt_event *event)
{
    const char *last = end - line > GT_COMM_WIDTH ? line + GT_COMM_WIDTH : end;
    const char *stop, *point, *at = NULL;

    for (stop = last; stop >= line && !at; stop--)
        if (stop == line || stop[-1] != ' ' || stop == last)
            at = *stop == ' ' || stop == line ? read_head(stop, end, event, &point) : NULL;
    stop++;
    if (!at)
        return NULL;
    event->comm = skip_spaces(line, stop);
    event->comm_length = (uint32_t)(stop - event->comm);
    return at;
}

/* --- what is remembered --- */

enum { LEAST_TEXT = GT_COMM_WIDTH + 20 };

/* By the bytes that the ids and the CPU are in, of a line that has so many. */
static inline struct gt_prefix *place_of(struct gt_prefixes *known, const char *line)
{
    const uint64_t mixed =
        eight_bytes(line + GT_COMM_WIDTH + 3) * UINT64_C(0x9e3779b97f4a7c15) ^
        eight_bytes(line + GT_COMM_WIDTH + 11) * UINT64_C(0xc2b2ae3d27d4eb4f);

    return &known->list[mixed >> (64 - GT_PREFIX_BITS)];
}

static inline bool begins_so(const struct gt_prefix *prefix, const char *line, const char *end)
{
    return prefix->length && (size_t)(end - line) > prefix->length &&
           memcmp(line, prefix->text, prefix->length) == 0;
}

static void remember(struct gt_prefix *prefix, const char *line, const char *point,
                     const struct gt_event *event)
{
    prefix->length =
        (size_t)(point - line) <= sizeof(prefix->text) ? (uint32_t)(point - line) : 0;
    memcpy(prefix->text, line, prefix->length);
    prefix->comm_at = (uint32_t)(event->comm - line);
    prefix->pid = event->pid;
    prefix->tid = event->tid;
    prefix->cpu = event->cpu;
    prefix->second_ns = event->time_ns / 1000000000 * 1000000000;
}

static const char *recall(const struct gt_prefix *prefix, const char *line, const char *end,
                          struct gt_event *event)
{
    int64_t fraction_ns;
    const char *at = read_fraction(line + prefix->length, end, &fraction_ns);

    if (!at)
        return NULL;
    event->comm = line + prefix->comm_at;
    event->comm_length = GT_COMM_WIDTH - prefix->comm_at;
    event->pid = prefix->pid;
    event->tid = prefix->tid;
    event->cpu = prefix->cpu;
    event->time_ns = prefix->second_ns + fraction_ns;
    return at;
}

const char *gt_prefix_read(struct gt_prefixes *known, const char *line, const char *end,
                           struct gt_event *event)
{
    struct gt_prefix *prefix;
    const char *at = NULL, *point;

    if (end - line < LEAST_TEXT || line[GT_COMM_WIDTH] != ' ')
        return read_unpadded(line, end, event);
    prefix = place_of(known, line);
    if (begins_so(prefix, line, end))
        at = recall(prefix, line, end, event);
    if (at)
        return at;
    at = read_head(line + GT_COMM_WIDTH, end, event, &point);
    if (!at)
        return read_unpadded(line, end, event);
    event->comm = skip_spaces(line, line + GT_COMM_WIDTH);
    event->comm_length = (uint32_t)(line + GT_COMM_WIDTH - event->comm);
    remember(prefix, line, point, event);
    return at;
}
