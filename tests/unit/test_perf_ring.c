/* SPDX-License-Identifier: MIT */
/* lib/ingest/perf_ring: of a recording without end the newest part is kept, and a copy of it is
 * a recording that tells of the same threads. */
#include "ingest/perf_ring.h"

#include "base/buf.h"
#include "base/nstime.h"
#include "script/perfdata.h"

#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t TYPE =
    PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER;
static const int64_t S = GT_NS_PER_S;

enum { MARGIN_S = 5, KEEP_S = 10, EVENTS_MAX = 1 << 14 };

static FILE *file;
static struct gt_perf_ring *ring;

/* --- what perf writes --- */

static void put(const void *data, size_t length)
{
    assert_int_equal(fwrite(data, 1, length, file), length);
}

static void put_record(uint32_t type, uint16_t misc, const void *body, size_t length,
                       int64_t time_ns, int32_t pid, int32_t tid)
{
    uint16_t size = (uint16_t)(8 + length + 32);
    const uint64_t end[] = {(uint32_t)pid | (uint64_t)(uint32_t)tid << 32, (uint64_t)time_ns, 0,
                            7};

    put(&type, 4);
    put(&misc, 2);
    put(&size, 2);
    put(body, length);
    put(end, sizeof(end));
}

static void begins(void)
{
    struct perf_event_attr one = {
        .type = PERF_TYPE_SOFTWARE, .size = 64, .sample_type = TYPE, .sample_id_all = 1};
    const uint32_t type = 64;
    const uint16_t misc = 0, size = 8 + 64 + 8;
    const uint64_t own = 16, id = 7;

    put("PERFILE2", 8);
    put(&own, 8);
    put(&type, 4);
    put(&misc, 2);
    put(&size, 2);
    put(&one, 64);
    put(&id, 8);
}

static void round_ends(void)
{
    const uint32_t type = 68;
    const uint16_t misc = 0, size = 8;

    put(&type, 4);
    put(&misc, 2);
    put(&size, 2);
    fflush(file);
}

static void named(int64_t time_ns, int32_t pid, int32_t tid, const char *name, bool exec)
{
    struct {
        int32_t pid, tid;
        char name[16];
    } body = {.pid = pid, .tid = tid};

    snprintf(body.name, sizeof(body.name), "%s", name);
    put_record(PERF_RECORD_COMM, exec ? 1 << 13 : 0, &body, sizeof(body), time_ns, pid, tid);
}

static void lives(uint32_t type, int64_t time_ns, int32_t pid, int32_t tid, int32_t creator_pid,
                  int32_t creator_tid)
{
    struct {
        int32_t pid, creator_pid, tid, creator_tid;
        int64_t time_ns;
    } body = {pid, creator_pid, tid, creator_tid, time_ns};

    put_record(type, 0, &body, sizeof(body), time_ns, creator_pid, creator_tid);
}

static void mapped(int64_t time_ns, int32_t pid, const char *path, uint64_t address)
{
    struct {
        int32_t pid, tid;
        uint64_t address, length, offset;
        uint32_t major, minor;
        uint64_t inode, generation;
        uint32_t protection, flags;
        char path[64];
    } body = {.pid = pid,
              .tid = pid,
              .address = address,
              .length = 4096,
              .offset = 8192,
              .major = 8,
              .minor = 1,
              .inode = 99};

    snprintf(body.path, sizeof(body.path), "%s", path);
    put_record(PERF_RECORD_MMAP2, 0, &body, sizeof(body), time_ns, pid, pid);
}

static void runs(int64_t time_ns, int32_t tid)
{
    put_record(PERF_RECORD_SWITCH, 0, "", 0, time_ns, 1, tid);
}

/* --- what a copy tells --- */

static struct gt_event events[EVENTS_MAX];
static char texts[EVENTS_MAX][64];
static size_t event_count;

