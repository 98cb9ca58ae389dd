/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "report/labels.h"

#include <bsd/string.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What the numbers say, in sentences: computed, most important first. */

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
        return gt_findings_add(
            report, text,
            gt_buf_addf(text, "The program was ended by signal %d (%s).", number, name));
    }
    if (report->info->exit_status > 0)
        return gt_findings_add(report, text,
                               gt_buf_addf(text, "The program ended with exit status %d.",
                                           report->info->exit_status));
    return 0;
}

static int say_futex(struct gt_report *report, struct gt_buf *text)
{
    for (uint32_t i = 0; i < report->timeline->gils.count; i++)
        if (gt_gil_at(report->timeline, i)->source == GT_GIL_FROM_FUTEX)
            return gt_findings_add(
                report, text,
                gt_buf_addf(text,
                            "The futex source sees waits, and who released the GIL; "
                            "holds that nobody waited for are not measured%s.",
                            report->timeline->counters.count
                                ? ", and what was counted in them stands under "
                                  "neither"
                                : ""));
    return 0;
}

/* Ready to run, with the GIL, and no CPU: everybody waits for the scheduler. */
static int say_ready_holding(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_interference *found = &report->analysis->interference;
    char duration[32];

    if (!found->ready_holding_matters)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "The GIL's holder was off the CPU %llu time%s (%s): %s.",
                    (unsigned long long)found->ready_holding_count,
                    found->ready_holding_count == 1 ? "" : "s",
                    gt_duration_text(found->ready_holding_ns, duration, sizeof(duration)),
                    found->quota_matters ? "by the quota, or for too few CPUs"
                                         : "too few CPUs"));
}

static int say_states(struct gt_report *report, struct gt_buf *text)
{
    switch (report->analysis->states_seen) {
    case GT_STATES_SEEN:
        return 0;
    case GT_STATES_NONE:
        return gt_findings_add(report, text,
                               gt_buf_adds(text, "No scheduling was recorded: the states of "
                                                 "the threads are not known."));
    case GT_STATES_NO_REASONS:
        return gt_findings_add(
            report, text,
            gt_buf_addf(
                text,
                "Only switch records were recorded, and no tracepoints of the scheduler: "
                "threads are running, preempted or off the CPU; why they left it and "
                "when they were woken%s is missing.",
                report->timeline->gils.count ? "" : ", and whether they slept for the GIL,"));
    case GT_STATES_NO_SWITCHES:
        return gt_findings_add(
            report, text,
            gt_buf_adds(text, "The recording has no switch records (perf record "
                              "--switch-events, perf script --show-switch-events): states "
                              "are not known where no other event tells when a thread came "
                              "back on a CPU."));
    }
    return 0;
}

static const char *no_gil_text(enum gt_no_gil why)
{
    switch (why) {
    case GT_NO_GIL_SILENT:
    case GT_NO_GIL_ASLEEP:
        break;
    case GT_NO_GIL_AWAKE:
        return "No thread was seen to sleep for the GIL.";
    case GT_NO_GIL_FREE_THREADED:
        return "This interpreter is a free-threaded build, and no GIL was seen: there was "
               "nothing to wait for.";
    case GT_NO_GIL_FREE_THREADED_FUTEX:
        return "This interpreter is a free-threaded build, which has no GIL unless it is "
               "switched on: no wait for one was seen.";
    case GT_NO_GIL_FUTEX_PARTLY:
        return "No wait for the GIL was seen by the futex source, but not all of the run is "
               "known.";
    case GT_NO_GIL_FUTEX_NO_WAIT:
        return "No thread ever waited for the GIL: the futex source saw no contention.";
    case GT_NO_GIL_FUTEX_SEEN:
        return "No thread that the futex source sees waited for the GIL.";
    case GT_NO_GIL_UNSEEN:
        return "No GIL was seen.";
    case GT_NO_GIL_ONE_THREAD:
        return "No GIL was seen: CPython 3.6 has none until it starts a second thread.";
    case GT_NO_GIL_TOO_SHORT:
        return "No GIL was seen: no CPython program ran long enough to take and release one, "
               "or the events of its condition variables were not recorded.";
    }
    return "";
}

/* Without the GIL's own events: what the states tell of it. */
static int say_without_gil(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_no_gil_found *found = &report->analysis->no_gil;
    char all[32], duration[32];

    if (found->why == GT_NO_GIL_SILENT)
        return 0;
    if (found->why != GT_NO_GIL_ASLEEP)
        return gt_findings_add(report, text,
                               gt_buf_adds(text, report->recorded->cut
                                                     ? "No GIL was seen in what was read."
                                                     : no_gil_text(found->why)));
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "Threads slept for the GIL %.1f%% of their time, %s in all; longest ",
                    100.0 * (double)found->asleep_ns / (double)found->lives_ns,
                    gt_duration_text(found->asleep_ns, all, sizeof(all))) ||
            gt_report_label(report, found->thread, text) ||
            gt_buf_addf(text, ", %s. Who held it meanwhile was not recorded.",
                        gt_duration_text(found->thread_ns, duration, sizeof(duration))));
}

