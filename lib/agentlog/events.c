/* SPDX-License-Identifier: MIT */
/* Marks and records, merged by time, as events. */
#include "agentlog/agentlog.h"
#include "agentlog/internal.h"

#include <stdlib.h>
#include <string.h>

static struct gt_event *queue_event(struct gt_agentlog *log, enum gt_event_kind kind,
                                    uint64_t ticks, int32_t pid, int32_t tid)
{
    struct gt_event *event = &log->queue[log->queue_count++];

    memset(event, 0, sizeof(*event));
    event->kind = kind;
    event->time_ns = gt_agentlog_ns(&log->clock, ticks);
    event->pid = pid;
    event->tid = tid;
    event->cpu = -1;
    event->comm = "";
    return event;
}

static struct gt_event *queue_name(struct gt_agentlog *log, enum gt_event_kind kind,
                                   uint64_t ticks, int32_t pid, int32_t tid, uint32_t name)
{
    struct gt_event *event = queue_event(log, kind, ticks, pid, tid);

    event->new_name.text = gt_intern_text(&log->texts, name);
    event->new_name.length = (uint32_t)gt_intern_length(&log->texts, name);
    return event;
}

static void process_start(struct gt_agentlog *log, const struct gt_agentlog_process *process)
{
    uint64_t at = process->start_ticks;
    int32_t pid = process->pid;
    struct gt_event *event;

    /* Neither fork nor exec was seen of one to which the agent was attached. */
    if (process->exec_of == UINT32_MAX && !(process->origin.flags & GT_WIRE_ATTACHED)) {
        event = queue_event(log, GT_EVENT_FORK, at, pid, pid);
        event->creator.pid = process->origin.parent_pid;
        event->creator.tid = process->origin.parent_tid;
    }
    if (!(process->origin.flags & (GT_WIRE_FORKED | GT_WIRE_ATTACHED)))
        queue_name(log, GT_EVENT_EXEC, at, pid, pid,
                   process->comm ? process->comm : process->program);
    queue_name(log, GT_EVENT_COMM, at, pid, pid, process->comm);
}

/* A thread is born when its creator says so, at the latest when its log begins, or was there
 * already. */
static void thread_start(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                         uint64_t ticks, int32_t creator)
{
    const struct gt_wire_thread *header = &thread->header;
    struct gt_event *event;

    if (thread->born)
        return;
    thread->born = true;
    if (!(header->flags & GT_WIRE_ATTACHED)) {
        event = queue_event(log, GT_EVENT_FORK, ticks, header->pid, header->tid);
        event->creator.pid = header->pid;
        event->creator.tid = creator;
    }
    queue_name(log, GT_EVENT_COMM, ticks, header->pid, header->tid, thread->comm);
}

/* The thread of this process whose log began first after it was created with that ident. Where
 * the thread was left out, that is a later one, of the same ident: so that only those are told
 * of that were created since none was. */
static void thread_created(struct gt_agentlog *log, const struct gt_agentlog_thread *creator,
                           uint64_t ticks, uint64_t ident)
{
    const struct gt_agentlog_process *process = &log->processes[creator->process];

    if (gt_agentlog_ns(&log->clock, ticks) < log->ends.since_ns)
        return;
    for (uint32_t i = 0; i < process->thread_count; i++) {
        struct gt_agentlog_thread *thread = &log->threads[process->first_thread + i];

        if (!thread->born && thread->header.ident == ident &&
            thread->header.start_ticks >= ticks) {
            thread_start(log, thread, ticks, creator->header.tid);
            return;
        }
    }
}

/* The frames of GT_WIRE_NOTE_ASLEEP, into log->frames; returns how many. `program` stands for
 * what has no path. */
static uint32_t read_frames(struct gt_agentlog *log, uint32_t stack, uint32_t program)
{
    const char *at = gt_intern_text(&log->texts, stack);
    const char *end = at + gt_intern_length(&log->texts, stack);
    const char *path = gt_intern_text(&log->texts, program);
    uint32_t count = 0;

    for (; at < end && count < GT_AGENTLOG_FRAMES_MAX; at += strlen(at) + 1) {
        char *after;
        uint64_t address = strtoull(at, &after, 16);

        if (after == at || (*after && *after != ' '))
            break;
        if (*after)
            path = after[1] ? after + 1 : gt_intern_text(&log->texts, program);
        log->frames[count++] = (struct gt_frame){
            .symbol = "",
            .dso = path,
            .dso_length = (uint32_t)strlen(path),
            .address = address,
        };
    }
    return count;
}

