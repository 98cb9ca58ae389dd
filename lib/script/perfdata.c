/* SPDX-License-Identifier: MIT */
#include "script/perfdata.h"

#include "base/error.h"
#include "script/comms.h"
#include "script/rounds.h"
#include "script/sideband.h"
#include "script/tracepoint.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

enum { ATTRS_MAX = 256 };

#define READABLE                                                                               \
    (GT_PERFFORM_COMMON | PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | PERF_SAMPLE_PERIOD |             \
     PERF_SAMPLE_RAW)

struct attr {
    uint64_t config, sample_type;
    uint32_t type;
    const struct gt_tracepoint *tracepoint; /* NULL: none, or not looked for yet */
};

struct gt_perfdata {
    gt_event_sink *sink; /* NULL: only check */
    void *context;
    bool mappings;
    /* The bytes that are still needed: those of records that wait, and of one that is not
     * whole yet. */
    char *window;
    size_t length, capacity;
    uint64_t start; /* where in the recording the window begins */
    uint64_t at;    /* … and the next record */
    uint64_t round_at;
    struct gt_rounds rounds;
    struct gt_comms comms;
    struct gt_perfform form;
    struct attr attrs[ATTRS_MAX];
    uint32_t attr_count;
    struct gt_hashmap attr_of; /* id → its attribute */
    struct gt_chunks tracepoints;
    uint64_t lines;
    struct gt_lock_hit lock; /* of the last event of a lock */
};

bool gt_perfdata_begins(const char *data, size_t length)
{
    uint64_t size;

    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || length < GT_PERFDATA_MAGIC_BYTES ||
        memcmp(data, "PERFILE2", 8) != 0)
        return false;
    memcpy(&size, data + 8, sizeof(size));
    return size == GT_PERFDATA_MAGIC_BYTES;
}

struct gt_perfdata *gt_perfdata_new(gt_event_sink *sink, void *context, bool mappings)
{
    struct gt_perfdata *data = calloc(1, sizeof(*data));

    if (!data)
        return NULL;
    data->sink = sink;
    data->context = context;
    data->mappings = mappings;
    data->at = GT_PERFDATA_MAGIC_BYTES;
    gt_comms_init(&data->comms);
    gt_hashmap_init(&data->attr_of);
    gt_chunks_init(&data->tracepoints, sizeof(struct gt_tracepoint));
    return data;
}

void gt_perfdata_free(struct gt_perfdata *data)
{
    if (!data)
        return;
    free(data->window);
    gt_rounds_release(&data->rounds);
    gt_comms_release(&data->comms);
    gt_hashmap_release(&data->attr_of);
    gt_chunks_release(&data->tracepoints);
    free(data);
}

uint64_t gt_perfdata_lines(const struct gt_perfdata *data)
{
    return data->lines;
}

/* --- what the recording says of itself --- */

static int take_attr(struct gt_perfdata *data, const unsigned char *body, size_t length)
{
    struct attr *attr = &data->attrs[data->attr_count];
    size_t size = length >= 64 ? gt_u32_at(body + 4) : 0;
    int rc;

    if (size < 64 || size > length || data->attr_count == ATTRS_MAX)
        return GT_ERR_UNSUPPORTED;
    rc = gt_perfform_take_attr(&data->form, body, length);
    if (rc < 0)
        return rc;
    *attr = (struct attr){.type = gt_u32_at(body),
                          .config = gt_u64_at(body + 8),
                          .sample_type = gt_u64_at(body + GT_PERF_ATTR_SAMPLE_TYPE_AT)};
    for (; size + 8 <= length; size += 8)
        if (gt_hashmap_put(&data->attr_of, gt_u64_at(body + size), data->attr_count))
            return GT_ERR_MEMORY;
    data->attr_count++;
    return 0;
}