static int take(void *context, const struct gt_event *event)
{
    const char *text =
        event->kind == GT_EVENT_MMAP ? event->mapping.path : event->new_name.text;
    size_t length =
        event->kind == GT_EVENT_MMAP ? event->mapping.path_length : event->new_name.length;

    (void)context;
    assert_true(event_count < EVENTS_MAX);
    if (event->kind == GT_EVENT_COMM || event->kind == GT_EVENT_MMAP)
        snprintf(texts[event_count], sizeof(texts[0]), "%.*s", (int)length, text);
    else
        snprintf(texts[event_count], sizeof(texts[0]), "%.*s", (int)event->comm_length,
                 event->comm);
    events[event_count++] = *event;
    return 0;
}

static void copy(void)
{
    struct gt_perfdata *data = gt_perfdata_new(take, NULL, true);
    FILE *to = tmpfile();
    static char bytes[1 << 20];
    size_t length;

    assert_non_null(to);
    assert_int_equal(gt_perf_ring_copy(ring, fileno(to), NULL), 0);
    rewind(to);
    event_count = 0;
    while ((length = fread(bytes, 1, sizeof(bytes), to)) > 0)
        assert_int_equal(gt_perfdata_feed(data, bytes, length), 0);
    assert_int_equal(gt_perfdata_finish(data), 0);
    gt_perfdata_free(data);
    fclose(to);
}

/* The event of this kind of a thread; NULL: there is none. */
static const struct gt_event *find(enum gt_event_kind kind, int32_t tid, const char *text)
{
    for (size_t i = 0; i < event_count; i++)
        if (events[i].kind == kind && events[i].tid == tid && strcmp(texts[i], text) == 0)
            return &events[i];
    return NULL;
}

static size_t count(enum gt_event_kind kind)
{
    size_t found = 0;

    for (size_t i = 0; i < event_count; i++)
        found += events[i].kind == kind;
    return found;
}

/* --- */

static int make(uint64_t most_bytes)
{
    struct gt_perf_ring_options options = {.keep_ns = KEEP_S * S, .most_bytes = most_bytes};

    file = tmpfile();
    assert_non_null(file);
    options.file = fileno(file);
    ring = gt_perf_ring_new(&options, NULL);
    assert_non_null(ring);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return make(UINT64_MAX / 2);
}

static int teardown(void **state)
{
    (void)state;
    gt_perf_ring_free(ring);
    fclose(file);
    return 0;
}

static void sweep(int64_t now_ns)
{
    fflush(file);
    assert_int_equal(gt_perf_ring_sweep(ring, now_ns, NULL), 0);
}

static void test_before_anything_is_written(void **state)
{
    struct gt_error err;

    (void)state;
    sweep(S);
    assert_int_equal(gt_perf_ring_copy(ring, fileno(file), &err), GT_ERR_IO);
    assert_int_equal(gt_perf_ring_since_ns(ring, 100 * S), 90 * S);
}

static void test_nothing_is_old(void **state)
{
    (void)state;
    begins();
    named(0, 1, 1, "python3", false);
    runs(S, 1);
    round_ends();
    runs(2 * S, 1);
    round_ends();
    sweep((KEEP_S + MARGIN_S) * S);
    copy();
    assert_int_equal(count(GT_EVENT_SWITCH_IN), 2);
    assert_non_null(find(GT_EVENT_COMM, 1, "python3"));
}