static void deliver_sleep(struct gt_agentlog *log, const struct gt_agentlog_mark *mark)
{
    const struct gt_agentlog_thread *thread = &log->threads[mark->subject];
    struct gt_event *event =
        queue_event(log, GT_EVENT_ASLEEP, mark->ticks, thread->header.pid, thread->header.tid);

    event->asleep.tid = mark->tid;
    event->asleep.call = mark->calls < UINT16_MAX ? (uint16_t)mark->calls : 0;
    event->frames = log->frames;
    event->frame_count = read_frames(log, mark->text, log->processes[thread->process].program);
}

static void deliver_mark(struct gt_agentlog *log, const struct gt_agentlog_mark *mark)
{
    struct gt_agentlog_thread *thread =
        log->thread_count ? &log->threads[mark->subject] : NULL; /* or all was stopped */
    const struct gt_agentlog_process *process = &log->processes[mark->subject];
    int32_t pid =
        thread && mark->rank != GT_MARK_PROCESS_START && mark->rank != GT_MARK_PROCESS_END
            ? thread->header.pid
            : 0;
    struct gt_event *event;

    switch ((enum gt_agentlog_rank)mark->rank) {
    case GT_MARK_PROCESS_START:
        process_start(log, process);
        break;
    case GT_MARK_THREAD_START:
        thread_start(log, thread, mark->ticks, pid);
        break;
    case GT_MARK_NAME:
        event = queue_name(log, GT_EVENT_COMM, mark->ticks, pid, mark->tid, mark->text);
        event->new_name.by_threading = mark->by_threading;
        event->new_name.is_command = mark->is_command;
        event->new_name.is_role = mark->is_role;
        break;
    case GT_MARK_UNTRACED:
        event = queue_event(log, GT_EVENT_UNTRACED, mark->ticks, pid, thread->header.tid);
        event->untraced.calls = mark->calls;
        event->untraced.function = gt_agentlog_function(log, (uint32_t)mark->tid);
        break;
    case GT_MARK_GIL:
        event = queue_event(log, GT_EVENT_GIL_SWITCH, mark->ticks, pid, thread->header.tid);
        event->gil_switch.on = mark->on;
        event->gil_switch.module = gt_intern_text(&log->texts, mark->text);
        event->gil_switch.length = (uint32_t)gt_intern_length(&log->texts, mark->text);
        break;
    case GT_MARK_ASLEEP:
        deliver_sleep(log, mark);
        break;
    case GT_MARK_STOPPED:
        event = queue_event(log, GT_EVENT_STOPPED, mark->ticks, 0, -1);
        event->stopped.gil = true;
        event->stopped.why = "the agent's logs reached their greatest size";
        event->stopped.why_length = (uint32_t)strlen(event->stopped.why);
        break;
    case GT_MARK_UNSEEN:
    case GT_MARK_PROCESS_STOPPED:
        pid = mark->rank == GT_MARK_UNSEEN ? mark->tid : process->pid;
        event = queue_event(log, GT_EVENT_STOPPED, mark->ticks, pid, -1);
        event->stopped.gil = true;
        event->stopped.by_end = mark->by_end;
        event->stopped.why = gt_intern_text(&log->texts, mark->text);
        event->stopped.why_length = (uint32_t)gt_intern_length(&log->texts, mark->text);
        break;
    case GT_MARK_THREAD_END:
        queue_event(log, GT_EVENT_EXIT, mark->ticks, pid, thread->header.tid);
        break;
    case GT_MARK_PROCESS_END:
        queue_event(log, GT_EVENT_EXIT, mark->ticks, process->pid, process->pid);
        break;
    }
}

/* The thread of this process with that ident which began last; NULL: none has a log. */
static const struct gt_agentlog_thread *thread_of_ident(const struct gt_agentlog *log,
                                                        const struct gt_agentlog_thread *asker,
                                                        uint64_t ticks, uint64_t ident)
{
    const struct gt_agentlog_process *process = &log->processes[asker->process];

    for (uint32_t i = process->thread_count; i-- > 0;) {
        const struct gt_agentlog_thread *thread = &log->threads[process->first_thread + i];

        if (thread->header.ident == ident && thread->header.start_ticks <= ticks)
            return thread;
    }
    return NULL;
}

/* Undo the wrapping around of a figure of `bits` bits that only grows. */
static uint64_t unwrap(uint64_t before, uint64_t now, unsigned bits)
{
    return before + ((now - before) & ((UINT64_C(1) << bits) - 1));
}

