/* SPDX-License-Identifier: MIT */
#include "script/sideband.h"

#include "base/error.h"
#include "event/probed_files.h"
#include "script/comms.h"
#include "script/text.h"

#include <linux/perf_event.h>

/* Of `misc`: perf_event.h names them for each type of record. */
enum {
    BIT_13 = 1 << 13, /* an exec (COMM), a thread leaves the CPU (SWITCH) */
    BIT_14 = 1 << 14, /* … since it was preempted; a build id follows (MMAP2) */
};

/* A string that ends with NUL within the record. */
static const char *string_at(const struct gt_record *record, size_t at, uint32_t *length)
{
    const char *text = (const char *)record->body + at;
    const char *stop = record->length > at ? memchr(text, '\0', record->length - at) : NULL;

    *length = stop ? (uint32_t)(stop - text) : 0;
    return stop ? text : NULL;
}

static int read_comm(struct gt_record *record)
{
    struct gt_event *event = &record->event;
    uint32_t length;
    const char *name = string_at(record, 8, &length);

    if (!name || length >= GT_COMM_BYTES || gt_i32_at(record->body) < 0 ||
        gt_i32_at(record->body + 4) < 0)
        return GT_ERR_UNSUPPORTED;
    event->kind = record->misc & BIT_13 ? GT_EVENT_EXEC : GT_EVENT_COMM;
    event->pid = gt_i32_at(record->body);
    event->tid = gt_i32_at(record->body + 4);
    event->new_name.text = name;
    event->new_name.length = length;
    return 1;
}

/* struct { u32 pid, ppid, tid, ptid; u64 time; } */
static int read_life(struct gt_record *record)
{
    struct gt_event *event = &record->event;
    int32_t creator_pid, creator_tid;

    if (record->length < 24)
        return GT_ERR_UNSUPPORTED;
    event->kind = record->type == PERF_RECORD_FORK ? GT_EVENT_FORK : GT_EVENT_EXIT;
    event->pid = gt_i32_at(record->body);
    event->tid = gt_i32_at(record->body + 8);
    creator_pid = gt_i32_at(record->body + 4);
    creator_tid = gt_i32_at(record->body + 12);
    if (!gt_is_task_id(event->pid) || !gt_is_task_id(event->tid) ||
        !gt_is_task_id(creator_pid) || !gt_is_task_id(creator_tid))
        return GT_ERR_UNSUPPORTED;
    if (event->kind == GT_EVENT_EXIT)
        return 1;
    event->creator.pid = creator_pid;
    event->creator.tid = creator_tid;
    return 1;
}

/* MMAP: u32 pid, tid; u64 address, length, offset; name. MMAP2 has before its name: u32 major,
 * minor; u64 inode, generation; u32 protection, flags. */
static int read_mapping(struct gt_record *record)
{
    bool second = record->type == PERF_RECORD_MMAP2;
    size_t name_at = second ? 64 : 32;
    struct gt_event *event = &record->event;
    const unsigned char *body = record->body;
    uint32_t length;

    event->mapping.path = string_at(record, name_at, &length);
    event->mapping.path_length = (uint16_t)length; /* a record has less than 64 KiB */
    if (!event->mapping.path || !gt_is_task_id(gt_i32_at(body)) ||
        !gt_is_task_id(gt_i32_at(body + 4)))
        return GT_ERR_UNSUPPORTED;
    event->kind = GT_EVENT_MMAP;
    event->pid = gt_i32_at(body);
    event->tid = gt_i32_at(body + 4);
    event->mapping.address = gt_u64_at(body + 8);
    event->mapping.pages = gt_pages_of(gt_u64_at(body + 16));
    event->mapping.offset = gt_u64_at(body + 24);
    if (!second || record->misc & BIT_14 || gt_u32_at(body + 32) >= 1 << 12 ||
        gt_u32_at(body + 36) >= 1 << 20)
        return 1;
    event->mapping.device = GT_DEVICE(gt_u32_at(body + 32), gt_u32_at(body + 36));
    event->mapping.inode = gt_u64_at(body + 40);
    return 1;
}

static int read_switch(struct gt_record *record)
{
    bool out = record->misc & BIT_13;

    record->event.kind = out ? GT_EVENT_SWITCH_OUT : GT_EVENT_SWITCH_IN;
    if (out && record->misc & BIT_14)
        record->event.switched.state = GT_STATE_RUNNABLE;
    return 1;
}

/* LOST: u64 id, count; LOST_SAMPLES: u64 count. Those without a time are sums, which perf
 * (since 6.1) adds in the end: the losses were told before. */
static int read_lost(struct gt_record *record)
{
    size_t at = record->type == PERF_RECORD_LOST ? 8 : 0;

    if (record->length < at + 8)
        return GT_ERR_UNSUPPORTED;
    if (record->type == PERF_RECORD_LOST_SAMPLES && record->event.time_ns == 0)
        return 0;
    record->event.kind = GT_EVENT_LOST;
    record->event.lost.events = gt_u64_at(record->body + at);
    return 1;
}

int gt_sideband_read(struct gt_record *record)
{
    switch (record->type) {
    case PERF_RECORD_COMM:
        return record->length > 8 ? read_comm(record) : GT_ERR_UNSUPPORTED;
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
        return read_life(record);
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        return read_mapping(record);
    case PERF_RECORD_SWITCH:
        return read_switch(record);
    case PERF_RECORD_LOST:
    case PERF_RECORD_LOST_SAMPLES:
        return read_lost(record);
    default:
        return 0;
    }
}
