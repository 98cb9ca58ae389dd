/* SPDX-License-Identifier: MIT */
/* The GIL from futex calls alone: how it is told, and what is made of its calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed.h"
#include "launch/runtime.h"
#include "require.h"

#include <errno.h>
#include <unistd.h>

enum { COND = 0x5000, WORD = COND + 40, MUTEX = COND + 48, SWITCH = COND + 88 + 40 };
enum { US = 1000, MS = 1000000 };

static struct gt_timeline *timeline;

static int setup(void **state)
{
    (void)state;
    timeline = gt_timeline_new(false, NULL);
    return timeline ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_timeline_free(timeline);
    return 0;
}

static void feed_event(struct gt_event event)
{
    event.pid = 7;
    event.comm = "";
    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void call(int64_t time_ns, int32_t tid, uint64_t address, uint32_t op, bool timed)
{
    feed_event((struct gt_event){.kind = GT_EVENT_FUTEX_ENTER,
                                 .time_ns = time_ns,
                                 .tid = tid,
                                 .futex = {address, op, timed}});
}

/* As libc tells it: with which mutex, where that is not 0. */
static void blocks_with(uint64_t mutex, int64_t time_ns, int32_t tid)
{
    feed_event((struct gt_event){.kind = GT_EVENT_BLOCK_ENTER,
                                 .time_ns = time_ns,
                                 .tid = tid,
                                 .cond = {COND, GT_NO_DEADLINE, mutex}});
}

static void blocks(int64_t time_ns, int32_t tid)
{
    blocks_with(0, time_ns, tid);
}

/* The call returns: GT_EVENT_FUTEX_EXIT, or GT_EVENT_BLOCK_EXIT. */
static void ends(enum gt_event_kind kind, int64_t time_ns, int32_t tid, int64_t result)
{
    feed_event((struct gt_event){
        .kind = kind, .time_ns = time_ns, .tid = tid, .cpu = -1, .result = result});
}

static void waits(int64_t time_ns, int32_t tid, uint64_t address)
{
    call(time_ns, tid, address, 0x89, true);
}

static void wakes(int64_t time_ns, int32_t tid, uint64_t address)
{
    call(time_ns, tid, address, 0x81, false);
}

static void returns(int64_t time_ns, int32_t tid)
{
    ends(GT_EVENT_FUTEX_EXIT, time_ns, tid, 0);
}

/* 8 and 9 pass the GIL to each other every 5 ms, from `time_ns` on: four hand-overs. */
static void ping_pong(int64_t time_ns, uint64_t word)
{
    for (int i = 0; i < 4; i++, time_ns += 5 * MS) {
        int32_t holder = i % 2 ? 9 : 8, waiter = i % 2 ? 8 : 9;

        waits(time_ns + US, waiter, word + (i % 2 ? 4 : 0));
        wakes(time_ns + 5 * MS, holder, word + (i % 2 ? 4 : 0));
        returns(time_ns + 5 * MS, holder);
        returns(time_ns + 5 * MS + 10, waiter);
    }
}

static const struct gt_gil *only_gil(void)
{
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, 1);
    return gt_gil_at(timeline, 0);
}

static void passed_to_and_fro(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    tick(timeline, 40 * MS, 7, 8, 0);
    gil = only_gil();
    assert_int_equal(gil->source, GT_GIL_FROM_FUTEX);
    assert_true(gil->address == COND);
    assert_int_equal(gil->handovers, 4);
    assert_int_equal(member_of_tid(timeline, gil, 9)->waits, 2);
    assert_int_equal(member_of_tid(timeline, gil, 9)->wait_ns, 2 * (5 * MS - US + 10));
    assert_int_equal(gt_span_at(&gil->holds, 1)->end_ns, 20 * MS);
    assert_null(broken_invariant(timeline));
}