/* What is known of the wait that the next record begins. False: it is no such record. */
static bool note_wait(struct gt_agentlog_thread *thread, unsigned kind, uint64_t value)
{
    switch (kind) {
    case GT_WIRE_OWNER:
        thread->owner = value <= INT32_MAX ? (int32_t)value : 0;
        return true;
    case GT_WIRE_PARKED:
    case GT_WIRE_PARKED_FOR_EVENT:
    case GT_WIRE_PARKED_TO_ATTACH:
        thread->wait_for = kind == GT_WIRE_PARKED             ? GT_WAIT_FOR_MUTEX
                           : kind == GT_WIRE_PARKED_FOR_EVENT ? GT_WAIT_FOR_EVENT
                                                              : GT_WAIT_FOR_ATTACH;
        thread->parked_for = value;
        return true;
    case GT_WIRE_LOCK_TYPE:
        thread->lock_type = value <= UINT32_MAX ? (uint32_t)value : 0;
        return true;
    case GT_WIRE_NATIVE:
        thread->wait_for = GT_WAIT_FOR_NATIVE;
        return true;
    default:
        return false;
    }
}

/* What was noted goes to the wait, or to the post that ends the wait of a parked thread. */
static void take_noted(const struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                       struct gt_event *event)
{
    uint32_t type = gt_hashmap_get(&log->type_of, thread->lock_type);

    if (event->kind == GT_EVENT_SEM_WAITS)
        event->sync.joined_tid = thread->owner;
    if (event->kind == GT_EVENT_SEM_WAITS || event->kind == GT_EVENT_SEM_POST) {
        event->sync.left = thread->wait_for;
        event->sync.lock = thread->parked_for;
    }
    if (event->kind == GT_EVENT_SEM_WAITS && thread->lock_type && type != GT_HASHMAP_NONE)
        event->sync.type = gt_intern_text(&log->texts, type);
    thread->owner = 0;
    thread->lock_type = 0;
    thread->wait_for = GT_WAIT_FOR_SEMAPHORE;
    thread->parked_for = 0;
}

/* What threads do without the GIL. False: no such record. */
static bool deliver_sync(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                         unsigned kind, uint64_t ticks, uint64_t value)
{
    static const enum gt_event_kind kinds[] = {
        [GT_WIRE_SEM_TAKEN] = GT_EVENT_SEM_TAKEN,
        [GT_WIRE_SEM_GAVE_UP] = GT_EVENT_SEM_GAVE_UP,
        [GT_WIRE_SEM_POST] = GT_EVENT_SEM_POST,
        [GT_WIRE_QUEUE_GET] = GT_EVENT_QUEUE_GET,
        [GT_WIRE_QUEUE_PUT] = GT_EVENT_QUEUE_PUT,
        [GT_WIRE_BARRIER] = GT_EVENT_BARRIER,
        [GT_WIRE_JOIN] = GT_EVENT_JOIN,
        [GT_WIRE_SYNC_EVENT_SET] = GT_EVENT_SYNC_EVENT_SET,
        [GT_WIRE_SYNC_EVENT_SEEN] = GT_EVENT_SYNC_EVENT_SEEN,
        [GT_WIRE_PERMIT_TAKEN] = GT_EVENT_PERMIT_TAKEN,
        [GT_WIRE_PERMIT_GIVEN] = GT_EVENT_PERMIT_GIVEN,
        [GT_WIRE_SEM_WAITS] = GT_EVENT_SEM_WAITS,
        [GT_WIRE_SEM_NEW] = GT_EVENT_SEM_NEW,
    };
    const struct gt_agentlog_thread *joined = NULL;
    struct gt_event *event;

    if (kind == GT_WIRE_SINCE) {
        thread->since_ticks = value < ticks ? ticks - value : 0;
        return true;
    }
    if (kind == GT_WIRE_LEFT) {
        thread->left = value < UINT32_MAX ? (uint32_t)value : 0;
        return true;
    }
    if (note_wait(thread, kind, value))
        return true;
    if (kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[kind])
        return false;
    if (kind == GT_WIRE_JOIN && !(joined = thread_of_ident(log, thread, ticks, value)))
        return true;
    event = queue_event(log, kinds[kind], ticks, thread->header.pid, thread->header.tid);
    event->sync.object = value;
    event->sync.joined_tid = joined ? joined->header.tid : 0;
    if (thread->since_ticks && gt_agentlog_is_time(&log->clock, thread->since_ticks))
        event->sync.since_ns = gt_agentlog_ns(&log->clock, thread->since_ticks);
    event->sync.left = thread->left;
    thread->since_ticks = thread->left = 0;
    take_noted(log, thread, event);
    return true;
}