/* Whole rounds go; who lives, and what it maps, is told as of before. */
static void test_what_is_old_goes(void **state)
{
    const struct gt_event *event;

    (void)state;
    begins();
    named(0, 1, 1, "python3", false);
    mapped(0, 1, "/usr/bin/python3.11", 0x1000);
    mapped(0, 1, "/usr/share/other", 0x2000);
    lives(PERF_RECORD_FORK, 5 * S, 1, 2, 1, 1); /* a thread, whose name is inherited */
    lives(PERF_RECORD_FORK, 5 * S, 1, 3, 1, 1);
    named(5 * S + 1, 1, 3, "ended", false);
    lives(PERF_RECORD_FORK, 6 * S, 9, 9, 1, 1); /* a process, which maps the same */
    lives(PERF_RECORD_FORK, 6 * S, 8, 8, 1, 1); /* one that executes something else */
    named(6 * S + 1, 8, 8, "sleep", true);
    round_ends();
    runs(7 * S, 1);
    lives(PERF_RECORD_EXIT, 8 * S, 1, 3, 1, 3);
    round_ends();
    runs(8 * S - 1, 2); /* of another CPU: later than its time */
    runs(30 * S, 1);
    round_ends();
    runs(31 * S, 2);
    round_ends();
    sweep((8 + KEEP_S + MARGIN_S) * S); /* the newest of the second round is kept */
    copy();
    assert_int_equal(count(GT_EVENT_SWITCH_IN), 4);
    sweep((8 + KEEP_S + MARGIN_S) * S + 1);
    copy();
    assert_int_equal(count(GT_EVENT_SWITCH_IN), 3);
    /* Of the newest round that went, what may be older is still told as it was recorded. */
    assert_int_equal(count(GT_EVENT_FORK) + count(GT_EVENT_EXEC), 0);
    assert_int_equal(count(GT_EVENT_EXIT), 1);
    assert_int_equal(find(GT_EVENT_EXIT, 3, "ended")->time_ns, 8 * S);
    assert_int_equal(count(GT_EVENT_COMM), 5);
    assert_non_null(find(GT_EVENT_COMM, 1, "python3"));
    assert_non_null(find(GT_EVENT_COMM, 2, "python3"));
    assert_non_null(find(GT_EVENT_COMM, 9, "python3"));
    assert_non_null(find(GT_EVENT_COMM, 8, "sleep"));
    assert_int_equal(count(GT_EVENT_MMAP), 2);
    for (int32_t pid = 1; pid <= 9; pid += 8) {
        event = find(GT_EVENT_MMAP, pid, "/usr/bin/python3.11");
        assert_non_null(event);
        assert_int_equal(event->mapping.address, 0x1000);
        assert_int_equal(event->mapping.offset, 8192);
        assert_int_equal(event->mapping.inode, 99);
        assert_int_equal(event->mapping.device, 8 << 20 | 1);
    }
    for (size_t i = 0; i < event_count; i++)
        assert_true(events[i].kind == GT_EVENT_SWITCH_IN || events[i].kind == GT_EVENT_EXIT ||
                    events[i].time_ns == 0);
    assert_int_equal(gt_perf_ring_since_ns(ring, 10 * S), 8 * S + 1);
    assert_int_equal(gt_perf_ring_since_ns(ring, 40 * S), 30 * S);
}

/* A round has the records of one CPU after those of another, and the next one may begin
 * earlier. */
static void test_the_newest_name_counts(void **state)
{
    (void)state;
    begins();
    named(0, 1, 1, "gate", false);
    named(3 * S, 1, 1, "python3", true);
    mapped(3 * S + 1, 1, "/usr/bin/python3.11", 0x1000);
    runs(4 * S, 1);
    named(2 * S, 1, 1, "gate", true);
    mapped(2 * S + 1, 1, "/usr/lib/libc.so.6", 0x2000);
    lives(PERF_RECORD_FORK, 4 * S, 1, 2, 1, 1);
    round_ends();
    named(4 * S - 1, 1, 1, "other", false); /* before the thread was made */
    runs(5 * S, 1);
    round_ends();
    runs(30 * S, 1);
    round_ends();
    for (int turn = 0; turn < 2; turn++) { /* the first round alone is taken out, then both */
        sweep((4 + turn + KEEP_S + MARGIN_S) * S + 1);
        copy();
        assert_int_equal(count(GT_EVENT_SWITCH_IN), 2 - turn);
        assert_non_null(find(GT_EVENT_SWITCH_IN, 1, "other"));
        assert_null(find(GT_EVENT_SWITCH_IN, 1, "gate"));
        assert_null(find(GT_EVENT_SWITCH_IN, 1, "python3"));
    }
    round_ends(); /* one that is empty: nothing waits any more */
    runs(50 * S, 1);
    round_ends();
    sweep(40 * S);
    sweep(80 * S);
    copy();
    assert_int_equal(count(GT_EVENT_COMM), 2);
    assert_non_null(find(GT_EVENT_COMM, 1, "other"));
    assert_non_null(find(GT_EVENT_COMM, 2, "other"));
    assert_int_equal(count(GT_EVENT_MMAP), 1);
    assert_non_null(find(GT_EVENT_MMAP, 1, "/usr/bin/python3.11"));
}

