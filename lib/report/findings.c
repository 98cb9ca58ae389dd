#include "report/internal.h"

#include "base/nstime.h"

#include <bsd/string.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the numbers say, in sentences: computed, most important first. */

static int add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

/* "SIGSEGV", or what a glibc before 2.32 knows: "Segmentation fault". */
static void name_signal(int number, char *name, size_t size)
{
#if __GLIBC_PREREQ(2, 32)
    snprintf(name, size, "SIG%s", sigabbrev_np(number) ? sigabbrev_np(number) : "?");
#else
    strlcpy(name, strsignal(number), size);
#endif
}

static int say_end(struct gt_report *report, struct gt_buf *text)
{
    int number = report->info->term_signal;
    char name[64];

    if (number > 0) {
        name_signal(number, name, sizeof(name));
        return add(report, text,
                   gt_buf_addf(text, "The program was ended by signal %d (%s).", number, name));
    }
    if (report->info->exit_status > 0)
        return add(report, text,
                   gt_buf_addf(text, "The program ended with exit status %d.",
                               report->info->exit_status));
    return 0;
}

static int say_futex(struct gt_report *report, struct gt_buf *text)
{
    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        if (gt_gil_at(report->timeline, i)->source == GT_GIL_FROM_FUTEX)
            return add(report, text,
                       gt_buf_addf(text,
                                   "The futex source sees waits, hand-overs and who "
                                   "released; holds that nobody waited for are not "
                                   "measured%s.",
                                   report->timeline->counters.count
                                       ? ", and what was counted in them stands under "
                                         "neither"
                                       : ""));
    return 0;
}

/* Ready to run, with the GIL, and no CPU: everybody waits for the scheduler. */
static int say_ready_holding(struct gt_report *report, struct gt_buf *text)
{
    uint64_t count = 0;
    int64_t sum_ns = 0;
    char duration[32];

    for (uint32_t i = 0; i < report->timeline->scheds.count; i++) {
        count += gt_sched_of(report->timeline, i)->ready_holding_count;
        sum_ns = gt_add_ns(sum_ns, gt_sched_of(report->timeline, i)->ready_holding_ns);
    }
    if (count == 0)
        return 0;
    return add(
        report, text,
        gt_buf_addf(text,
                    "%llu time%s, %s in all, a thread had the GIL and was ready to run but "
                    "had no CPU.",
                    (unsigned long long)count, count == 1 ? "" : "s",
                    gt_duration_text(sum_ns, duration, sizeof(duration))));
}

static int say_detail(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;

    if (!(report->recorded->detect & GT_DETECT_SCHED))
        return 0;
    if (!timeline->saw_sched)
        return add(report, text,
                   gt_buf_adds(text, "No scheduling was recorded: the states of "
                                     "the threads are not known."));
    if (!timeline->saw_reasons)
        return add(
            report, text,
            gt_buf_addf(
                text,
                "Only switch records were recorded, and no tracepoints of the scheduler: "
                "threads are running, preempted or off the CPU; why they left it and "
                "when they were woken%s is missing.",
                timeline->gils.count ? "" : ", and whether they slept for the GIL,"));
    if (!timeline->saw_switch_records)
        return add(report, text,
                   gt_buf_adds(text,
                               "The recording has no switch records (perf record "
                               "--switch-events, perf script --show-switch-events): states "
                               "are not known where no other event tells when a thread came "
                               "back on a CPU."));
    return 0;
}

/* Without contention the futex source sees nothing, and there is nothing to see. */
static bool by_futex(const struct gt_report *report)
{
    const char *source = report->info->gil_source;

    return source ? strcmp(source, "futex") == 0
                  : report->timeline->saw_futex && report->timeline->quality.gil_events == 0;
}

static int say_no_gil(struct gt_report *report, struct gt_buf *text)
{
    if (!report->info->gil_enabled)
        return add(
            report, text,
            gt_buf_adds(text, by_futex(report)
                                  ? "This interpreter is a free-threaded build, which has "
                                    "no GIL unless it is switched on: no wait for one was "
                                    "seen."
                                  : "This interpreter is a free-threaded build, and no GIL "
                                    "was seen: there was nothing to wait for."));
    if (by_futex(report) && !gt_is_whole(report->timeline))
        return add(report, text,
                   gt_buf_adds(text,
                               "No wait for the GIL was seen by the futex source, but not "
                               "all of the run is known."));
    if (by_futex(report) && report->recorded->probed && !report->timeline->unseen.count)
        return add(report, text,
                   gt_buf_adds(text, "No thread ever waited for the GIL: the futex source "
                                     "saw no contention."));
    if (by_futex(report)) /* of what files have probes nothing is known, or others are used */
        return add(
            report, text,
            gt_buf_adds(text, "No thread that the futex source sees waited for the GIL."));
    if (report->timeline->unseen.count)
        return add(report, text, gt_buf_adds(text, "No GIL was seen."));
    if (report->info->version && strncmp(report->info->version, "CPython 3.6.", 12) == 0)
        return add(report, text,
                   gt_buf_adds(text, "No GIL was seen: CPython 3.6 has none until it starts a "
                                     "second thread."));
    return add(report, text,
               gt_buf_adds(text,
                           "No GIL was seen: no CPython program ran long enough to take and "
                           "release one, or the events of its condition variables were not "
                           "recorded."));
}