/* As libc's own paths tell it, of a libc that has its words at `word`. */
static void told_by_libc(uint64_t word)
{
    const struct gt_gil *gil;

    for (int i = 0; i < 4; i++) {
        int32_t holder = i % 2 ? 9 : 8, waiter = i % 2 ? 8 : 9;
        int64_t time_ns = (10 + 5 * i) * MS;

        blocks(time_ns + US, waiter);
        wakes(time_ns + 5 * MS, holder, word + (i % 2 ? 4 : 0));
        ends(GT_EVENT_BLOCK_EXIT, time_ns + 5 * MS + 10, waiter, 0);
    }
    tick(timeline, 40 * MS, 7, 8, 0);
    gil = only_gil();
    assert_true(gil->address == COND);
    assert_int_equal(gil->handovers, 4);
    assert_int_equal(member_of_tid(timeline, gil, 9)->wait_ns, 2 * (5 * MS - US + 10));
    assert_null(broken_invariant(timeline));
}

/* A wait that timed out as it was signalled: glibc wakes another waiter before it returns. */
static void a_wake_within_a_wait_releases_nothing(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    blocks(40 * MS, 9);
    wakes(45 * MS, 8, WORD);
    wakes(45 * MS + 10 * US, 9, WORD + 4);
    ends(GT_EVENT_BLOCK_EXIT, 45 * MS + 20 * US, 9, ETIMEDOUT);
    wakes(50 * MS, 9, WORD);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(timeline->quality.passed_signals, 1);
    assert_int_equal(timeline->quality.unmatched_releases, 0);
    assert_int_equal(gt_span_at(&gil->waits, 4)->start_ns, 40 * MS);
    assert_null(broken_invariant(timeline));
}

static void told_by_libc_as_it_was(void **state)
{
    (void)state;
    told_by_libc(COND + 40);
}

static void told_by_libc_since_2_41(void **state)
{
    (void)state;
    told_by_libc(COND + 32);
}

/* A condition variable beyond doubt, but its consumer never wakes anybody. */
static void a_queue_of_a_library_is_none(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        blocks(i * MS + 1, 9);
        wakes(i * MS + 500, 8, WORD);
        ends(GT_EVENT_BLOCK_EXIT, i * MS + 510, 9, 0);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, 0);
}

/* 9 woke 8 once, and from then on waits for a thread of C, which never waits and has no thread
 * state when it releases: it is not forced to switch. */
static void who_woke_first_and_waits_later(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    blocks(10 * MS, 8);
    wakes(11 * MS, 9, WORD);
    ends(GT_EVENT_BLOCK_EXIT, 11 * MS + 10, 8, 0);
    for (int i = 0; i < 3; i++) {
        blocks((20 + 10 * i) * MS, 9);
        wakes((25 + 10 * i) * MS, 10, WORD + 4);
        ends(GT_EVENT_BLOCK_EXIT, (25 + 10 * i) * MS + 10, 9, 0);
    }
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(member_of_tid(timeline, gil, 9)->waits, 3);
    assert_null(broken_invariant(timeline));
}

static void one_word_is_a_lock(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) { /* a semaphore that two threads wait on and post */
        waits(i * MS + 1, i % 2 ? 8 : 9, WORD);
        wakes(i * MS + 500, i % 2 ? 9 : 8, WORD);
        returns(i * MS + 510, i % 2 ? 8 : 9);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, 0);
}

static void a_queue_is_none(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) { /* 9 consumes, 8 produces: who waits never wakes */
        waits(i * MS + 1, 9, WORD + (i % 2) * 4);
        wakes(i * MS + 500, 8, WORD + (i % 2) * 4);
        returns(i * MS + 510, 9);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, 0);
}

static const struct gt_runtime runtime = {
    .path = "/lib/libpython3.so",
    .address = 0x90000,
    .size_bytes = 0x1000,
    .code_address = 0x11000,
    .code_offset = 0x10000,
    .code_size_bytes = 0x3000,
};

