/* SPDX-License-Identifier: MIT */
/* What the agent written into a log, signals in runs above all, is what agentlog/ gets out of
 * it.
 */
#include "agent/begin.h"
#include "agent/threads.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIGNALS = 400000 }; /* several slots, even where all are in runs */

struct record {
    uint64_t ticks; /* as it comes out */
    uint64_t cond;
    enum gt_event_kind kind;
};

static char *dir;
static struct record written[SIGNALS];
static size_t written_count;
static uint64_t random_state = 88172645463325252;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

/* A control file that says that ticks are nanoseconds: then times come out as they were put in.
 */
static int begin(void **state)
{
    struct gt_wire_control control = {.tick_source = GT_WIRE_TICKS_MONOTONIC};
    char path[256];
    int fd;

    (void)state;
    dir = gt_fs_private_dir(NULL);
    if (!dir || setenv(GT_AGENT_ENV_DIR, dir, 1))
        return -1;
    snprintf(path, sizeof(path), "%s/%s", dir, GT_WIRE_CONTROL_NAME);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, &control, sizeof(control)) != sizeof(control) ||
        ftruncate(fd, GT_WIRE_CONTROL_BYTES))
        return -1;
    close(fd);
    gt_agent_begin();
    return gt_agent_counter;
}

static int end(void **state)
{
    (void)state;
    gt_fs_remove_tree(dir, NULL);
    free(dir);
    return 0;
}

/* In one byte, which rounds its time down, and the next one's not. */
static bool put_brief(struct gt_agent_thread *self, uint64_t ticks, uint64_t cond)
{
    struct gt_agent_run *run = &self->log.run;

    if (!gt_agent_goes_on(run, ticks, cond) || !gt_agent_is_brief(run, ticks) ||
        !(gt_agent_has_room(run, true) || gt_agent_put_run_on(self)))
        return false;
    gt_agent_put_on(run, ticks, cond, true);
    assert_in_range(ticks - run->ticks, 0, (1 << GT_AGENT_RUN_SHIFT) - 1);
    return true;
}

static void put(struct gt_agent_thread *self, uint64_t ticks, enum gt_event_kind kind,
                uint64_t cond)
{
    written[written_count++] = (struct record){ticks, cond, kind};
    if (kind == GT_EVENT_COND_SIGNAL && random_below(4) && put_brief(self, ticks, cond))
        written[written_count - 1].ticks = self->log.run.ticks;
    else if (kind == GT_EVENT_COND_SIGNAL)
        gt_agent_put_signal(self, ticks, cond);
    else
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_WAIT, cond));
}

/* The next signal is as a rule the other one of a pair, soon; now and then it is late, the same
 * one again, of another GIL, of none, or something else comes between. */
static void put_all(struct gt_agent_thread *self)
{
    static const uint64_t gils[] = {0x7f0000001000, 0x7f0000009000, 0x1000};
    uint64_t ticks = gt_agent_ticks(), gil = gils[0];

    for (size_t i = 0; i < SIGNALS; i++) {
        uint64_t odd = random_below(1000);

        ticks += 1 + random_below(odd < 3 ? 200000 : odd < 30 ? 3000 : 250);
        if (odd == 4)
            ticks += GT_WIRE_RUN_LONG - 30; /* at the bound of what a run can hold */
        if (odd == 5)
            gil = gils[random_below(3)];
        if (odd == 6)
            put(self, ticks, GT_EVENT_COND_WAIT, gil);
        else
            put(self, ticks, GT_EVENT_COND_SIGNAL,
                odd == 7 ? gil + random_below(100000) : gil + 88 * ((i + (odd == 8)) % 2));
    }
}

static void test_what_is_put_in_comes_out(void **state)
{
    struct gt_agent_thread *self = gt_agent_enter();
    struct gt_agentlog *log;
    struct gt_event event;
    size_t seen = 0;

    (void)state;
    assert_non_null(self);
    put_all(self);
    gt_agent_leave(self);
    gt_agent_clock_anchor(gt_agent.control);
    /* In runs a signal takes little more than one byte, records of 16 and all else included. */
    assert_in_range(gt_agent.control->units * GT_WIRE_CHUNK_BYTES, SIGNALS, SIGNALS * 3);
    log = gt_agentlog_open(dir, NULL);
    assert_non_null(log);
    while (gt_agentlog_next(log, &event, NULL) > 0) {
        if (event.kind != GT_EVENT_COND_SIGNAL && event.kind != GT_EVENT_COND_WAIT)
            continue;
        assert_true(seen < written_count);
        assert_int_equal(event.kind, written[seen].kind);
        assert_int_equal(event.time_ns, written[seen].ticks);
        assert_true(event.cond.address == written[seen].cond);
        seen++;
    }
    assert_int_equal(seen, written_count);
    gt_agentlog_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_put_in_comes_out, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
