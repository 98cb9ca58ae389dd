/* SPDX-License-Identifier: MIT */
/* lib/script/perfdata: a recording gives the events that perf script's text of it gives. */
#include "script/perfdata.h"

#include "base/buf.h"
#include "base/error.h"

#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ATTR = 64, TRACING = 66, ROUND = 68, COMPRESSED = 81, SIGNAL_ID = 700, SWITCH_ID = 316 };

static const uint64_t TYPE = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
                             PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_RAW |
                             PERF_SAMPLE_IDENTIFIER;

static const char SIGNAL_FORMAT[] =
    "name: signal\nID: 700\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
    "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 cond;\toffset:16;\tsize:8;\tsigned:0;\n\n"
    "print fmt: \"(%lx) cond=0x%Lx\", REC->__probe_ip, REC->cond\n";
static const char OTHER_FORMAT[] =
    "name: signal\nID: 700\nformat:\n"
    "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 number;\toffset:16;\tsize:8;\tsigned:0;\n\n"
    "print fmt: \"(%lx) number=%Lu\", REC->__probe_ip, REC->number\n";
static const char WAIT_FORMAT[] =
    "name: wait\nID: 700\nformat:\n"
    "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 cond;\toffset:16;\tsize:8;\tsigned:0;\n"
    "\tfield:s64 sec;\toffset:24;\tsize:8;\tsigned:1;\n"
    "\tfield:s64 nsec;\toffset:32;\tsize:8;\tsigned:1;\n"
    "\tfield:u64 mutex;\toffset:40;\tsize:8;\tsigned:0;\n\n"
    "print fmt: \"(%lx) cond=0x%Lx sec=%Ld nsec=%Ld mutex=0x%Lx\", REC->__probe_ip\n";
static const char SWITCH_FORMAT[] =
    "name: sched_switch\nID: 316\nformat:\n"
    "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
    "\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
    "\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"
    "\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n\n"
    "print fmt: \"%s\", __print_flags(REC->prev_state, \"|\", { 0x00000001, \"S\" }, "
    "{ 0x00000002, \"D\" }, { 0x00000020, \"Z\" }) : \"R\"\n";

static void put(struct gt_buf *buf, const void *data, size_t length)
{
    assert_int_equal(gt_buf_add(buf, data, length), 0);
}

static void put64(struct gt_buf *buf, uint64_t value)
{
    put(buf, &value, sizeof(value));
}

static void put32(struct gt_buf *buf, uint32_t value)
{
    put(buf, &value, sizeof(value));
}

static void record(struct gt_buf *to, uint32_t type, uint16_t misc, const struct gt_buf *body)
{
    uint16_t size = (uint16_t)(8 + body->length);

    put32(to, type);
    put(to, &misc, sizeof(misc));
    put(to, &size, sizeof(size));
    put(to, body->data, body->length);
}

static void attr(struct gt_buf *to, uint64_t config, uint64_t sample_type, uint64_t id)
{
    struct perf_event_attr one = {.type = PERF_TYPE_TRACEPOINT,
                                  .size = 64,
                                  .config = config,
                                  .sample_type = sample_type,
                                  .sample_id_all = 1};
    struct gt_buf body;

    gt_buf_init(&body);
    put(&body, &one, 64);
    put64(&body, id);
    record(to, ATTR, 0, &body);
    gt_buf_release(&body);
}

static void put_file(struct gt_buf *to, const char *text)
{
    put64(to, strlen(text));
    put(to, text, strlen(text));
}

static void tracing(struct gt_buf *to, const char *signal_format)
{
    struct gt_buf data, head;

    gt_buf_init(&data);
    gt_buf_init(&head);
    put(&data, "\x17\x08\x44tracing0.6\0\0\x08\0\x10\0\0header_page", 32);
    put_file(&data, "page");
    put(&data, "header_event", 13);
    put_file(&data, "event");
    put32(&data, 0);
    put32(&data, 2);
    put(&data, "gil", 4);
    put32(&data, 1);
    put_file(&data, signal_format);
    put(&data, "sched", 6);
    put32(&data, 1);
    put_file(&data, SWITCH_FORMAT);
    put32(&head, (uint32_t)data.length);
    put32(&head, 0);
    record(to, TRACING, 0, &head);
    put(to, data.data, data.length);
    put(to, "\0\0\0\0\0\0\0", -data.length % 8);
    gt_buf_release(&data);
    gt_buf_release(&head);
}

static struct gt_buf begin(const char *signal_format)
{
    struct gt_buf to;