static void map_runtime(int64_t time_ns, const char *path, uint64_t address)
{
    struct gt_event event = {.kind = GT_EVENT_MMAP,
                             .time_ns = time_ns,
                             .pid = 7,
                             .tid = 7,
                             .cpu = 0,
                             .comm = "",
                             .mapping = {.address = address,
                                         .offset = 0x10000,
                                         .path = path,
                                         .path_length = (uint16_t)strlen(path)}};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void in_the_runtime_it_needs_no_pattern(void **state)
{
    /* Loaded 0x400000 away: _PyRuntime is at 0x490000. */
    const uint64_t gil_address = 0x490180;
    const struct gt_gil *gil;

    (void)state;
    gt_timeline_set_runtime(timeline, &runtime);
    tick(timeline, 1, 7, 7, 0);
    map_runtime(2, runtime.path, 0x411000);
    waits(10, 8, gil_address + 40);
    wakes(20, 9, gil_address + 40);
    returns(30, 8);
    tick(timeline, MS, 7, 8, 0);
    gil = only_gil();
    assert_true(gil->address == gil_address);
    assert_int_equal(gil->handovers, 1);
}

static void outside_of_it_neighbours_must_tell(void **state)
{
    (void)state;
    gt_timeline_set_runtime(timeline, &runtime);
    tick(timeline, 1, 7, 7, 0);
    map_runtime(2, "/lib/other.so", 0x11000);
    map_runtime(3, runtime.path, 0x411000);
    ping_pong(10 * MS, WORD);
    ping_pong(50 * MS, WORD + 0x10000);
    wakes(80 * MS, 8, MUTEX + 0x10000);
    tick(timeline, 90 * MS, 7, 8, 0);
    assert_true(only_gil()->address == COND + 0x10000);
}

/* Nobody ever slept for the mutex; where it lies is what waits tell. */
static void told_with_mutex(uint64_t mutex, size_t gils)
{
    gt_timeline_set_runtime(timeline, &runtime);
    tick(timeline, 1, 7, 7, 0);
    map_runtime(3, runtime.path, 0x411000);
    for (int i = 0; i < 4; i++) {
        int32_t holder = i % 2 ? 9 : 8, waiter = i % 2 ? 8 : 9;
        int64_t time_ns = (10 + 5 * i) * MS;

        blocks_with(mutex, time_ns + US, waiter);
        wakes(time_ns + 5 * MS, holder, WORD + (i % 2 ? 4 : 0));
        ends(GT_EVENT_BLOCK_EXIT, time_ns + 5 * MS + 10, waiter, 0);
    }
    tick(timeline, 40 * MS, 7, 8, 0);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(timeline->gils.count, gils);
}

static void the_mutex_of_its_waits_tells(void **state)
{
    (void)state;
    told_with_mutex(MUTEX, 1);
}

static void a_mutex_elsewhere_is_no_gils(void **state)
{
    (void)state;
    told_with_mutex(MUTEX + 8 * 20, 0);
}

static void a_mutex_before_it_is_no_gils(void **state)
{
    (void)state;
    told_with_mutex(COND - 40, 0);
}

/* Beside the system calls, what tells deadlines tells it. */
static void the_mutex_beside_the_calls_tells(void **state)
{
    (void)state;
    gt_timeline_set_runtime(timeline, &runtime);
    tick(timeline, 1, 7, 7, 0);
    map_runtime(3, runtime.path, 0x411000);
    for (int i = 0; i < 2; i++) {
        feed_event((struct gt_event){.kind = GT_EVENT_COND_WAIT,
                                     .time_ns = (9 + 20 * i) * MS,
                                     .tid = 9,
                                     .cond = {COND, (14 + 20 * i) * MS, MUTEX}});
        ping_pong((10 + 20 * i) * MS, WORD);
    }
    tick(timeline, 60 * MS, 7, 8, 0);
    assert_true(only_gil()->address == COND);
}

static void a_wait_goes_on_for_the_mutex(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    returns(45 * MS, 9);
    call(45 * MS + 5 * US, 9, MUTEX, 0x80, false); /* 8 is in its critical section */
    wakes(52 * MS, 8, MUTEX);
    returns(52 * MS + 10, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 5);
    assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns, 52 * MS + 10);
    assert_null(broken_invariant(timeline));
}

static void the_interval_passed_and_it_waits_again(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    returns(45 * MS, 9);
    waits(45 * MS + 20 * US, 9, WORD);
    wakes(48 * MS, 8, WORD);
    returns(48 * MS + 10, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 5);
    assert_int_equal(gt_span_at(&gil->waits, 4)->start_ns, 40 * MS);
}

/* Its time is up just as another one is woken: it contends for the lock within the condition
 * variable, which lies where newer versions of glibc have a word that is woken. */