static void deliver_usage(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                          uint64_t ticks, uint64_t value)
{
    struct gt_event *event =
        queue_event(log, GT_EVENT_USAGE, ticks, thread->header.pid, thread->header.tid);

    thread->usage_us = unwrap(thread->usage_us, GT_WIRE_USAGE_US(value), 36);
    thread->sleeps =
        unwrap(thread->sleeps, GT_WIRE_USAGE_SLEEPS(value), GT_WIRE_USAGE_SLEEP_BITS);
    event->usage.cpu_ns = (int64_t)(thread->usage_us * 1000);
    event->usage.sleeps = thread->sleeps;
    thread->since_ticks = thread->left = 0;
}

static void deliver_wait(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                         uint64_t ticks, uint64_t cond)
{
    struct gt_event *event =
        queue_event(log, GT_EVENT_COND_WAIT, ticks, thread->header.pid, thread->header.tid);

    event->cond.address = cond;
    if (thread->left_ns && event->time_ns > 0)
        event->cond.deadline_ns = event->time_ns + (int64_t)(thread->left_ns - 1);
    thread->left_ns = 0;
}

static void deliver_spun(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                         unsigned kind, uint64_t ticks, uint64_t value)
{
    struct gt_event *event =
        queue_event(log, GT_EVENT_SPUN, ticks, thread->header.pid, thread->header.tid);
    uint64_t spun = kind == GT_WIRE_SPUN ? GT_WIRE_SPUN_TICKS(value) : 0;

    if (kind == GT_WIRE_OWN_POSTS)
        event->spun.own_posts = value;
    else
        event->spun.yields = GT_WIRE_SPUN_TIMES(value);
    if (spun < ticks && gt_agentlog_is_time(&log->clock, ticks - spun))
        event->spun.ns =
            gt_agentlog_ns(&log->clock, ticks) - gt_agentlog_ns(&log->clock, ticks - spun);
}

static void deliver_snapshot(struct gt_agentlog *log, struct gt_agentlog_thread *thread,
                             uint64_t ticks, uint64_t value)
{
    struct gt_event *event =
        queue_event(log, GT_EVENT_SNAPSHOT, ticks, thread->header.pid, thread->header.tid);

    event->snapshot.tid = gt_agentlog_outer(log, GT_WIRE_SNAPSHOT_TID(value));
    event->snapshot.cpu_ns = (int64_t)thread->cpu_ns;
    event->snapshot.ready_ns = (int64_t)thread->ready_ns - 1; /* -1: not known, here too */
    event->snapshot.faults = (uint16_t)GT_WIRE_SNAPSHOT_FAULTS(value);
    event->snapshot.call = (uint16_t)GT_WIRE_SNAPSHOT_CALL(value);
    thread->cpu_ns = thread->ready_ns = 0;
}

static bool deliver_gil(struct gt_agentlog *log, const struct gt_agentlog_cursor *cursor)
{
    struct gt_agentlog_thread *thread = &log->threads[cursor->thread];
    uint64_t value = cursor->word & GT_WIRE_VALUE_MASK;
    unsigned kind = GT_WIRE_KIND(cursor->word);

    switch (kind) {
    case GT_WIRE_CREATE:
        thread_created(log, thread, cursor->ticks, value);
        return true;
    case GT_WIRE_DEADLINE:
        thread->left_ns = value + 1;
        return true;
    case GT_WIRE_ON_CPU:
        thread->cpu_ns = value;
        return true;
    case GT_WIRE_READY:
        thread->ready_ns = value;
        return true;
    case GT_WIRE_USAGE:
        deliver_usage(log, thread, cursor->ticks, value);
        return true;
    case GT_WIRE_SNAPSHOT:
        deliver_snapshot(log, thread, cursor->ticks, value);
        return true;
    case GT_WIRE_SPUN:
    case GT_WIRE_OWN_POSTS:
        deliver_spun(log, thread, kind, cursor->ticks, value);
        return true;
    case GT_WIRE_WAIT:
        deliver_wait(log, thread, cursor->ticks, value);
        return true;
    case GT_WIRE_SIGNAL:
        queue_event(log, GT_EVENT_COND_SIGNAL, cursor->ticks, thread->header.pid,
                    thread->header.tid)
            ->cond.address = value;
        return true;
    default:
        return deliver_sync(log, thread, kind, cursor->ticks, value);
    }
}

