/* SPDX-License-Identifier: MIT */
/* What perf has written for sure, as its acknowledgements tell. The test plays perf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/nstime.h"
#include "launch/perfctl.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    uv_loop_t loop;
    struct gt_perfctl control;
    int acks; /* that were passed on */
};

static void on_ack(void *context)
{
    struct fixture *fixture = context;

    fixture->acks++;
}

static int start(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    *state = &fixture;
    uv_loop_init(&fixture.loop);
    return gt_perfctl_open(&fixture.control, &fixture.loop, on_ack, &fixture, NULL);
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    gt_perfctl_close(&fixture->control);
    while (fixture->control.open_handles)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    return uv_loop_close(&fixture->loop);
}

/* What perf reads next; giltracer is given the time to say it. */
static void must_hear(struct fixture *fixture, const char *words)
{
    char heard[64] = "";

    uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_true(read(fixture->control.child_ends[0], heard, sizeof(heard) - 1) > 0);
    assert_string_equal(heard, words);
}

static void answer(struct fixture *fixture)
{
    static const char ack[] = "ack\n"; /* perf sends the NUL, too */

    assert_int_equal(write(fixture->control.child_ends[1], ack, sizeof(ack)), sizeof(ack));
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void test_two_answers_say_that_the_first_was_written(void **state)
{
    struct fixture *fixture = *state;
    int64_t before_ns, between_ns;

    assert_true(gt_perfctl_say(&fixture->control, "enable"));
    answer(fixture);
    assert_int_equal(fixture->acks, 1);
    gt_perfctl_keep_flushing(&fixture->control, "ping");
    before_ns = gt_now_ns();
    must_hear(fixture, "enable\nping\n");
    between_ns = gt_now_ns();
    assert_true(fixture->control.written_ns == 0);
    answer(fixture); /* perf reads its buffers after it has answered */
    assert_true(fixture->control.written_ns == 0);
    must_hear(fixture, "ping\n");
    answer(fixture);
    assert_true(fixture->control.written_ns >= before_ns);
    assert_true(fixture->control.written_ns <= between_ns);
    assert_int_equal(fixture->acks, 1);
}

static void test_a_perf_that_does_not_answer_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;

    gt_perfctl_keep_flushing(&fixture->control, "ping");
    must_hear(fixture, "ping\n");
    for (int i = 0; i < 5; i++)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    answer(fixture);
    assert_true(fixture->control.written_ns == 0);
    must_hear(fixture, "ping\n");
}

static void test_a_perf_that_is_gone_is_not_told(void **state)
{
    struct fixture *fixture = *state;

    gt_perfctl_started(&fixture->control);
    assert_false(gt_perfctl_say(&fixture->control, "ping"));
    gt_perfctl_keep_flushing(&fixture->control, "ping");
    uv_run(&fixture->loop, UV_RUN_ONCE); /* the end of its answers */
    uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_false(uv_is_active((uv_handle_t *)&fixture->control.flusher));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_answers_say_that_the_first_was_written),
        TEST(test_a_perf_that_does_not_answer_is_not_waited_for),
        TEST(test_a_perf_that_is_gone_is_not_told),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