    gt_buf_init(&to);
    put(&to, "PERFILE2", 8);
    put64(&to, 16);
    attr(&to, SIGNAL_ID, TYPE, 1001);
    attr(&to, SWITCH_ID, TYPE, 1002);
    tracing(&to, signal_format);
    return to;
}

/* What all records but samples end with. */
static void put_end(struct gt_buf *body, uint32_t tid, uint64_t time_ns, uint32_t cpu)
{
    put32(body, 10);
    put32(body, tid);
    put64(body, time_ns);
    put32(body, cpu);
    put32(body, 0);
    put64(body, 1001);
}

static void comm(struct gt_buf *to, uint32_t tid, const char *name, uint64_t time_ns, bool exec)
{
    char padded[16] = "";
    struct gt_buf body;

    gt_buf_init(&body);
    memcpy(padded, name, strlen(name));
    put32(&body, 10);
    put32(&body, tid);
    put(&body, padded, sizeof(padded));
    put_end(&body, tid, time_ns, 0);
    record(to, PERF_RECORD_COMM, exec ? 1 << 13 : 0, &body);
    gt_buf_release(&body);
}

static void life(struct gt_buf *to, uint32_t type, uint32_t tid, uint64_t time_ns)
{
    struct gt_buf body;

    gt_buf_init(&body);
    put32(&body, 10);
    put32(&body, 10);
    put32(&body, tid);
    put32(&body, 10);
    put64(&body, time_ns);
    put_end(&body, 10, time_ns, 1);
    record(to, type, 0, &body);
    gt_buf_release(&body);
}

static void sample(struct gt_buf *to, uint64_t id, uint32_t tid, uint64_t time_ns,
                   const void *raw, uint32_t length)
{
    struct gt_buf body;

    gt_buf_init(&body);
    put64(&body, id);
    put64(&body, 0x7f00);
    put32(&body, 10);
    put32(&body, tid);
    put64(&body, time_ns);
    put32(&body, 1);
    put32(&body, 0);
    put64(&body, 1);
    put32(&body, length);
    put(&body, raw, length);
    put(&body, "\0\0\0\0\0\0\0", -(4 + (size_t)length) % 8);
    record(to, PERF_RECORD_SAMPLE, 0, &body);
    gt_buf_release(&body);
}

static void gil_signal(struct gt_buf *to, uint32_t tid, uint64_t time_ns, uint64_t address)
{
    uint64_t raw[3] = {SIGNAL_ID, 0x7f00, address};

    sample(to, 1001, tid, time_ns, raw, sizeof(raw));
}

static void finished_round(struct gt_buf *to)
{
    struct gt_buf body;

    gt_buf_init(&body);
    record(to, ROUND, 0, &body);
}

struct seen {
    struct gt_event events[32];
    char comms[32][16], names[32][32];
    size_t count;
};

static int see(void *context, const struct gt_event *event)
{
    struct seen *seen = context;

    assert_true(seen->count < 32);
    seen->events[seen->count] = *event;
    memcpy(seen->comms[seen->count], event->comm, event->comm_length);
    if (event->name)
        memcpy(seen->names[seen->count], event->name, event->name_length);
    seen->count++;
    return 0;
}

static int feed(const struct gt_buf *bytes, size_t piece, struct seen *seen)
{
    struct gt_perfdata *data = gt_perfdata_new(seen ? see : NULL, seen, false);
    int rc = 0;

    assert_non_null(data);
    for (size_t at = 0; rc == 0 && at < bytes->length; at += piece) {
        size_t length = bytes->length - at < piece ? bytes->length - at : piece;
        char *copy = malloc(length); /* AddressSanitizer sees its end */

        assert_non_null(copy);
        memcpy(copy, bytes->data + at, length);
        rc = gt_perfdata_feed(data, copy, length);
        free(copy);
    }
    if (rc == 0)
        rc = gt_perfdata_finish(data);
    if (seen)
        assert_int_equal(gt_perfdata_lines(data), seen->count);
    gt_perfdata_free(data);
    return rc;
}

static void check(const struct seen *seen, size_t at, enum gt_event_kind kind, int32_t tid,
                  int64_t time_ns, const char *name_of_thread)
{
    assert_int_equal(seen->events[at].kind, kind);
    assert_int_equal(seen->events[at].pid, 10);
    assert_int_equal(seen->events[at].tid, tid);
    assert_int_equal(seen->events[at].time_ns, time_ns);
    assert_string_equal(seen->comms[at], name_of_thread);
}