/* Without the GIL's own events: what the states tell of it. */
static int say_without_gil(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    int64_t asleep_ns = 0, lifetime_ns = 0, most_ns = 0;
    uint32_t most = GT_NO_INDEX;
    char all[32], duration[32];
    bool told = timeline->saw_sched && (timeline->saw_stacks || timeline->saw_futex);

    for (uint32_t i = 0; told && i < timeline->scheds.count; i++) {
        const struct gt_sched *sched = gt_sched_of(timeline, i);
        const struct gt_thread *thread = gt_thread_at(timeline, i);
        int64_t ns =
            sched->state_ns[GT_SCHED_SLEEPING_GIL] + sched->state_ns[GT_SCHED_OFF_CPU_GIL];

        asleep_ns = gt_add_ns(asleep_ns, ns);
        lifetime_ns = gt_add_ns(lifetime_ns, thread->end_ns - thread->start_ns);
        if (ns > most_ns) {
            most_ns = ns;
            most = i;
        }
    }
    if (most == GT_NO_INDEX && report->recorded->detect & GT_DETECT_GIL)
        return say_no_gil(report, text);
    if (most == GT_NO_INDEX)
        return told ? add(report, text,
                          gt_buf_adds(text, "No thread was seen to sleep for the GIL."))
                    : 0;
    return add(
        report, text,
        gt_buf_addf(text, "Threads slept for the GIL %.1f%% of their time, %s in all; longest ",
                    100.0 * (double)asleep_ns / (double)lifetime_ns,
                    gt_duration_text(asleep_ns, all, sizeof(all))) ||
            gt_report_label(report, most, text) ||
            gt_buf_addf(text, ", %s. Who held it meanwhile was not recorded.",
                        gt_duration_text(most_ns, duration, sizeof(duration))));
}

/* What single processes lost is told of them. */
static uint64_t lost_by_all(const struct gt_timeline *timeline)
{
    uint64_t events = 0;

    for (size_t i = 0; i < timeline->lost.count; i++)
        events += ((const struct gt_lost_range *)gt_chunks_at(&timeline->lost, i))->events;
    return events;
}

static int say_quality(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_quality *quality = &report->timeline->quality;
    int64_t wall_ns = report->timeline->end_ns - gt_report_zero_ns(report);
    char duration[32];

    if (report->timeline->recorded_until_ns >= 0 &&
        add(report, text,
            gt_buf_addf(text,
                        "The recording ended at %s, before the program: what came later is "
                        "not known.",
                        gt_duration_text(report->timeline->recorded_until_ns -
                                             gt_report_zero_ns(report),
                                         duration, sizeof(duration)))))
        return -1;
    if (lost_by_all(report->timeline) &&
        add(report, text,
            gt_buf_addf(
                text,
                "%llu events were lost: %s (%.1f%% of the recording) are unknown and count "
                "neither as waiting nor as holding.",
                (unsigned long long)lost_by_all(report->timeline),
                gt_duration_text(quality->lost_ns, duration, sizeof(duration)),
                wall_ns > 0 ? 100.0 * (double)quality->lost_ns / (double)wall_ns : 0.0)))
        return -1;
    if (quality->overlaps + quality->accounting_errors &&
        add(report, text,
            gt_buf_addf(
                text,
                "The recording contradicts itself: %llu times two threads seemed to hold "
                "one GIL, and the times of %llu threads exceed their lives. Do not trust "
                "these figures.",
                (unsigned long long)quality->overlaps,
                (unsigned long long)quality->accounting_errors)))
        return -1;
    if (quality->takes_without_return &&
        add(report, text,
            gt_buf_addf(text,
                        "%llu time%s a thread still waited for the GIL as it, its process or "
                        "the recording "
                        "ended (daemon threads at shutdown do).",
                        (unsigned long long)quality->takes_without_return,
                        quality->takes_without_return == 1 ? "" : "s")))
        return -1;
    if (quality->unmatched_releases + quality->unmatched_takes &&
        add(report, text,
            gt_buf_addf(text,
                        "%llu releases and %llu acquisitions have no counterpart: events are "
                        "missing%s.",
                        (unsigned long long)quality->unmatched_releases,
                        (unsigned long long)quality->unmatched_takes,
                        quality->lost_events ? "" : " though none was reported lost")))
        return -1;
    return 0;
}

int gt_findings_make(struct gt_report *report)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = report->recorded->detect & GT_DETECT_GIL && report->timeline->gils.count
             ? gt_verdict_say(report)
             : say_without_gil(report, &text);
    if (rc == 0)
        rc = gt_cost_say_dear(report);
    if (rc == 0)
        rc = gt_machine_say_of_waiting(report);
    if (rc == 0)
        rc = gt_unseen_say(report);
    if (rc == 0)
        rc = gt_holes_say(report);
    if (rc == 0)
        rc = say_end(report, &text);
    if (rc == 0 && gt_whatif_say(report, &text))
        rc = add(report, &text, !text.length);
    if (rc == 0)
        rc = say_futex(report, &text);
    if (rc == 0)
        rc = gt_machine_say(report);
    if (rc == 0)
        rc = say_ready_holding(report, &text);
    if (rc == 0)
        rc = say_detail(report, &text);
    if (rc == 0)
        rc = gt_functions_say(report);
    if (rc == 0)
        rc = gt_cost_say(report);
    if (rc == 0)
        rc = say_quality(report, &text);
    gt_buf_release(&text);
    return rc;
}