static int take_tracing_data(struct gt_perfdata *data, const unsigned char *body, size_t length)
{
    int rc = data->tracepoints.count
                 ? GT_ERR_FORMAT
                 : gt_tracepoints_read(&data->tracepoints, (const char *)body, length);

    return rc == GT_ERR_FORMAT ? GT_ERR_UNSUPPORTED : rc;
}

/* --- samples --- */

static const struct gt_tracepoint *tracepoint_of(const struct gt_perfdata *data,
                                                 struct attr *attr)
{
    for (size_t i = 0; !attr->tracepoint && i < data->tracepoints.count; i++) {
        const struct gt_tracepoint *one = gt_chunks_at(&data->tracepoints, i);

        if (attr->type == PERF_TYPE_TRACEPOINT && one->id == attr->config)
            attr->tracepoint = one;
    }
    return attr->tracepoint;
}

/* Only an id tells several events apart. */
static struct attr *attr_of(struct gt_perfdata *data, const unsigned char *body, size_t length)
{
    uint32_t index = 0;

    if (data->attr_count > 1) {
        if (!(data->attrs[0].sample_type & PERF_SAMPLE_IDENTIFIER) || length < 8)
            return NULL;
        index = gt_hashmap_get(&data->attr_of, gt_u64_at(body));
    }
    return index < data->attr_count ? &data->attrs[index] : NULL;
}

/* The values stand in the order of the bits, but for the first. */
static bool read_sample(const struct attr *attr, struct gt_record *record,
                        const unsigned char **raw, size_t *raw_length)
{
    static const uint64_t order[] = {
        PERF_SAMPLE_IDENTIFIER, PERF_SAMPLE_IP,   PERF_SAMPLE_TID,
        PERF_SAMPLE_TIME,       PERF_SAMPLE_ADDR, PERF_SAMPLE_ID,
        PERF_SAMPLE_STREAM_ID,  PERF_SAMPLE_CPU,  PERF_SAMPLE_PERIOD};
    const unsigned char *at = record->body, *end = at + record->length;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(attr->sample_type & order[i]))
            continue;
        if (end - at < 8)
            return false;
        if (order[i] == PERF_SAMPLE_TID) {
            record->event.pid = gt_i32_at(at);
            record->event.tid = gt_i32_at(at + 4);
        } else if (order[i] == PERF_SAMPLE_TIME) {
            record->event.time_ns = (int64_t)gt_u64_at(at);
        } else if (order[i] == PERF_SAMPLE_CPU) {
            record->event.cpu = gt_i32_at(at);
        }
        at += 8;
    }
    if (end - at < 4 || gt_u32_at(at) > (size_t)(end - at) - 4)
        return false;
    *raw = at + 4;
    *raw_length = gt_u32_at(at);
    return true;
}

static bool is_readable(const struct attr *attr)
{
    return attr && (attr->sample_type & ~(uint64_t)READABLE) == 0 &&
           attr->sample_type & PERF_SAMPLE_RAW;
}

static int read_event(struct gt_perfdata *data, struct gt_record *record)
{
    struct attr *attr = attr_of(data, record->body, record->length);
    const struct gt_tracepoint *tracepoint;
    const unsigned char *raw;
    size_t length;

    if (!is_readable(attr))
        return GT_ERR_UNSUPPORTED;
    tracepoint = tracepoint_of(data, attr);
    if (!tracepoint || !tracepoint->understood || !read_sample(attr, record, &raw, &length) ||
        !gt_tracepoint_take(tracepoint, raw, length, &data->lock, &record->event))
        return GT_ERR_UNSUPPORTED;
    return 1;
}

/* --- the other records --- */

/* What it says of the names of threads. */
static int take_name(struct gt_perfdata *data, const struct gt_event *event)
{
    int failed = 0;

    if (event->kind == GT_EVENT_COMM || event->kind == GT_EVENT_EXEC)
        failed = gt_comms_set(&data->comms, event->tid, event->new_name.text,
                              event->new_name.length);
    else if (event->kind == GT_EVENT_FORK)
        failed = gt_comms_inherit(&data->comms, event->tid, event->creator.tid);
    return failed ? GT_ERR_MEMORY : 1;
}

