/* SPDX-License-Identifier: MIT */
/* Prints an agent's log folder, one event per line, for the whole-program tests. */
#include "agentlog/agentlog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const names[GT_EVENT_KINDS] = {
    [GT_EVENT_COND_SIGNAL] = "signal",
    [GT_EVENT_COND_WAIT] = "wait",
    [GT_EVENT_FORK] = "fork",
    [GT_EVENT_EXIT] = "exit",
    [GT_EVENT_EXEC] = "exec",
    [GT_EVENT_COMM] = "comm",
    [GT_EVENT_CALL] = "call",
    [GT_EVENT_RETURN] = "return",
    [GT_EVENT_UNTRACED] = "untraced",
    [GT_EVENT_STOPPED] = "stopped",
    [GT_EVENT_LOST] = "lost",
    [GT_EVENT_USAGE] = "usage",
    [GT_EVENT_SEM_TAKEN] = "sem-taken",
    [GT_EVENT_SEM_GAVE_UP] = "sem-gave-up",
    [GT_EVENT_SEM_POST] = "sem-post",
    [GT_EVENT_QUEUE_GET] = "queue-get",
    [GT_EVENT_QUEUE_PUT] = "queue-put",
    [GT_EVENT_BARRIER] = "barrier",
    [GT_EVENT_JOIN] = "join",
    [GT_EVENT_SYNC_EVENT_SET] = "event-set",
    [GT_EVENT_SYNC_EVENT_SEEN] = "event-seen",
    [GT_EVENT_PERMIT_TAKEN] = "permit-taken",
    [GT_EVENT_PERMIT_GIVEN] = "permit-given",
    [GT_EVENT_SEM_WAITS] = "sem-waits",
    [GT_EVENT_SEM_NEW] = "sem-new",
    [GT_EVENT_SNAPSHOT] = "snapshot",
    [GT_EVENT_ASLEEP] = "asleep",
};

static void print_function(const struct gt_function *function, uint32_t flags, uint64_t calls)
{
    printf(" %u %" PRIu64 " %s|%s|%u|%u", flags, calls, function->name, function->file,
           function->line, function->flags);
}

static void print_event(const struct gt_event *event)
{
    printf("%" PRId64 " %d %d %s", event->time_ns, event->pid, event->tid, names[event->kind]);
    switch (event->kind) {
    case GT_EVENT_FORK:
        printf(" %d %d", event->creator.pid, event->creator.tid);
        break;
    case GT_EVENT_CALL:
    case GT_EVENT_RETURN:
        print_function(event->call.function, event->call.flags, 0);
        break;
    case GT_EVENT_UNTRACED:
        print_function(event->untraced.function, 0, event->untraced.calls);
        break;
    case GT_EVENT_EXEC:
    case GT_EVENT_COMM:
        printf(" %d %.*s", event->new_name.by_threading, (int)event->new_name.length,
               event->new_name.text);
        break;
    case GT_EVENT_STOPPED:
        printf(" %d %.*s", event->stopped.by_end, (int)event->stopped.why_length,
               event->stopped.why);
        break;
    case GT_EVENT_COND_SIGNAL:
    case GT_EVENT_COND_WAIT:
        printf(" %" PRIx64, event->cond.address);
        break;
    case GT_EVENT_LOST:
        printf(" %" PRIx64, event->lost.events);
        break;
    case GT_EVENT_USAGE:
        printf(" %" PRIx64, event->usage.cpu_ns);
        break;
    case GT_EVENT_SNAPSHOT:
        printf(" %" PRIx64, event->snapshot.cpu_ns);
        break;
    case GT_EVENT_ASLEEP:
        printf(" %d %u", event->asleep.tid, event->frame_count);
        break;
    case GT_EVENT_EXIT:
        printf(" 0");
        break;
    default:
        printf(" %" PRIx64, event->sync.object);
        break;
    }
    putchar('\n');
}

static int print_log(const char *dir, int quiet, struct gt_error *err)
{
    struct gt_agentlog *log = gt_agentlog_open(dir, err);
    const struct gt_agentlog_quality *quality;
    struct gt_event event;
    int64_t last_ns = 0;
    uint64_t unordered = 0;
    int rc;

    if (!log)
        return -1;
    while ((rc = gt_agentlog_next(log, &event, err)) > 0) {
        if (!quiet)
            print_event(&event);
        unordered += event.time_ns < last_ns;
        last_ns = event.time_ns;
    }
    quality = gt_agentlog_quality(log);
    printf("# threads %u processes %u damaged %u functions %u records %" PRIu64
           " dropped %" PRIu64 " bytes %" PRIu64 " stopped %" PRId64 " unordered %" PRIu64 "\n",
           quality->threads, quality->processes, quality->damaged, quality->functions,
           quality->records, quality->dropped, quality->log_bytes, quality->stopped_ns,
           unordered);
    for (size_t i = 0; gt_agentlog_warning(log, i); i++)
        printf("! %s\n", gt_agentlog_warning(log, i));
    gt_agentlog_free(log);
    return rc;
}

int main(int argc, char **argv)
{
    int quiet = argc == 3 && !strcmp(argv[1], "-q");
    struct gt_error err;

    if (argc != 2 + quiet)
        return 2;
    if (print_log(argv[1 + quiet], quiet, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
