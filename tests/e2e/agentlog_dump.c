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
    [GT_EVENT_FLAG_SET] = "flag-set",
    [GT_EVENT_FLAG_SEEN] = "flag-seen",
    [GT_EVENT_TOKEN_TAKEN] = "token-taken",
    [GT_EVENT_TOKEN_GIVEN] = "token-given",
};

static void print_event(const struct gt_event *event)
{
    printf("%" PRId64 " %d %d %s", event->time_ns, event->pid, event->tid, names[event->kind]);
    if (event->kind == GT_EVENT_FORK)
        printf(" %d %d", event->other_pid, event->other_tid);
    else if (event->function)
        printf(" %u %" PRIu64 " %s|%s|%u|%u", event->flags, event->value, event->function->name,
               event->function->file, event->function->line, event->function->flags);
    else if (event->text_length)
        printf(" %u %.*s", event->flags, (int)event->text_length, event->text);
    else
        printf(" %" PRIx64, event->value);
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
