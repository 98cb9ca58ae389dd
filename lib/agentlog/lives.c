/* SPDX-License-Identifier: MIT */
/* Births and ends: which threads make a process, how it began, and when it was last alive. */
#include "agentlog/internal.h"

#include "base/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gt_agentlog_mark(struct gt_agentlog *log, const struct gt_agentlog_mark *mark,
                     struct gt_error *err)
{
    if (log->mark_count == log->mark_capacity) {
        size_t room = log->mark_capacity ? log->mark_capacity * 2 : 64;
        void *grown = reallocarray(log->marks, room, sizeof(*log->marks));

        if (!grown)
            return gt_error_memory(err);
        log->marks = grown;
        log->mark_capacity = room;
    }
    log->marks[log->mark_count++] = *mark;
    return 0;
}

static int by_time(const void *left, const void *right)
{
    const struct gt_agentlog_mark *a = left, *b = right;

    if (a->ticks != b->ticks)
        return a->ticks < b->ticks ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return gt_order_u64(a->subject, b->subject);
}

static int by_process(const void *left, const void *right)
{
    const struct gt_wire_thread *a = &((const struct gt_agentlog_thread *)left)->header;
    const struct gt_wire_thread *b = &((const struct gt_agentlog_thread *)right)->header;
    int order = a->pid != b->pid ? (a->pid < b->pid ? -1 : 1) : 0;

    if (!order)
        order = gt_order_u64(a->process_ticks, b->process_ticks);
    return order ? order : gt_order_u64(a->start_ticks, b->start_ticks);
}

static bool is_main(const struct gt_agentlog_thread *thread)
{
    return thread->header.tid == thread->header.pid;
}

static void begin_process(struct gt_agentlog *log, struct gt_agentlog_process *process,
                          const struct gt_agentlog_thread *thread)
{
    const struct gt_wire_thread *header = &thread->header;

    memset(process, 0, sizeof(*process));
    process->origin = *header;
    process->pid = header->pid;
    process->comm = thread->comm;
    process->program = gt_intern_add(&log->texts, header->program,
                                     strnlen(header->program, sizeof(header->program)));
    process->start_ticks = header->process_ticks;
    process->end_ticks = header->process_ticks;
    process->exec_of = UINT32_MAX;
}

static void stop(struct gt_agentlog_process *process, uint64_t ticks, uint32_t why)
{
    if (process->stop_ticks && process->stop_ticks <= ticks)
        return;
    process->stop_ticks = ticks;
    process->stop_why = why;
}

static void add_thread(struct gt_agentlog_process *process, struct gt_agentlog_thread *thread)
{
    uint64_t end = thread->header.exit_ticks;

    /* A thread outlives its exit note when later destructors use the GIL. */
    if (end && end < thread->last_ticks)
        thread->header.exit_ticks = end = thread->last_ticks;
    process->thread_count++;
    if (is_main(thread))
        process->comm = thread->comm;
    process->exited |= (thread->header.flags & GT_WIRE_ENDED) && end;
    process->execed |= (thread->header.flags & GT_WIRE_EXECED) && end;
    if (end > process->end_ticks)
        process->end_ticks = end;
    if (thread->last_ticks > process->end_ticks)
        process->end_ticks = thread->last_ticks;
}

/* The same pid, a new program, and no exit between them: exec. */
static void find_exec(struct gt_agentlog *log, size_t index)
{
    struct gt_agentlog_process *process = &log->processes[index];
    struct gt_agentlog_process *before = index ? process - 1 : NULL;

    if (!before || before->pid != process->pid || (before->exited && !before->execed) ||
        process->origin.flags & (GT_WIRE_FORKED | GT_WIRE_ATTACHED))
        return;
    process->exec_of = (uint32_t)(index - 1);
    before->replaced = before->exited = true;
    if (process->start_ticks > before->end_ticks)
        before->end_ticks = process->start_ticks;
}

/* What an errno, or 0, says of a log that could not grow. */
static uint32_t reason(struct gt_agentlog *log, int error)
{
    char text[128];

    snprintf(text, sizeof(text), "the agent could not go on writing (%s)",
             error ? strerror(error) : "its file is full");
    return gt_intern_add(&log->texts, text, strlen(text));
}

static struct gt_agentlog_process *stopped_process(const struct gt_agentlog *log,
                                                   const struct gt_wire_stop *stop)
{
    for (size_t i = 0; i < log->process_count; i++)
        if (log->processes[i].pid == stop->pid &&
            log->processes[i].start_ticks == stop->process_ticks)
            return &log->processes[i];
    return NULL;
}

/* Which of the processes said that they could not go on; and those of which that is all that is
 * known. 0 or negative. */
static int take_stops(struct gt_agentlog *log, struct gt_error *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < log->stop_count && !rc; i++) {
        const struct gt_wire_stop *one = &log->stops[i];
        struct gt_agentlog_process *process = stopped_process(log, one);
        uint32_t why = reason(log, one->error);
        bool is_time = gt_agentlog_is_time(&log->clock, one->ticks);

        if (why == UINT32_MAX)
            return gt_error_memory(err);
        if (process) {
            stop(process, is_time ? one->ticks : process->start_ticks, why);
        } else if (is_time && gt_agentlog_is_time(&log->clock, one->process_ticks)) {
            struct gt_agentlog_mark mark = {.ticks = one->process_ticks,
                                            .rank = GT_MARK_UNSEEN,
                                            .tid = one->pid,
                                            .text = why};

            rc = gt_agentlog_mark(log, &mark, err);
        }
    }
    return rc;
}

/* Its end was not recorded. One that a signal ended, or that goes on, did nothing more than the
 * log says. */