static void the_lock_within_is_no_word(void **state)
{
    enum { LOCK = COND + 32 };
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(31 * MS, 9, WORD);
    ends(GT_EVENT_FUTEX_EXIT, 36 * MS, 9, -ETIMEDOUT);
    call(36 * MS + US, 9, LOCK, 0x80, false); /* who has it has no CPU */
    returns(46 * MS, 9);
    wakes(46 * MS + 10 * US, 9, LOCK);
    returns(46 * MS + 11 * US, 9);
    call(46 * MS + 12 * US, 9, MUTEX, 0x80, false);
    returns(46 * MS + 13 * US, 9);
    wakes(46 * MS + 14 * US, 9, MUTEX);
    returns(46 * MS + 15 * US, 9);
    waits(46 * MS + 16 * US, 9, WORD);
    wakes(50 * MS, 8, WORD);
    returns(50 * MS, 8);
    returns(50 * MS + 10, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 5);
    assert_int_equal(member_of_tid(timeline, gil, 9)->waits, 3);
    assert_int_equal(gt_span_at(&gil->waits, 4)->start_ns, 31 * MS);
    assert_null(broken_invariant(timeline));
}

static void forced_switching_tells(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* 9 waits twice and never wakes; 8 then waits for 9 */
        waits((10 + 20 * i) * MS, 9, WORD + 4 * (uint64_t)i);
        wakes((18 + 20 * i) * MS, 8, WORD + 4 * (uint64_t)i);
        call((18 + 20 * i) * MS + US, 8, SWITCH, 0x189, false);
        returns((18 + 20 * i) * MS + 2 * US, 9);
        wakes((18 + 20 * i) * MS + 3 * US, 9, SWITCH);
        returns((18 + 20 * i) * MS + 4 * US, 8);
    }
    assert_int_equal(only_gil()->handovers, 2);
}

/* 8 holds and wakes 9, which comes back, acquires, lets go silently and waits again. */
static void what_it_does_next_tells(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    wakes(45 * MS, 8, WORD);
    returns(45 * MS + 5 * US, 9);
    wakes(45 * MS + 10 * US, 9, 0x9000); /* a lock of the program's */
    waits(45 * MS + 20 * US, 9, WORD);
    wakes(48 * MS, 8, WORD);
    returns(48 * MS + 5 * US, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 6);
    assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns, 45 * MS + 5 * US);
    assert_int_equal(gt_span_at(&gil->waits, 5)->start_ns, 45 * MS + 20 * US);
    assert_null(broken_invariant(timeline));
}

/* The same with the start of a thread, and with nothing but time. */
static void what_else_tells(void **state)
{
    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    wakes(45 * MS, 8, WORD);
    returns(45 * MS + 5 * US, 9);
    fork_task(timeline, 45 * MS + 10 * US, 7, 10, 9);
    waits(45 * MS + 20 * US, 9, WORD);
    wakes(48 * MS, 8, WORD);
    returns(48 * MS + 5 * US, 9);
    waits(49 * MS, 9, WORD);
    wakes(50 * MS, 8, WORD);
    returns(50 * MS + 5 * US, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    assert_int_equal(only_gil()->handovers, 7);
}

/* The switch interval passed, and the waiter was pushed off its CPU before it waits again.
 * A release would have woken 10. */
static void late_is_not_enough(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    waits(41 * MS, 10, WORD);
    returns(45 * MS, 9);
    waits(48 * MS, 9, WORD);
    wakes(49 * MS, 8, WORD);
    returns(49 * MS + 5 * US, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 5);
    assert_int_equal(gt_span_at(&gil->waits, 4)->start_ns, 40 * MS);
    assert_null(broken_invariant(timeline));
}

/* It came back, was pushed off its CPU, and waits for the mutex: 10 holds that. What follows
 * tells whether it needed it to acquire or to release. */
static void late_for_the_mutex(void **state)
{
    for (int releases = 0; releases < 2; releases++) {
        const struct gt_gil *gil;

        if (releases)
            setup(state);
        ping_pong(10 * MS, WORD);
        waits(40 * MS, 9, WORD);
        waits(41 * MS, 10, WORD);
        wakes(45 * MS, 8, WORD);
        returns(45 * MS + 5 * US, 9);
        call(48 * MS, 9, MUTEX, 0x80, false);
        returns(49 * MS, 9);
        wakes((releases ? 49 * MS : 54 * MS) + 5 * US, 9, WORD);
        tick(timeline, 60 * MS, 7, 9, 0);
        gil = only_gil();
        assert_int_equal(gil->handovers, 5);
        assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns,
                         releases ? 45 * MS + 5 * US : 49 * MS);
        if (!releases)
            teardown(state);
    }
}