/* 1: it is an event; 0: nothing of it is printed; negative: error. */
static int read_other(struct gt_perfdata *data, struct gt_record *record)
{
    int rc = gt_perfform_read_end(&data->form, record) ? gt_sideband_read(record)
                                                       : GT_ERR_UNSUPPORTED;

    if (rc > 0 && record->event.kind == GT_EVENT_MMAP && !data->mappings)
        return 0;
    return rc > 0 ? take_name(data, &record->event) : rc;
}

/* Whose name perf script prints: who a record is about. */
static void add_comm(struct gt_perfdata *data, struct gt_event *event)
{
    event->comm = gt_comms_get(&data->comms, event->tid, &event->comm_length);
}

/* Hand a record over. `at` is where it is in the recording. */
static int deliver(struct gt_perfdata *data, uint64_t at)
{
    const unsigned char *bytes = (unsigned char *)data->window + (at - data->start);
    struct gt_record record = {.type = gt_u32_at(bytes), .body = bytes + GT_PERF_RECORD_BYTES};
    uint16_t size;
    int rc;

    memcpy(&record.misc, bytes + 4, sizeof(record.misc));
    memcpy(&size, bytes + 6, sizeof(size));
    record.length = (size_t)size - GT_PERF_RECORD_BYTES;
    rc = record.type == PERF_RECORD_SAMPLE ? read_event(data, &record)
                                           : read_other(data, &record);
    if (rc <= 0)
        return rc;
    if (!gt_is_task_id(record.event.pid) || !gt_is_task_id(record.event.tid) ||
        record.event.time_ns < 0)
        return GT_ERR_UNSUPPORTED;
    record.event.cpu = record.event.cpu < 0 ? -1 : record.event.cpu;
    add_comm(data, &record.event);
    data->lines++;
    return data->sink ? data->sink(data->context, &record.event) : 0;
}

/* --- rounds --- */

static int end_round(struct gt_perfdata *data, bool final)
{
    size_t count = gt_rounds_end(&data->rounds, final);

    for (size_t i = 0; i < count; i++) {
        int rc = deliver(data, data->rounds.queue[i].offset);

        if (rc < 0)
            return rc;
    }
    gt_rounds_drop(&data->rounds, count);
    return 0;
}

/* Forget the bytes before the first record that waits. */
static void shrink(struct gt_perfdata *data)
{
    uint64_t first = data->at;

    if (data->length == 0)
        return;
    for (size_t i = 0; i < data->rounds.count; i++)
        if (data->rounds.queue[i].offset < first)
            first = data->rounds.queue[i].offset;
    if (first > data->start + data->length)
        first = data->start + data->length;
    data->length -= (size_t)(first - data->start);
    memmove(data->window, data->window + (first - data->start), data->length);
    data->start = first;
}

/* The kernel's records wait for their time; those without one are delivered at once. */
static int queue(struct gt_perfdata *data, const unsigned char *bytes, size_t size)
{
    uint64_t time_ns;

    if (!gt_perfform_time(&data->form, bytes, size, &time_ns))
        return GT_ERR_UNSUPPORTED;
    if (!data->sink || time_ns == 0 || time_ns == UINT64_MAX)
        return deliver(data, data->at);
    return gt_rounds_add(&data->rounds, time_ns, data->at) ? GT_ERR_MEMORY : 0;
}

/* --- records as they come --- */

static bool is_event(uint32_t type)
{
    switch (type) {
    case PERF_RECORD_MMAP:
    case PERF_RECORD_LOST:
    case PERF_RECORD_LOST_SAMPLES:
    case PERF_RECORD_COMM:
    case PERF_RECORD_EXIT:
    case PERF_RECORD_FORK:
    case PERF_RECORD_SAMPLE:
    case PERF_RECORD_MMAP2:
    case PERF_RECORD_SWITCH:
        return true;
    default:
        return false;
    }
}