/* What perf has written in part is not copied; later it is there. */
static void test_the_last_record_is_not_whole(void **state)
{
    char half[20];

    (void)state;
    begins();
    runs(S, 1);
    round_ends();
    runs(2 * S, 1);
    fflush(file);
    rewind(file);
    fseek(file, -20, SEEK_END);
    assert_int_equal(fread(half, 1, sizeof(half), file), sizeof(half));
    assert_int_equal(ftruncate(fileno(file), ftell(file) - 20), 0);
    sweep(S);
    copy();
    assert_int_equal(count(GT_EVENT_SWITCH_IN), 1);
    fseek(file, 0, SEEK_END);
    put(half, sizeof(half));
    round_ends();
    sweep(S);
    copy();
    assert_int_equal(count(GT_EVENT_SWITCH_IN), 2);
}

/* Without end: the file takes no more room, and where there is too much, less time is kept. */
static void test_it_takes_no_more_room(void **state)
{
    const uint64_t most = 4 << 20;
    uint64_t largest = 0;
    struct stat st;
    int64_t at_ns = 100 * S;

    (void)state;
    teardown(NULL);
    make(most);
    begins();
    named(0, 1, 1, "python3", false);
    for (int turn = 0; turn < 400; turn++) {
        struct gt_perf_ring_hole hole;

        for (int i = 0; i < 2000; i++)
            runs(at_ns += S / 20000, 1 + i % 2);
        round_ends();
        sweep(at_ns);
        hole = gt_perf_ring_take_hole(ring);
        assert_int_equal(hole.offset % 4096, 0);
        if (hole.length)
            assert_int_equal(gt_perf_ring_punch(fileno(file), &hole), 0);
        assert_int_equal(fstat(fileno(file), &st), 0);
        if ((uint64_t)st.st_blocks * 512 > largest)
            largest = (uint64_t)st.st_blocks * 512;
        assert_false(gt_perf_ring_is_large(ring));
    }
    assert_true(st.st_size > 30 << 20);
    assert_in_range(largest, most / 2, most + (2 << 20));
    assert_true(gt_perf_ring_since_ns(ring, at_ns) > at_ns - KEEP_S * S);
    {
        struct gt_perfdata *data = gt_perfdata_new(NULL, NULL, true);
        static char bytes[1 << 20];
        FILE *to = tmpfile();
        uint64_t expected =
            (uint64_t)(at_ns - gt_perf_ring_since_ns(ring, at_ns) + 1) / (uint64_t)(S / 20000) +
            1;
        size_t length;

        assert_int_equal(gt_perf_ring_copy(ring, fileno(to), NULL), 0);
        rewind(to);
        while ((length = fread(bytes, 1, sizeof(bytes), to)) > 0)
            assert_int_equal(gt_perfdata_feed(data, bytes, length), 0);
        assert_int_equal(gt_perfdata_finish(data), 0);
        assert_int_equal(gt_perfdata_lines(data), expected); /* and a name */
        gt_perfdata_free(data);
        fclose(to);
    }
}

static void test_what_is_no_recording(void **state)
{
    struct gt_error err;

    (void)state;
    put("something that is none, and long enough", 39);
    fflush(file);
    assert_int_equal(gt_perf_ring_sweep(ring, S, &err), GT_ERR_UNSUPPORTED);
    assert_int_equal(gt_perf_ring_copy(ring, fileno(file), &err), GT_ERR_UNSUPPORTED);
}

static void test_a_record_without_a_form(void **state)
{
    const uint32_t type = PERF_RECORD_SWITCH, zero = 0;
    struct gt_error err;

    (void)state;
    begins();
    runs(S, 1);
    round_ends();
    put(&type, 4);
    put(&zero, 4); /* it has no length */
    fflush(file);
    assert_int_equal(gt_perf_ring_sweep(ring, 100 * S, &err), GT_ERR_UNSUPPORTED);
    assert_int_equal(gt_perf_ring_copy(ring, fileno(file), &err), GT_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_anything_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_old_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_newest_name_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_last_record_is_not_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_takes_no_more_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_recording, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_record_without_a_form, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