/* The release comes as 9 begins to wait again: that ends without a system call of its own. */
static void a_wait_without_a_call(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    returns(45 * MS, 9);
    wakes(45 * MS + 2 * US, 9, MUTEX);
    wakes(45 * MS + 3 * US, 8, WORD);
    call(45 * MS + 4 * US, 9, MUTEX, 0x80, false);
    returns(45 * MS + 50 * US, 9);
    wakes(45 * MS + 51 * US, 9, MUTEX);
    waits(45 * MS + 60 * US, 8, WORD);
    wakes(50 * MS, 9, WORD);
    tick(timeline, 60 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gil->handovers, 5);
    assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns, 45 * MS + 50 * US);
    assert_int_equal(gt_span_at(&gil->holds, gil->holds.count - 2)->end_ns, 45 * MS + 3 * US);
    assert_null(broken_invariant(timeline));
}

static void a_mutex_of_python_3_6(void **state)
{
    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    returns(45 * MS, 9);
    call(45 * MS + 5 * US, 9, COND - 64, 0x80, false);
    returns(46 * MS, 9);
    waits(46 * MS + 5 * US, 9, WORD);
    wakes(48 * MS, 8, WORD);
    returns(48 * MS + 10, 9);
    tick(timeline, 60 * MS, 7, 9, 0);
    assert_int_equal(only_gil()->handovers, 5);
}

/* 9 acquires when nobody waits; what it holds before 8 comes to wait is not known. */
static void holds_begin_with_who_waits(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    wakes(45 * MS, 8, WORD);
    returns(45 * MS + 5 * US, 9);
    waits(70 * MS, 8, WORD);
    wakes(75 * MS, 9, WORD);
    returns(75 * MS + 5 * US, 8);
    tick(timeline, 80 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gt_span_at(&gil->holds, gil->holds.count - 1)->start_ns, 70 * MS);
    assert_int_equal(gt_span_at(&gil->holds, gil->holds.count - 1)->end_ns, 75 * MS);
}

static void a_loss_ends_what_was_known(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    tick(timeline, 41 * MS, 7, 8, 0);
    lose(timeline, 50 * MS, 0, 100);
    wakes(55 * MS, 8, WORD);
    waits(60 * MS, 9, WORD);
    wakes(62 * MS, 8, WORD);
    returns(62 * MS + 5 * US, 9);
    tick(timeline, 80 * MS, 7, 9, 0);
    gil = only_gil();
    assert_int_equal(gt_span_at(&gil->waits, 4)->start_ns, 40 * MS);
    assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns, 41 * MS);
    assert_int_equal(gt_span_at(&gil->waits, 5)->start_ns, 60 * MS);
    assert_int_equal(gil->waits.count, 6);
    assert_null(broken_invariant(timeline));
}

static void a_daemon_never_gets_it(void **state)
{
    const struct gt_gil *gil;

    (void)state;
    ping_pong(10 * MS, WORD);
    waits(40 * MS, 9, WORD);
    exit_task(timeline, 50 * MS, 7, 9);
    gil = only_gil();
    assert_int_equal(gil->defects.takes_without_return, 1);
    assert_int_equal(gt_span_at(&gil->waits, 4)->end_ns, 50 * MS);
    assert_true(gt_span_at(&gil->waits, 4)->flags & GT_SPAN_CUT_END);
}

static void locating_the_runtime(void **state)
{
    uint64_t start, end;

    (void)state;
    assert_true(gt_runtime_locate(&runtime, 0x7f0000011000, 0x10000, &start, &end));
    assert_true(start == 0x7f0000090000 && end == 0x7f0000091000);
    assert_false(gt_runtime_locate(&runtime, 0x7f0000011000, 0x13000, &start, &end));
    assert_false(gt_runtime_locate(&runtime, 0x7f0000011000, 0, &start, &end));
}