static void records_of_all_cpus_come_in_the_order_of_time(void **state)
{
    struct gt_buf to = begin(SIGNAL_FORMAT);
    struct { /* of sched_switch */
        uint64_t head;
        char prev_comm[16];
        int32_t prev_pid, prev_prio;
        int64_t prev_state;
        char next_comm[16];
        int32_t next_pid, next_prio;
    } raw = {.prev_state = 2, .next_pid = 77};

    (void)state;
    comm(&to, 10, "begun", 0, false);
    gil_signal(&to, 10, 100, 0xa0);
    gil_signal(&to, 10, 300, 0xa0);
    life(&to, PERF_RECORD_FORK, 11, 200); /* another CPU's */
    finished_round(&to);
    sample(&to, 1002, 11, 400, &raw, sizeof(raw));
    raw.prev_state = 0x100; /* what has no letter of its own was preempted */
    sample(&to, 1002, 11, 500, &raw, sizeof(raw));
    comm(&to, 11, "named", 250, true);
    finished_round(&to);
    gil_signal(&to, 11, 350, 0xb0); /* still in time */
    finished_round(&to);
    life(&to, PERF_RECORD_EXIT, 11, 600);
    for (size_t piece = 1; piece <= to.length; piece = piece * 3 + 4) {
        struct seen seen = {.count = 0};

        assert_int_equal(feed(&to, piece, &seen), 0);
        assert_int_equal(seen.count, 9);
        check(&seen, 0, GT_EVENT_COMM, 10, 0, "begun");
        check(&seen, 1, GT_EVENT_COND_SIGNAL, 10, 100, "begun");
        assert_int_equal(seen.events[1].cond.address, 0xa0);
        assert_int_equal(seen.events[1].cpu, 1);
        assert_string_equal(seen.names[1], "gil:signal");
        check(&seen, 2, GT_EVENT_FORK, 11, 200, "begun");
        assert_int_equal(seen.events[2].creator.tid, 10);
        check(&seen, 3, GT_EVENT_EXEC, 11, 250, "named");
        check(&seen, 4, GT_EVENT_COND_SIGNAL, 10, 300, "begun");
        check(&seen, 5, GT_EVENT_COND_SIGNAL, 11, 350, "named");
        check(&seen, 6, GT_EVENT_SCHED_SWITCH, 11, 400, "named");
        assert_int_equal(seen.events[6].switched.state, GT_STATE_UNINTERRUPTIBLE);
        assert_int_equal(seen.events[6].switched.next_tid, 77);
        assert_int_equal(seen.events[7].switched.state, GT_STATE_RUNNABLE);
        check(&seen, 8, GT_EVENT_EXIT, 11, 600, "named");
    }
    assert_int_equal(feed(&to, to.length, NULL), 0);
    gt_buf_release(&to);
}

static const char LOCK_FORMAT[] =
    "name: semaphore_wait\nID: 700\nformat:\n"
    "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 sem;\toffset:16;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 sp;\toffset:24;\tsize:8;\tsigned:0;\n"
    "\tfield:u32 value;\toffset:32;\tsize:4;\tsigned:0;\n"
    "\tfield:u32 shared;\toffset:36;\tsize:4;\tsigned:0;\n"
    "\tfield:u64 caller;\toffset:40;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 lock;\toffset:48;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 arg;\toffset:56;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 wflags;\toffset:64;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 wmeta;\toffset:72;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 wname0;\toffset:80;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 wname1;\toffset:88;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 s3;\toffset:96;\tsize:8;\tsigned:0;\n"
    "\tfield:u8 bits;\toffset:104;\tsize:1;\tsigned:0;\n\n"
    "print fmt: \"(%lx) sem=0x%Lx sp=0x%Lx\", REC->__probe_ip\n";

static int see_lock(void *context, const struct gt_event *event)
{
    int *count = context;

    assert_int_equal(event->kind, GT_EVENT_SEM_WAITS);
    assert_true(event->sync.object == 0x8000 && event->sync.lock == 0x9000);
    assert_int_equal(event->sync.left, GT_WAIT_FOR_MUTEX);
    assert_string_equal(event->sync.type, "_thread.RLock");
    assert_true(event->sync.callers[0] == 0x4f && event->sync.callers[4] == 0x77);
    assert_true(event->sync.callers[1] == 0);
    ++*count;
    return 0;
}