/* What the agent called to measure is not the target's. */
static bool is_agents_own(const struct gt_function *function)
{
    return function->file_length == sizeof(GT_WIRE_OWN_FILE) - 1 &&
           memcmp(function->file, GT_WIRE_OWN_FILE, function->file_length) == 0;
}

static bool deliver_call(struct gt_agentlog *log, const struct gt_agentlog_cursor *cursor)
{
    static const struct {
        enum gt_event_kind kind;
        uint32_t flags;
    } meanings[] = {
        [GT_WIRE_CALL] = {GT_EVENT_CALL, 0},
        [GT_WIRE_RESUME] = {GT_EVENT_CALL, GT_CALL_RESUME},
        [GT_WIRE_THROW] = {GT_EVENT_CALL, GT_CALL_RESUME | GT_CALL_THROW},
        [GT_WIRE_RETURN] = {GT_EVENT_RETURN, 0},
        [GT_WIRE_YIELD] = {GT_EVENT_RETURN, GT_RETURN_YIELD},
        [GT_WIRE_UNWIND] = {GT_EVENT_RETURN, GT_RETURN_UNWIND},
    };
    const struct gt_agentlog_thread *thread = &log->threads[cursor->thread];
    unsigned kind = GT_WIRE_CALL_KIND(cursor->word);
    const struct gt_function *function;
    struct gt_event *event;

    if (!kind || kind >= sizeof(meanings) / sizeof(meanings[0]))
        return false;
    function = gt_agentlog_function(log, GT_WIRE_CALL_ID(cursor->word));
    if (is_agents_own(function))
        return true;
    event = queue_event(log, meanings[kind].kind, cursor->ticks, thread->header.pid,
                        thread->header.tid);
    event->call.flags = meanings[kind].flags;
    event->call.function = function;
    return true;
}

/* Whoever held the GIL meanwhile is not known. */
static void deliver_gap(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor)
{
    const struct gt_wire_thread *header = &log->threads[cursor->thread].header;
    struct gt_event *event;

    if (cursor->gap_since && cursor->stream == GT_WIRE_STREAM_GIL) {
        event = queue_event(log, GT_EVENT_LOST, cursor->ticks, header->pid, header->tid);
        event->lost.of_process = true;
        event->lost.events = 1; /* or more */
        event->lost.since_ns = gt_agentlog_ns(&log->clock, cursor->gap_since);
    }
    cursor->gap_since = 0;
}

static int take_record(struct gt_agentlog *log, struct gt_error *err)
{
    struct gt_agentlog_cursor *cursor = &log->heap[0];
    int rc = 1;

    if (!cursor->words) /* it waited for its time without a buffer */
        rc = gt_agentlog_cursor_next(log, cursor, err);
    if (rc > 0) {
        deliver_gap(log, cursor);
        if (!cursor->absurd &&
            (cursor->stream == GT_WIRE_STREAM_GIL ? deliver_gil(log, cursor)
                                                  : deliver_call(log, cursor))) {
            log->quality.records++;
            rc = gt_agentlog_cursor_next(log, cursor, err);
        } else {
            log->quality.damaged++;
            gt_agentlog_warn_thread(log, &log->threads[cursor->thread]);
            rc = gt_agentlog_cursor_skip(log, cursor, err);
        }
    }
    if (rc < 0)
        return rc;
    if (!rc)
        log->heap[0] = log->heap[--log->heap_count];
    gt_agentlog_sift_down(log, 0);
    return 0;
}

/* Marks come first among equal times, but what ends comes last. */
static bool mark_is_next(const struct gt_agentlog *log)
{
    const struct gt_agentlog_mark *mark;

    if (log->next_mark == log->mark_count)
        return false;
    mark = &log->marks[log->next_mark];
    if (!log->heap_count || mark->ticks < log->heap[0].ticks)
        return true;
    return mark->ticks == log->heap[0].ticks && mark->rank < GT_MARK_THREAD_END;
}

int gt_agentlog_next(struct gt_agentlog *log, struct gt_event *event, struct gt_error *err)
{
    while (log->queue_next == log->queue_count) {
        log->queue_next = log->queue_count = 0;
        if (mark_is_next(log)) {
            deliver_mark(log, &log->marks[log->next_mark++]);
        } else if (log->heap_count) {
            int rc = take_record(log, err);

            if (rc)
                return rc;
        } else {
            return 0;
        }
    }
    *event = log->queue[log->queue_next++];
    return 1;
}