static int judge_end(struct gt_agentlog *log, struct gt_agentlog_process *process,
                     struct gt_error *err)
{
    static const char unseen[] = "its end was not recorded (killed, or still running)";
    const struct gt_agentlog_ends *ends = &log->ends;
    uint64_t killed = 0;
    uint32_t why;

    if (process->exited)
        return 0;
    if (ends->killed_pid == process->pid)
        killed = gt_agentlog_ticks(&log->clock, ends->killed_ns);
    else
        process->alive = ends->is_alive && ends->is_alive(process->pid);
    if (killed > process->end_ticks)
        process->end_ticks = killed;
    if (killed || process->alive)
        return 0;
    why = gt_intern_add(&log->texts, unseen, sizeof(unseen) - 1);
    if (why == UINT32_MAX)
        return gt_error_memory(err);
    process->stop_by_end = !process->stop_ticks;
    stop(process, process->end_ticks, why);
    return 0;
}

/* From where on is nothing known of a process, before it ends? */
static int find_stops(struct gt_agentlog *log, struct gt_error *err)
{
    static const char damaged[] = "its log is damaged";
    uint32_t why = gt_intern_add(&log->texts, damaged, sizeof(damaged) - 1);
    uint32_t why_all =
        log->anybodys ? gt_intern_add(&log->texts, log->anybodys, strlen(log->anybodys)) : why;
    int rc = why == UINT32_MAX || why_all == UINT32_MAX ? gt_error_memory(err)
                                                        : take_stops(log, err);

    for (size_t i = 0; i < log->thread_count && !rc; i++)
        if (log->threads[i].cut)
            stop(&log->processes[log->threads[i].process], log->threads[i].last_ticks, why);
    for (size_t i = 0; i < log->process_count && !rc; i++) {
        if (log->anybodys)
            stop(&log->processes[i], log->processes[i].start_ticks, why_all);
        rc = judge_end(log, &log->processes[i], err);
    }
    return rc;
}

static int mark_process(struct gt_agentlog *log, uint32_t index, struct gt_error *err)
{
    const struct gt_agentlog_process *process = &log->processes[index];
    struct gt_agentlog_mark mark = {
        .ticks = process->start_ticks, .rank = GT_MARK_PROCESS_START, .subject = index};
    int rc = gt_agentlog_mark(log, &mark, err);

    if (!rc && process->stop_ticks) {
        mark.ticks = process->stop_ticks;
        mark.rank = GT_MARK_PROCESS_STOPPED;
        mark.text = process->stop_why;
        mark.by_end = process->stop_by_end;
        rc = gt_agentlog_mark(log, &mark, err);
    }
    mark.ticks = process->end_ticks;
    mark.rank = GT_MARK_PROCESS_END;
    if (!rc && !process->replaced && !process->alive)
        rc = gt_agentlog_mark(log, &mark, err);
    for (uint32_t i = 0; i < process->thread_count && !rc; i++) {
        uint32_t thread = process->first_thread + i;
        const struct gt_wire_thread *header = &log->threads[thread].header;

        mark.subject = thread;
        if (is_main(&log->threads[thread]))
            continue; /* lives as long as its process */
        mark.ticks = header->start_ticks;
        mark.rank = GT_MARK_THREAD_START;
        rc = gt_agentlog_mark(log, &mark, err);
        mark.ticks = header->exit_ticks ? header->exit_ticks : process->end_ticks;
        mark.rank = GT_MARK_THREAD_END;
        if (!rc && (header->exit_ticks || !process->alive))
            rc = gt_agentlog_mark(log, &mark, err);
    }
    return rc;
}

/* Notes are read before threads are sorted: have their marks follow. */
static int sort_threads(struct gt_agentlog *log, struct gt_error *err)
{
    uint32_t *now_at = malloc((log->thread_count + 1) * sizeof(*now_at));

    if (!now_at)
        return gt_error_memory(err);
    for (size_t i = 0; i < log->thread_count; i++)
        log->threads[i].process = (uint32_t)i; /* for now: where it was */
    qsort(log->threads, log->thread_count, sizeof(*log->threads), by_process);
    for (size_t i = 0; i < log->thread_count; i++)
        now_at[log->threads[i].process] = (uint32_t)i;
    for (size_t i = 0; i < log->mark_count; i++)
        if (log->marks[i].rank != GT_MARK_STOPPED)
            log->marks[i].subject = now_at[log->marks[i].subject];
    free(now_at);
    return 0;
}

int gt_agentlog_find_lives(struct gt_agentlog *log, struct gt_error *err)
{
    struct gt_agentlog_process *process = NULL;
    int rc = log->thread_count ? sort_threads(log, err) : 0;

    log->processes = calloc(log->thread_count + 1, sizeof(*log->processes));
    if (!log->processes)
        return gt_error_memory(err);
    for (size_t i = 0; i < log->thread_count && !rc; i++) {
        struct gt_agentlog_thread *thread = &log->threads[i];

        if (!process || process->pid != thread->header.pid ||
            process->start_ticks != thread->header.process_ticks) {
            process = &log->processes[log->process_count++];
            begin_process(log, process, thread);
            process->first_thread = (uint32_t)i;
        }
        thread->process = (uint32_t)(log->process_count - 1);
        add_thread(process, thread);
    }
    for (size_t i = 0; i < log->process_count; i++)
        find_exec(log, i);
    if (!rc)
        rc = find_stops(log, err);
    for (size_t i = 0; i < log->process_count && !rc; i++)
        rc = mark_process(log, (uint32_t)i, err);
    log->quality.processes = (uint32_t)log->process_count;
    if (!rc && log->mark_count)
        qsort(log->marks, log->mark_count, sizeof(*log->marks), by_time);
    return rc;
}