/* The distribution's interpreter exports it, stripped as it is. */
static void finding_the_runtime(void **state)
{
    char path[] = "/usr/bin/python3";
    struct gt_interp interp = {.executable = path};
    struct gt_runtime found, all;
    struct gt_error err;

    (void)state;
    require(access(path, R_OK) == 0, path);
    assert_int_equal(gt_runtime_find(&found, &interp, &err), 0);
    assert_string_equal(found.path, path);
    assert_true(found.size_bytes >= 512 && found.address > found.code_address);
    assert_true(found.code_size_bytes > 100000);
    interp.major = 3;
    interp.minor = 6; /* as though it were: all its variables */
    assert_int_equal(gt_runtime_find(&all, &interp, &err), 0);
    assert_true(all.address <= found.address &&
                all.address + all.size_bytes >= found.address + found.size_bytes);
    interp.minor = 0;
    strcpy(path, "/dev/zero");
    assert_int_equal(gt_runtime_find(&found, &interp, &err), GT_ERR_FORMAT);
    interp.executable = NULL;
    assert_int_equal(gt_runtime_find(&found, &interp, &err), GT_ERR_NOT_FOUND);
}

/* 9 waits again and again, a little late; 8 releases as 9 is between two waits, so that there
 * is nobody to wake, and sleeps until 9 has acquired. */
static void a_release_that_wakes_nobody_is_seen_by_the_sleep_after_it(void **state)
{
    const struct gt_gil *gil;
    const struct gt_span *hold;

    (void)state;
    ping_pong(10 * MS, WORD); /* it is a GIL, and 8 has it at the end */
    for (int i = 0; i < 4; i++) {
        waits(40 * MS + i * 6 * MS, 9, WORD);
        ends(GT_EVENT_FUTEX_EXIT, 45 * MS + i * 6 * MS, 9, -ETIMEDOUT);
    }
    call(63 * MS + 100 * US, 8, SWITCH, 0x89, false); /* released */
    wakes(63 * MS + 200 * US, 9, SWITCH);             /* acquired */
    tick(timeline, 70 * MS, 7, 8, 0);
    gil = only_gil();
    hold = gt_span_at(&gil->holds, gil->holds.count - 1);
    assert_int_equal(gt_thread_at(timeline, hold->thread)->tid, 8);
    assert_int_equal(hold->start_ns, 40 * MS);
    assert_int_equal(hold->end_ns, 63 * MS + 100 * US);
    assert_int_equal(member_of_tid(timeline, gil, 9)->waits, 3);
    assert_int_equal(gil->asks.count, 3);
    assert_null(broken_invariant(timeline));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passed_to_and_fro, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_release_that_wakes_nobody_is_seen_by_the_sleep_after_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wake_within_a_wait_releases_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(told_by_libc_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(told_by_libc_since_2_41, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_of_a_library_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(who_woke_first_and_waits_later, setup, teardown),
        cmocka_unit_test_setup_teardown(one_word_is_a_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(in_the_runtime_it_needs_no_pattern, setup, teardown),
        cmocka_unit_test_setup_teardown(outside_of_it_neighbours_must_tell, setup, teardown),
        cmocka_unit_test_setup_teardown(the_mutex_of_its_waits_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mutex_elsewhere_is_no_gils, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mutex_before_it_is_no_gils, setup, teardown),
        cmocka_unit_test_setup_teardown(the_mutex_beside_the_calls_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wait_goes_on_for_the_mutex, setup, teardown),
        cmocka_unit_test_setup_teardown(the_interval_passed_and_it_waits_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_lock_within_is_no_word, setup, teardown),
        cmocka_unit_test_setup_teardown(forced_switching_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(what_it_does_next_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(what_else_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(late_is_not_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(late_for_the_mutex, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wait_without_a_call, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mutex_of_python_3_6, setup, teardown),
        cmocka_unit_test_setup_teardown(holds_begin_with_who_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loss_ends_what_was_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_daemon_never_gets_it, setup, teardown),
        cmocka_unit_test(locating_the_runtime),
        cmocka_unit_test(finding_the_runtime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
