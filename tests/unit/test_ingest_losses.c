/* SPDX-License-Identifier: MIT */
/* ingest/losses: of two recordings, what one lost is told by its own events alone. */
#include "ingest/ingest.h"
#include "ingest/losses.h"
#include "model/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char probes[] = "py 7/7 [000] 1.000000000: gil:signal: (1) cond=0x7f0000001058\n"
                             "py 7/7 [000] 1.001000000: gil:signal: (1) cond=0x7f0000001000\n"
                             "py 7/7 [000] 2.000000000: PERF_RECORD_LOST lost 3\n"
                             "py 7/7 [000] 2.200000000: gil:signal: (1) cond=0x7f0000001058\n"
                             "py 7/7 [000] 2.300000000: gil:signal: (1) cond=0x7f0000001000\n";

static const char text[] = "py 7/7 [000] 0.900000000: PERF_RECORD_COMM exec: py:7/7\n"
                           "py 7/7 [000] 1.500000000: page-faults: \n"
                           "py 7/7 [000] 1.900000000: page-faults: \n"
                           "py 7/7 [000] 2.400000000: PERF_RECORD_LOST lost 5\n"
                           "py 7/7 [001] 2.450000000: PERF_RECORD_LOST lost 1\n"
                           "py 7/7 [000] 2.500000000: PERF_RECORD_EXIT(7:7):(7:7)\n";

static const struct gt_loss *loss_at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->losses, index);
}

static void each_recording_tells_since_when_its_own_events_are_missing(void **state)
{
    static const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    static const int64_t ms = 1000000;
    struct gt_ingest *ingest = gt_ingest_new(&options, NULL);
    const struct gt_timeline *timeline;

    (void)state;
    assert_non_null(ingest);
    assert_int_equal(gt_ingest_feed_probes(ingest, probes, sizeof(probes) - 1, NULL), 0);
    assert_int_equal(gt_ingest_feed(ingest, text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(gt_ingest_finish(ingest, NULL), 0);
    timeline = gt_ingest_recorded(ingest)->timeline;
    assert_int_equal(timeline->losses.count, 3);
    assert_int_equal(loss_at(timeline, 0)->start_ns, 1001 * ms);
    assert_int_equal(loss_at(timeline, 0)->end_ns, 2000 * ms);
    assert_int_equal(loss_at(timeline, 0)->cpu, 0);
    assert_int_equal(loss_at(timeline, 1)->start_ns, 1900 * ms);
    assert_int_equal(loss_at(timeline, 1)->events, 5);
    assert_int_equal(loss_at(timeline, 2)->start_ns, 900 * ms); /* from the beginning */
    assert_int_equal(loss_at(timeline, 2)->cpu, 1);
    gt_ingest_free(ingest);
}

static void a_cpu_that_is_none_tells_nothing(void **state)
{
    struct gt_event event = {.kind = GT_EVENT_OTHER, .time_ns = 100, .cpu = 1 << 20};
    struct gt_losses losses = {0};
    struct gt_event told;

    (void)state;
    assert_int_equal(gt_losses_note(&losses, &event, &told), 0);
    assert_int_equal(losses.count, 0);
    event = (struct gt_event){.kind = GT_EVENT_LOST, .time_ns = 200, .cpu = -1};
    assert_int_equal(gt_losses_note(&losses, &event, &told), 1);
    assert_int_equal(told.lost.since_ns, GT_SINCE_BEGINNING);
    event.lost.of_process = true;
    assert_int_equal(gt_losses_note(&losses, &event, &told), 0);
    gt_losses_release(&losses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_recording_tells_since_when_its_own_events_are_missing),
        cmocka_unit_test(a_cpu_that_is_none_tells_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
