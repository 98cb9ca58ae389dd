/* SPDX-License-Identifier: MIT */
#include "event/probed_files.h"
#include "script/text.h"

/* The PERF_RECORD_* lines of --show-task-events, --show-switch-events, --show-lost-events and
 * --show-mmap-events. */

/* "(pid:tid)" → the position after it, or NULL. */
static const char *read_task(const char *at, const char *end, int32_t *pid, int32_t *tid)
{
    int64_t first, second;

    if (at == end || *at != '(' || !(at = read_signed(at + 1, end, &first)))
        return NULL;
    if (at == end || *at != ':' || !(at = read_signed(at + 1, end, &second)))
        return NULL;
    if (at == end || *at != ')' || !is_id(first) || !is_id(second))
        return NULL;
    *pid = (int32_t)first;
    *tid = (int32_t)second;
    return at + 1;
}

/* "PERF_RECORD_FORK(p:t):(pp:pt)" and EXIT alike. */
static enum gt_line_kind parse_task(const char *at, const char *end, enum gt_event_kind kind,
                                    struct gt_event *event)
{
    int32_t parent_pid, parent_tid;

    at = read_task(at, end, &event->pid, &event->tid);
    if (!at || at == end || *at != ':' || !read_task(at + 1, end, &parent_pid, &parent_tid))
        return GT_LINE_UNKNOWN;
    event->kind = kind;
    if (kind == GT_EVENT_FORK) {
        event->creator.pid = parent_pid;
        event->creator.tid = parent_tid;
    }
    return GT_LINE_EVENT;
}

/* "[ exec]: name:pid/tid", where name may hold anything: read it from the end. */
static enum gt_line_kind parse_comm(const char *at, const char *end, struct gt_event *event)
{
    int64_t pid, tid;
    const char *slash = memrchr(at, '/', (size_t)(end - at));
    const char *colon = slash ? memrchr(at, ':', (size_t)(slash - at)) : NULL;
    const char *name;

    event->kind = end - at > 5 && memcmp(at, " exec", 5) == 0 ? GT_EVENT_EXEC : GT_EVENT_COMM;
    name = at + (event->kind == GT_EVENT_EXEC ? 5 : 0);
    if (!colon || colon < name + 2 || name[0] != ':' ||
        read_number(colon + 1, slash, &pid) != slash || !read_number(slash + 1, end, &tid) ||
        pid > INT32_MAX || tid > INT32_MAX)
        return GT_LINE_UNKNOWN;
    event->new_name.text = name + 2;
    event->new_name.length = (uint32_t)(colon - event->new_name.text);
    event->pid = (int32_t)pid;
    event->tid = (int32_t)tid;
    return GT_LINE_EVENT;
}

static bool starts_with(const char *at, const char *end, const char *word, const char **after)
{
    size_t length = strlen(word);

    if ((size_t)(end - at) < length || memcmp(at, word, length) != 0)
        return false;
    *after = at + length;
    return true;
}

/* "fe:00 73606 0": device, inode, generation. Absent of MMAP records; a build id has another
 * form. */
static void read_identity(const char *at, const char *end, struct gt_event *event)
{
    uint64_t major, minor;
    int64_t inode;

    at = read_hex(skip_spaces(at, end), end, &major);
    if (!at || at == end || *at != ':' || !(at = read_hex(at + 1, end, &minor)) || at == end ||
        *at != ' ' || !(at = read_number(at + 1, end, &inode)) || at == end || *at != ' ' ||
        major >= 1 << 12 || minor >= 1 << 20)
        return;
    event->mapping.device = GT_DEVICE(major, minor);
    event->mapping.inode = (uint64_t)inode;
}

/* " 12/13: [0x7fef4cb06000(0x273000) @ 0x106000 fe:00 73606 0]: r-xp /usr/lib/x.so": which
 * file is mapped where, from which offset on. */
static enum gt_line_kind parse_mmap(const char *at, const char *end, struct gt_event *event)
{
    const char *bracket = memmem(at, (size_t)(end - at), ": [0x", 5), *from, *path;
    uint64_t bytes;
    int64_t pid, tid;

    at = read_signed(skip_spaces(at, end), end, &pid);
    if (!at || at == end || *at != '/' || !(at = read_signed(at + 1, end, &tid)) ||
        at != bracket || !is_id(pid) || !is_id(tid))
        return GT_LINE_UNKNOWN;
    at = read_hex(bracket + 5, end, &event->mapping.address);
    if (at && end - at > 3 && memcmp(at, "(0x", 3) == 0 && read_hex(at + 3, end, &bytes))
        event->mapping.pages = gt_pages_of(bytes);
    from = at ? memmem(at, (size_t)(end - at), " @ ", 3) : NULL;
    if (!from)
        return GT_LINE_UNKNOWN;
    from += 3;
    if (end - from > 2 && from[0] == '0' && from[1] == 'x')
        from += 2;
    at = read_hex(from, end, &event->mapping.offset);
    path = at ? memmem(at, (size_t)(end - at), "]: ", 3) : NULL;
    if (path)
        read_identity(at, path, event);
    path = path ? memchr(path + 3, ' ', (size_t)(end - path - 3)) : NULL;
    if (!path || end - path - 1 > UINT16_MAX)
        return GT_LINE_UNKNOWN;
    event->kind = GT_EVENT_MMAP;
    event->mapping.path = path + 1;
    event->mapping.path_length = (uint16_t)(end - path - 1);
    event->pid = (int32_t)pid;
    event->tid = (int32_t)tid;
    return GT_LINE_EVENT;
}

enum gt_line_kind gt_parse_record(const char *at, const char *end, struct gt_event *event)
{
    int64_t lost;

    if (starts_with(at, end, "SWITCH", &at)) {
        /* "SWITCH_CPU_WIDE" of -a recordings reads alike: " IN", " OUT", " OUT preempt" */
        bool preempted = has(at, (size_t)(end - at), "preempt");

        event->kind =
            has(at, (size_t)(end - at), " OUT") ? GT_EVENT_SWITCH_OUT : GT_EVENT_SWITCH_IN;
        event->switched.state = preempted ? GT_STATE_RUNNABLE : 0;
        return GT_LINE_EVENT;
    }
    if (starts_with(at, end, "FORK", &at))
        return parse_task(at, end, GT_EVENT_FORK, event);
    if (starts_with(at, end, "EXIT", &at))
        return parse_task(at, end, GT_EVENT_EXIT, event);
    if (starts_with(at, end, "COMM", &at))
        return parse_comm(at, end, event);
    if (starts_with(at, end, "LOST_SAMPLES", &at) || starts_with(at, end, "LOST", &at)) {
        at = memmem(at, (size_t)(end - at), "lost ", 5);
        if (!at || !read_number(at + 5, end, &lost))
            return GT_LINE_UNKNOWN;
        event->kind = GT_EVENT_LOST;
        event->lost.events = (uint64_t)lost;
        return GT_LINE_EVENT;
    }
    if (starts_with(at, end, "MMAP2", &at) || starts_with(at, end, "MMAP", &at))
        return parse_mmap(at, end, event);
    event->kind = GT_EVENT_OTHER; /* NAMESPACES, … */
    event->tid = -1;
    return GT_LINE_EVENT;
}