/* Nothing that perf script prints, or that it prints otherwise because of them. */
static bool is_silent(uint32_t type)
{
    switch (type) {
    case PERF_RECORD_THROTTLE:
    case PERF_RECORD_UNTHROTTLE:
    case PERF_RECORD_NAMESPACES:
    case PERF_RECORD_KSYMBOL:
    case PERF_RECORD_BPF_EVENT:
    case PERF_RECORD_CGROUP:
    case PERF_RECORD_TEXT_POKE:
    case GT_PERF_HEADER_EVENT_TYPE:
    case GT_PERF_HEADER_BUILD_ID:
    case GT_PERF_ID_INDEX:
    case GT_PERF_THREAD_MAP:
    case GT_PERF_CPU_MAP:
    case GT_PERF_EVENT_UPDATE:
    case GT_PERF_TIME_CONV:
    case GT_PERF_HEADER_FEATURE:
    case GT_PERF_FINISHED_INIT:
        return true;
    default:
        return false;
    }
}

/* How long the record at data->at is; 0: it is not whole yet; negative: it has no form, or its
 * round is too long. */
static int64_t whole_size(const struct gt_perfdata *data, const unsigned char *bytes,
                          size_t left)
{
    int64_t size = gt_perfform_size(bytes, left);

    if (data->at - data->round_at + (uint64_t)(size > 0 ? size : 0) > GT_PERFDATA_ROUND_MAX)
        return GT_ERR_UNSUPPORTED;
    return size;
}

static int take_record(struct gt_perfdata *data, const unsigned char *bytes, size_t size)
{
    uint32_t type = gt_u32_at(bytes);

    if (is_event(type))
        return queue(data, bytes, size);
    switch (type) {
    case GT_PERF_FINISHED_ROUND:
        data->round_at = data->at;
        return end_round(data, false);
    case GT_PERF_HEADER_ATTR:
        return take_attr(data, bytes + GT_PERF_RECORD_BYTES, size - GT_PERF_RECORD_BYTES);
    case GT_PERF_HEADER_TRACING_DATA:
        return take_tracing_data(data, bytes + GT_PERF_TRACING_DATA_BYTES,
                                 gt_u32_at(bytes + GT_PERF_RECORD_BYTES));
    default:
        return is_silent(type) ? 0 : GT_ERR_UNSUPPORTED;
    }
}

static int append(struct gt_perfdata *data, const char *bytes, size_t length)
{
    if (data->length + length > data->capacity)
        shrink(data);
    if (data->length + length > data->capacity) {
        size_t capacity = 2 * data->length + length;
        char *grown = realloc(data->window, capacity);

        if (!grown)
            return GT_ERR_MEMORY;
        data->window = grown;
        data->capacity = capacity;
    }
    memcpy(data->window + data->length, bytes, length);
    data->length += length;
    return 0;
}

int gt_perfdata_feed(struct gt_perfdata *data, const char *bytes, size_t length)
{
    int rc = append(data, bytes, length);

    while (rc == 0) {
        size_t offset = (size_t)(data->at - data->start);
        const unsigned char *record = (unsigned char *)data->window + offset;
        int64_t size =
            offset > data->length ? 0 : whole_size(data, record, data->length - offset);

        if (size <= 0)
            return (int)size;
        rc = take_record(data, record, (size_t)size);
        data->at += (uint64_t)size;
    }
    return rc;
}

int gt_perfdata_flush(struct gt_perfdata *data)
{
    return end_round(data, true);
}

void gt_perfdata_forget_names(struct gt_perfdata *data)
{
    enum { MANY = 1 << 16 };

    if (data->comms.names.count < MANY)
        return;
    gt_comms_release(&data->comms);
    gt_comms_init(&data->comms);
}

int gt_perfdata_finish(struct gt_perfdata *data)
{
    if (data->at != data->start + data->length)
        return GT_ERR_UNSUPPORTED;
    return end_round(data, true);
}