static void a_wait_for_a_lock_has_what_is_known_of_it(void **state)
{
    struct gt_buf to = begin(LOCK_FORMAT);
    struct {
        uint64_t head[2], sem, sp;
        uint32_t value, shared;
        uint64_t caller, lock, arg, flags, meta;
        char name[16];
        uint64_t word;
        uint8_t bits;
    } raw = {{SIGNAL_ID, 0x7f00}, 0x8000, 0x7ff0,          0,    0, 0x4f, 0x9000, 0x8100,
             UINT64_C(1) << 31,   0,      "_thread.RLock", 0x77, 3};
    struct gt_perfdata *data;
    int count = 0;

    (void)state;
    memcpy(&raw.meta, "type", 5);
    sample(&to, 1001, 10, 100, &raw, offsetof(__typeof__(raw), bits) + 1);
    data = gt_perfdata_new(see_lock, &count, false);
    assert_non_null(data);
    assert_int_equal(gt_perfdata_feed(data, to.data, to.length), 0);
    assert_int_equal(gt_perfdata_finish(data), 0);
    assert_int_equal(count, 1);
    gt_perfdata_free(data);
    sample(&to, 1001, 10, 200, &raw,
           offsetof(__typeof__(raw), bits)); /* its last byte is missing */
    assert_int_equal(feed(&to, to.length, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);
}

static void a_wait_has_its_deadline_and_mutex(void **state)
{
    struct gt_buf to = begin(WAIT_FORMAT);
    uint64_t raw[6] = {SIGNAL_ID, 0x7f00, 0xa0, 3, 500, 0xd0};
    struct seen seen = {.count = 0};

    (void)state;
    sample(&to, 1001, 10, 100, raw, sizeof(raw));
    assert_int_equal(feed(&to, 64, &seen), 0);
    assert_int_equal(seen.events[0].kind, GT_EVENT_COND_WAIT);
    assert_int_equal(seen.events[0].cond.address, 0xa0);
    assert_int_equal(seen.events[0].cond.deadline_ns, 3000000500);
    assert_int_equal(seen.events[0].cond.mutex, 0xd0);
    sample(&to, 1001, 10, 200, raw, 40); /* the mutex is missing */
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);
}

/* Each of these is for perf script, and checking finds it. */
static void what_it_cannot_read_is_refused(void **state)
{
    struct gt_buf empty, to = begin(SIGNAL_FORMAT);
    uint64_t raw[3] = {SIGNAL_ID, 0x7f00, 0xa0};

    (void)state;
    gt_buf_init(&empty);
    gil_signal(&to, 10, 100, 0xa0);
    assert_int_equal(feed(&to, 64, NULL), 0);
    to.length -= 8; /* its end is missing */
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);

    to = begin(SIGNAL_FORMAT);
    record(&to, COMPRESSED, 0, &empty);
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);

    to = begin(SIGNAL_FORMAT);
    sample(&to, 1003, 10, 100, raw, sizeof(raw)); /* nobody knows this id */
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);

    to = begin(SIGNAL_FORMAT);
    sample(&to, 1001, 10, 100, raw, 16); /* the condition variable is missing */
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);

    to = begin(OTHER_FORMAT); /* somebody's own probe */
    gil_signal(&to, 10, 100, 0xa0);
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);

    to = begin(SIGNAL_FORMAT);
    attr(&to, SIGNAL_ID, TYPE | PERF_SAMPLE_CALLCHAIN, 1003);
    sample(&to, 1003, 10, 100, raw, sizeof(raw));
    assert_int_equal(feed(&to, 64, NULL), GT_ERR_UNSUPPORTED);
    gt_buf_release(&to);
}

/* What stands anywhere may be damaged: it is refused, or read as something else. */
static void damage_does_no_harm(void **state)
{
    struct gt_buf to = begin(SIGNAL_FORMAT);

    (void)state;
    comm(&to, 10, "begun", 0, false);
    life(&to, PERF_RECORD_FORK, 11, 200);
    gil_signal(&to, 11, 350, 0xb0);
    finished_round(&to);
    for (size_t i = 16; i < to.length; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct seen seen = {.count = 0};
            int rc;

            to.data[i] ^= (char)(1 << bit);
            rc = feed(&to, 100, &seen);
            assert_true(rc == 0 || rc == GT_ERR_UNSUPPORTED);
            to.data[i] ^= (char)(1 << bit);
        }
    gt_buf_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_cpus_come_in_the_order_of_time),
        cmocka_unit_test(a_wait_has_its_deadline_and_mutex),
        cmocka_unit_test(a_wait_for_a_lock_has_what_is_known_of_it),
        cmocka_unit_test(what_it_cannot_read_is_refused),
        cmocka_unit_test(damage_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