static int say_quality(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_quality *quality = &report->timeline->quality;
    uint64_t lost = gt_lost_by_all(report->timeline);
    char duration[32];

    if (report->timeline->recorded_until_ns >= 0 &&
        gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "The recording ended at %s, before the program: what came later is "
                        "not known.",
                        gt_duration_text(report->timeline->recorded_until_ns -
                                             gt_report_zero_ns(report),
                                         duration, sizeof(duration)))))
        return -1;
    if (lost &&
        gt_findings_add(
            report, text,
            gt_buf_addf(
                text,
                "%llu events were lost: %s (%.1f%% of the recording) are unknown and count "
                "neither as waiting nor as holding.",
                (unsigned long long)lost,
                gt_duration_text(quality->lost_ns, duration, sizeof(duration)),
                gt_percent(quality->lost_ns, report->analysis->wall_ns)) ||
                gt_lost_say_remedy(report, text)))
        return -1;
    if (quality->overlaps + quality->accounting_errors &&
        gt_findings_add(
            report, text,
            gt_buf_addf(
                text,
                "The recording contradicts itself: %llu times two threads seemed to hold "
                "one GIL, and the times of %llu threads exceed their lives. Do not trust "
                "these figures.",
                (unsigned long long)quality->overlaps,
                (unsigned long long)quality->accounting_errors)))
        return -1;
    if (quality->takes_without_return &&
        gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "%llu time%s a thread still waited for the GIL as it, its process or "
                        "the recording "
                        "ended (daemon threads at shutdown do).",
                        (unsigned long long)quality->takes_without_return,
                        quality->takes_without_return == 1 ? "" : "s")))
        return -1;
    if (quality->unmatched_releases + quality->unmatched_takes &&
        gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "%llu releases and %llu acquisitions have no counterpart: events are "
                        "missing%s.",
                        (unsigned long long)quality->unmatched_releases,
                        (unsigned long long)quality->unmatched_takes,
                        quality->lost_events ? "" : " though none was reported lost")))
        return -1;
    return 0;
}

/* Why nothing is seen at the beginning of the timeline. */
static int say_beginning(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_beginning *beginning = &report->analysis->beginning;
    char duration[32];

    if (beginning->gil == GT_NO_INDEX)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text, "No program with a GIL was seen in the first %s (%.0f%% of %s): ",
                    gt_duration_text(beginning->ns, duration, sizeof(duration)),
                    gt_percent(beginning->ns, report->analysis->wall_ns),
                    gt_report_whole(report)) ||
            gt_report_process(report, beginning->gil, text) ||
            gt_buf_addf(text, " (pid %d) came then.",
                        gt_process_at(report->timeline,
                                      gt_gil_at(report->timeline, beginning->gil)->process)
                            ->own_pid));
}

/* All the rest is of the part that was read. */
static int say_cut(struct gt_report *report, struct gt_buf *text)
{
    const char *why = report->recorded->cut;

    if (!why)
        return 0;
    return gt_findings_add(report, text,
                           gt_buf_adds(text, "Not all of the recording was read: ") ||
                               gt_buf_add_visible(text, why, strlen(why)) ||
                               gt_buf_adds(text, "."));
}

/* What is known of the GIL, or of doing without. */
static int say_gil(struct gt_report *report, struct gt_buf *text)
{
    if (gt_parallel_say(report, text))
        return -1;
    if (report->recorded->detect & GT_DETECT_GIL && gt_any_gil(report->timeline))
        return gt_verdict_say(report, text);
    if (report->analysis->parallel.verdict != GT_PARALLEL_NONE)
        return 0;
    return say_without_gil(report, text);
}

/* Where the GIL does not matter: the verdicts themselves, and what limits them. */
static int keep_essential(struct gt_report *report, size_t from, bool verdicts)
{
    for (size_t i = from; i < report->findings.count; i++) {
        const char *sentence = report->findings.items[i];

        if ((!verdicts || i == from || strncmp(sentence, "Not GIL-bound", 13) == 0) &&
            gt_strvec_push(&report->essential, sentence))
            return -1;
    }
    return 0;
}

int gt_findings_make(struct gt_report *report)
{
    static const struct {
        gt_sentences *say;
        bool essential;
    } in_order[] = {
        {say_gil, true},
        {gt_locks_say, true},
        {gt_stops_say, true},
        {say_cut, true},
        {gt_left_out_say, true},
        {gt_recordings_say, true},
        {gt_cost_say_dear, false},
        {gt_machine_say_of_waiting, false},
        {say_beginning, false}, /* the timeline has nothing there */
        {gt_unseen_say, true},
        {gt_holes_say, true},
        {say_end, true},
        {gt_whatif_say, false},
        {say_futex, true},
        {gt_machine_say, false},
        {say_ready_holding, false},
        {say_states, true},
        {gt_functions_say, false},
        {gt_cost_say, false},
        {gt_cost_say_perf, false},
        {gt_sources_say, false},
        {say_quality, true},
    };
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    for (size_t i = 0; rc == 0 && i < sizeof(in_order) / sizeof(in_order[0]); i++) {
        size_t before = report->findings.count;

        rc = in_order[i].say(report, &text);
        if (rc == 0 && in_order[i].essential)
            rc = keep_essential(report, before, in_order[i].say == say_gil);
    }
    gt_buf_release(&text);
    return rc;
}
