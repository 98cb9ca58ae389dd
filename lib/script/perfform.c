/* SPDX-License-Identifier: MIT */
#include "script/perfform.h"

#include "base/error.h"
#include "script/sideband.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ATTR_BYTES_LEAST = 64,
    ATTR_FLAGS_AT = 40,           /* in struct perf_event_attr */
    ATTR_SAMPLE_ID_ALL = 1 << 18, /* of the flags */
    MINOR_BITS = 20,              /* of a GT_DEVICE */
};

#define NEEDED (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU)

uint32_t gt_perfform_type(const unsigned char *record)
{
    return gt_u32_at(record);
}

int64_t gt_perfform_size(const unsigned char *bytes, size_t left)
{
    uint64_t size;
    uint16_t own;

    if (left < GT_PERF_RECORD_BYTES)
        return 0;
    memcpy(&own, bytes + 6, sizeof(own));
    size = own;
    if (gt_u32_at(bytes) == GT_PERF_HEADER_TRACING_DATA) { /* its data follows the record */
        if (own != GT_PERF_TRACING_DATA_BYTES)
            return GT_ERR_UNSUPPORTED;
        if (left < GT_PERF_TRACING_DATA_BYTES)
            return 0;
        size += ((uint64_t)gt_u32_at(bytes + 8) + 7) & ~UINT64_C(7);
    }
    if (own < GT_PERF_RECORD_BYTES || size > GT_PERFDATA_ROUND_MAX)
        return GT_ERR_UNSUPPORTED;
    return left < size ? 0 : (int64_t)size;
}

int gt_perfform_take_attr(struct gt_perfform *form, const unsigned char *body, size_t length)
{
    uint64_t type;

    if (length < ATTR_BYTES_LEAST)
        return GT_ERR_UNSUPPORTED;
    type = gt_u64_at(body + GT_PERF_ATTR_SAMPLE_TYPE_AT);
    if (!(gt_u64_at(body + ATTR_FLAGS_AT) & ATTR_SAMPLE_ID_ALL) || (type & NEEDED) != NEEDED)
        return GT_ERR_UNSUPPORTED;
    if (form->sample_type && (type ^ form->sample_type) & (GT_PERFFORM_COMMON | PERF_SAMPLE_IP))
        return GT_ERR_UNSUPPORTED;
    if (!form->sample_type)
        form->sample_type = type;
    return 0;
}

bool gt_perfform_read_end(const struct gt_perfform *form, struct gt_record *record)
{
    static const uint64_t order[] = {PERF_SAMPLE_IDENTIFIER, PERF_SAMPLE_CPU,
                                     PERF_SAMPLE_STREAM_ID,  PERF_SAMPLE_ID,
                                     PERF_SAMPLE_TIME,       PERF_SAMPLE_TID};
    const unsigned char *end = record->body + record->length;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(form->sample_type & order[i]))
            continue;
        if (end - record->body < 8)
            return false;
        end -= 8;
        if (order[i] == PERF_SAMPLE_CPU) {
            record->event.cpu = gt_i32_at(end);
        } else if (order[i] == PERF_SAMPLE_TIME) {
            record->event.time_ns = (int64_t)gt_u64_at(end);
        } else if (order[i] == PERF_SAMPLE_TID) {
            record->event.pid = gt_i32_at(end);
            record->event.tid = gt_i32_at(end + 4);
        }
    }
    record->length = (size_t)(end - record->body);
    return true;
}

static struct gt_record record_at(const unsigned char *bytes, size_t size)
{
    struct gt_record record = {.type = gt_u32_at(bytes),
                               .body = bytes + GT_PERF_RECORD_BYTES,
                               .length = size - GT_PERF_RECORD_BYTES};

    memcpy(&record.misc, bytes + 4, sizeof(record.misc));
    return record;
}

bool gt_perfform_time(const struct gt_perfform *form, const unsigned char *bytes, size_t size,
                      uint64_t *time_ns)
{
    struct gt_record record = record_at(bytes, size);
    uint64_t type = form->sample_type;
    /* After the identifier, the address and the thread. */
    size_t at =
        8 * ((type & PERF_SAMPLE_IDENTIFIER) != 0) + 8 * ((type & PERF_SAMPLE_IP) != 0) + 8;

    if (!type)
        return false;
    if (record.type != PERF_RECORD_SAMPLE) {
        if (!gt_perfform_read_end(form, &record))
            return false;
        *time_ns = (uint64_t)record.event.time_ns;
        return true;
    }
    if (record.length < at + 8)
        return false;
    *time_ns = gt_u64_at(record.body + at);
    return true;
}

int gt_perfform_life(const struct gt_perfform *form, const unsigned char *bytes, size_t size,
                     struct gt_event *event)
{
    struct gt_record record = record_at(bytes, size);
    int rc;

    switch (record.type) {
    case PERF_RECORD_COMM:
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        break;
    default:
        return 0;
    }
    if (!form->sample_type || !gt_perfform_read_end(form, &record))
        return GT_ERR_UNSUPPORTED;
    rc = gt_sideband_read(&record);
    *event = record.event;
    return rc;
}

/* --- writing --- */

static void put32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void put64(unsigned char *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

/* A text that ends with NUL, and zeros in the place of the common values, as perf has them
 * there: so its time is 0. */
static int add_record(const struct gt_perfform *form, uint32_t type, const unsigned char *body,
                      size_t length, const char *text, size_t text_length, struct gt_buf *to)
{
    static const char zeros[8 * 8];
    size_t padding = 8 - text_length % 8;
    size_t end = 8 * (size_t)__builtin_popcountll(form->sample_type & GT_PERFFORM_COMMON);
    size_t size = GT_PERF_RECORD_BYTES + length + text_length + padding + end;
    unsigned char header[GT_PERF_RECORD_BYTES];
    uint16_t own = (uint16_t)size, misc = PERF_RECORD_MISC_USER;

    if (size > UINT16_MAX)
        return 0;
    put32(header, type);
    memcpy(header + 4, &misc, sizeof(misc));
    memcpy(header + 6, &own, sizeof(own));
    return gt_buf_add(to, header, sizeof(header)) | gt_buf_add(to, body, length) |
                   gt_buf_add(to, text, text_length) | gt_buf_add(to, zeros, padding) |
                   gt_buf_add(to, zeros, end)
               ? -1
               : 0;
}

int gt_perfform_add_life(const struct gt_perfform *form, const struct gt_event *event,
                         struct gt_buf *to)
{
    unsigned char body[64] = {0};

    put32(body, (uint32_t)event->pid);
    put32(body + 4, (uint32_t)event->tid);
    if (event->kind == GT_EVENT_COMM)
        return add_record(form, PERF_RECORD_COMM, body, 8, event->new_name.text,
                          event->new_name.length, to);
    put64(body + 8, event->mapping.address);
    put64(body + 24, event->mapping.offset);
    put32(body + 32, event->mapping.device >> MINOR_BITS);
    put32(body + 36, event->mapping.device & ((1u << MINOR_BITS) - 1));
    put64(body + 40, event->mapping.inode);
    put32(body + 56, PROT_READ | PROT_EXEC);
    put32(body + 60, MAP_PRIVATE);
    return add_record(form, PERF_RECORD_MMAP2, body, sizeof(body), event->mapping.path,
                      event->mapping.path_length, to);
}
