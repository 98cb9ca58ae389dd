/* SPDX-License-Identifier: MIT */
/* Functions that are asked about by name: whose they are, and when threads were in them. */
#include "feed.h"

#include "whatif/named.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

static uint32_t stack_of(struct gt_timeline *t, const char *inner, const char *outer)
{
    struct gt_frame frames[2] = {{.symbol = inner,
                                  .symbol_length = (uint32_t)strlen(inner),
                                  .dso = "/l",
                                  .dso_length = 2},
                                 {.symbol = outer,
                                  .symbol_length = (uint32_t)strlen(outer),
                                  .dso = "/l",
                                  .dso_length = 2}};

    return gt_stacks_add(&t->native_stacks, frames, 2);
}

static void sample(struct gt_timeline *t, int64_t time_ns, int32_t tid, uint32_t stack)
{
    struct gt_event event = {.kind = GT_EVENT_SAMPLE,
                             .time_ns = time_ns,
                             .pid = 10,
                             .tid = tid,
                             .sample = {.stack = stack, .weight_ns = 100}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* 10 is in `middle` at 1000, 1100 and 1500, not at 1200; 11 once. */
static struct gt_timeline *make(void)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    uint32_t in, other;

    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 2, 10, 11, 10);
    acquire(t, 3, 10, 10, A);
    in = stack_of(t, "inner", "middle@@V1");
    other = stack_of(t, "middle_of_another", "outer");
    sample(t, 1000, 10, in);
    sample(t, 1050, 11, in);
    sample(t, 1100, 10, in);
    sample(t, 1120, 10, other);
    sample(t, 1500, 10, in);
    release(t, 2000, 10, 10, A);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    return t;
}

static void check(const struct gt_chunks *spans, size_t at, int64_t start_ns, int64_t end_ns,
                  uint32_t thread)
{
    const struct gt_nonyielding_span *span = gt_chunks_at(spans, at);

    assert_int_equal(span->start_ns, start_ns);
    assert_int_equal(span->end_ns, end_ns);
    assert_int_equal(span->thread, thread);
    assert_int_equal(span->tag, 7);
}

static void samples_that_follow_one_another_are_a_span(void **state)
{
    struct gt_timeline *t = make();
    struct gt_chunks spans;

    (void)state;
    gt_chunks_init(&spans, sizeof(struct gt_nonyielding_span));
    assert_int_equal(gt_named_spans(t, "middle", 7, &spans), 0);
    assert_int_equal(spans.count, 3);
    check(&spans, 0, 950, 1120, 0);
    check(&spans, 1, 1450, 1550, 0);
    check(&spans, 2, 1000, 1100, 1);
    gt_chunks_truncate(&spans, 0);
    assert_int_equal(gt_named_spans(t, "midd", 7, &spans), 0);
    assert_int_equal(spans.count, 0);
    gt_chunks_release(&spans);
    gt_timeline_free(t);
}

/* What was kept by another function is cut where the native one is. */
static void native_spans_take_the_place_of_others(void **state)
{
    struct gt_timeline *t = make();
    struct gt_kept kept = {.start_ns = 0, .end_ns = 100000, .asked_ns = 0, .thread = 0};
    struct gt_blocker row = {.doing = {.kind = GT_DOING_UNKNOWN}};
    struct gt_nonyielding_span in = {.start_ns = 30000, .end_ns = 50000, .thread = 0, .tag = 7};
    struct gt_blockers blockers;
    struct gt_nonyielding found;
    struct gt_chunks native;

    (void)state;
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    *(struct gt_kept *)gt_chunks_push(&blockers.kept) = kept;
    *(struct gt_blocker *)gt_chunks_push(&blockers.rows) = row;
    gt_chunks_init(&native, sizeof(struct gt_nonyielding_span));
    *(struct gt_nonyielding_span *)gt_chunks_push(&native) = in;
    assert_int_equal(gt_nonyielding_init(&found, t, &blockers, NULL, &native), 0);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.list[0].end_ns, 30000);
    assert_int_equal(found.list[0].tag, 0);
    assert_int_equal(found.list[1].tag, 7);
    assert_int_equal(found.list[2].start_ns, 50000);
    assert_int_equal(found.list[2].end_ns, 100000);
    gt_nonyielding_release(&found);
    gt_chunks_release(&native);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_that_follow_one_another_are_a_span),
        cmocka_unit_test(native_spans_take_the_place_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
