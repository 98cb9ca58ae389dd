/* SPDX-License-Identifier: MIT */
/* agentlog/ on logs of version 3, made here as that version's agent made them. */
#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COND  UINT64_C(0x7f0000001000)
#define START UINT64_C(2000000000)

enum { COPIES_MAX = 3, ANCHORS_AT = 544, SHORT_BYTES = 8192 };

struct old_chunk {
    uint32_t magic, stream, size, data_offset;
};

struct old_header {
    uint64_t magic;
    uint32_t version, flags;
    int32_t pid, tid, parent_pid, parent_tid;
    uint64_t process_ticks, start_ticks, exit_ticks, copies, file_bytes, ident, dropped;
    char comm[16];
    char program[256];
};

/* A thread's file in the making: the streams' slots, and copies of them. */
struct draft {
    struct old_header header;
    unsigned char chunks[GT_WIRE_STREAMS + COPIES_MAX][GT_WIRE_CHUNK_BYTES];
    size_t used[GT_WIRE_STREAMS];
    size_t copies;
};

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = gt_fs_private_dir(NULL);
    return dir ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    gt_fs_remove_tree(dir, NULL);
    free(dir);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t size, off_t length)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    assert_int_equal(ftruncate(fd, length), 0);
    close(fd);
}

/* One tick per nanosecond, START being second 10. */
static void write_control(uint32_t version, uint32_t troubles)
{
    static const struct gt_wire_anchor anchors[] = {{10000000000, START},
                                                    {11000000000, START + 1000000000}};
    struct gt_wire_control *control = calloc(1, sizeof(*control));

    assert_non_null(control);
    control->magic = GT_WIRE_MAGIC_CONTROL;
    control->version = version;
    control->tick_source = GT_WIRE_TICKS_COUNTER;
    control->cpus = 2;
    control->troubles = troubles;
    memcpy((char *)control + ANCHORS_AT, anchors, sizeof(anchors));
    write_file(GT_WIRE_CONTROL_NAME, control, sizeof(*control), 327680);
    free(control);
}

static size_t data_offset(uint32_t stream)
{
    return stream == GT_WIRE_STREAM_GIL ? 512 : sizeof(struct old_chunk);
}

static struct draft *new_draft(int32_t pid, int32_t tid, uint64_t start)
{
    struct draft *draft = calloc(1, sizeof(*draft));

    assert_non_null(draft);
    draft->header = (struct old_header){.magic = GT_WIRE_MAGIC_THREAD,
                                        .version = 3,
                                        .pid = pid,
                                        .tid = tid,
                                        .parent_pid = 1,
                                        .parent_tid = 1,
                                        .process_ticks = START,
                                        .start_ticks = start,
                                        .ident = (uint64_t)tid << 12,
                                        .comm = "python3",
                                        .program = "/usr/bin/python3"};
    for (uint32_t i = 0; i < GT_WIRE_STREAMS; i++)
        draft->used[i] = data_offset(i);
    return draft;
}

static void add(struct draft *draft, enum gt_wire_stream stream, const void *data, size_t size)
{
    memcpy(draft->chunks[stream] + draft->used[stream], data, size);
    draft->used[stream] += size;
}

static void add_gil(struct draft *draft, uint64_t ticks, enum gt_wire_kind kind, uint64_t value)
{
    struct gt_wire_record record = {ticks, GT_WIRE_WORD(kind, value)};

    add(draft, GT_WIRE_STREAM_GIL, &record, sizeof(record));
}

/* What a slot has besides its data. */
static void put_heads(struct draft *draft)
{
    for (uint32_t i = 0; i < GT_WIRE_STREAMS; i++) {
        struct old_chunk chunk = {GT_WIRE_MAGIC_CHUNK, i, GT_WIRE_CHUNK_BYTES,
                                  (uint32_t)data_offset(i)};

        memcpy(draft->chunks[i], &chunk, sizeof(chunk));
    }
    memcpy(draft->chunks[0] + sizeof(struct old_chunk), &draft->header, sizeof(draft->header));
}

/* As when the slot is full. With `killed`, its process ends before it is emptied. */
static void copy_slot(struct draft *draft, uint32_t stream, bool killed)
{
    put_heads(draft);
    memcpy(draft->chunks[GT_WIRE_STREAMS + draft->copies++], draft->chunks[stream],
           GT_WIRE_CHUNK_BYTES);
    draft->header.copies = draft->copies << 2 | (killed ? stream + 1 : 0);
    if (killed)
        return;
    draft->used[stream] = data_offset(stream);
    memset(draft->chunks[stream], 0, GT_WIRE_CHUNK_BYTES);
}

/* `size` cuts the file; 0 writes all of it. */
static void write_draft(struct draft *draft, size_t size)
{
    char name[64];

    if (!draft->header.file_bytes)
        draft->header.file_bytes = (GT_WIRE_STREAMS + draft->copies) * GT_WIRE_CHUNK_BYTES;
    if (!size)
        size = draft->header.file_bytes;
    put_heads(draft);
    snprintf(name, sizeof(name), "%d-%d-%llx.log", draft->header.pid, draft->header.tid,
             (unsigned long long)draft->header.start_ticks);
    write_file(name, draft->chunks, size, (off_t)size);
    free(draft);
}

static struct gt_agentlog *open_log(void)
{
    struct gt_error err = {0};
    struct gt_agentlog *log = gt_agentlog_open(dir, &err);

    if (!log)
        fail_msg("%s", err.message);
    return log;
}

static struct gt_event next_event(struct gt_agentlog *log, enum gt_event_kind kind)
{
    struct gt_event event;

    assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    assert_int_equal(event.kind, kind);
    return event;
}

/* How many there are of each kind, of events; and of logs that are damaged. */
struct found {
    size_t signals, lost, stopped, exits;
    int64_t stopped_ns; /* when the last of these was */
    struct gt_agentlog_quality quality;
};

static struct found read_log(void)
{
    struct gt_agentlog *log = open_log();
    struct found found = {0};
    struct gt_event event;

    while (gt_agentlog_next(log, &event, NULL) > 0) {
        found.signals += event.kind == GT_EVENT_COND_SIGNAL;
        found.lost += event.kind == GT_EVENT_LOST;
        found.stopped += event.kind == GT_EVENT_STOPPED;
        found.exits += event.kind == GT_EVENT_EXIT;
        if (event.kind == GT_EVENT_STOPPED)
            found.stopped_ns = event.time_ns;
    }
    found.quality = *gt_agentlog_quality(log);
    gt_agentlog_free(log);
    return found;
}

static void test_threads_merge_by_time(void **state)
{
    static const char name_and_file[] = "spin/x/spin.py\0";
    struct gt_wire_note note = {.size = 56,
                                .kind = GT_WIRE_NOTE_FUNCTION,
                                .id = 5,
                                .name_length = 4,
                                .file_length = 10};
    struct draft *main_thread = new_draft(100, 100, START + 100);
    struct draft *worker = new_draft(100, 101, START + 5000);
    struct gt_agentlog *log;
    struct gt_event event;
    uint64_t word;

    (void)state;
    write_control(3, 0);
    add_gil(main_thread, START + 1000, GT_WIRE_SIGNAL, COND + 88);
    add_gil(main_thread, START + 2000, GT_WIRE_CREATE, 101 << 12);
    add_gil(main_thread, START + 9000, GT_WIRE_SIGNAL, COND);
    main_thread->header.exit_ticks = START + 20000; /* the process ended then */
    main_thread->header.flags = GT_WIRE_ENDED;      /* version 3 knew of no such flag */
    add_gil(worker, START + 6000, GT_WIRE_WAIT, COND);
    word = (uint64_t)GT_WIRE_BASE << 60 | (START + 10000);
    add(worker, GT_WIRE_STREAM_CALLS, &word, sizeof(word));
    word = GT_WIRE_CALL_WORD(GT_WIRE_CALL, 5, START + 10000);
    add(worker, GT_WIRE_STREAM_CALLS, &word, sizeof(word));
    add(worker, GT_WIRE_STREAM_NOTES, &note, sizeof(note));
    add(worker, GT_WIRE_STREAM_NOTES, name_and_file, sizeof(name_and_file));
    worker->header.exit_ticks = START + 12000;
    worker->header.dropped = 3;
    write_draft(main_thread, 0);
    write_draft(worker, 0);

    log = open_log();
    assert_int_equal(gt_agentlog_quality(log)->cpus, 2);
    assert_int_equal(gt_agentlog_quality(log)->threads, 2);
    assert_int_equal(gt_agentlog_quality(log)->processes, 1);
    assert_int_equal(gt_agentlog_quality(log)->dropped, 3);
    assert_int_equal(gt_agentlog_quality(log)->damaged, 0);
    event = next_event(log, GT_EVENT_FORK);
    assert_int_equal(event.creator.pid, 1);
    event = next_event(log, GT_EVENT_EXEC);
    assert_string_equal(event.new_name.text, "python3");
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.time_ns, 10000001000);
    assert_true(event.cond.address == COND + 88);
    event = next_event(log, GT_EVENT_FORK);
    assert_int_equal(event.tid, 101); /* whose ident that is */
    assert_int_equal(event.time_ns, 10000002000);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_COND_WAIT);
    assert_int_equal(event.tid, 101);
    assert_int_equal(event.cond.deadline_ns, 0); /* until when is not known */
    event = next_event(log, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.tid, 100);
    event = next_event(log, GT_EVENT_CALL);
    assert_int_equal(event.time_ns, 10000010000);
    assert_string_equal(event.call.function->name, "spin");
    assert_string_equal(event.call.function->file, "/x/spin.py");
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.tid, 101);
    event = next_event(log, GT_EVENT_EXIT); /* nothing is unknown before it */
    assert_int_equal(event.tid, 100);
    assert_int_equal(event.time_ns, 10000020000);
    assert_int_equal(gt_agentlog_next(log, &event, NULL), 0);
    gt_agentlog_free(log);
}

static void test_an_end_that_was_not_recorded(void **state)
{
    struct draft *draft = new_draft(7, 7, START);
    struct draft *worker = new_draft(7, 8, START);
    struct found found;

    (void)state;
    write_control(3, 0);
    add_gil(draft, START + 5000, GT_WIRE_SIGNAL, COND);
    worker->header.exit_ticks = START + 6000; /* of a thread: the process may go on */
    write_draft(draft, 0);
    write_draft(worker, 0);
    found = read_log();
    assert_int_equal(found.stopped, 1);
    assert_int_equal(found.stopped_ns, 10000006000);
    assert_int_equal(found.quality.damaged, 0);
}

/* Three copies of the GIL's slot, with 1, 2 and 3 records, and 4 in the slot. */
static struct draft *copied(bool killed)
{
    struct draft *draft = new_draft(7, 7, START);
    uint64_t ticks = START;

    draft->header.exit_ticks = START + 20000;
    for (int copy = 1; copy <= COPIES_MAX + 1; copy++) {
        for (int i = 0; i < copy; i++)
            add_gil(draft, ticks += 1000, GT_WIRE_SIGNAL, COND);
        if (copy <= COPIES_MAX)
            copy_slot(draft, GT_WIRE_STREAM_GIL, killed && copy == COPIES_MAX);
        if (killed && copy == COPIES_MAX)
            break;
    }
    return draft;
}

static void test_copies_come_before_the_slot(void **state)
{
    struct gt_agentlog *log;
    struct draft *draft;
    struct gt_event event;
    struct found found;

    (void)state;
    write_control(3, 0);
    write_draft(copied(false), 0);
    log = open_log();
    for (int i = 0; i < 3; i++)
        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    for (int i = 1; i <= 10; i++)
        assert_int_equal(next_event(log, GT_EVENT_COND_SIGNAL).time_ns, 10000000000 + i * 1000);
    gt_agentlog_free(log);
    /* Killed before the slot was emptied: what is in it is not there twice. */
    write_draft(copied(true), 0);
    found = read_log();
    assert_int_equal(found.signals, 6);
    assert_int_equal(found.quality.damaged, 0);
    /* Killed while the copy was made: it does not count yet. */
    draft = copied(true);
    draft->header.copies = (COPIES_MAX - 1) << 2;
    write_draft(draft, 0);
    found = read_log();
    assert_int_equal(found.signals, 6);
    assert_int_equal(found.quality.damaged, 0);
}

static void test_gaps_are_told(void **state)
{
    struct draft *draft = copied(false);
    struct found found;

    (void)state;
    write_control(3, 0);
    memset(draft->chunks[GT_WIRE_STREAMS + 1], 0xff, 64);
    write_draft(draft, 0);
    found = read_log();
    assert_int_equal(found.signals, 1 + 3 + 4);
    assert_int_equal(found.lost, 1);
    assert_int_equal(found.stopped, 0); /* later records are there */
    assert_int_equal(found.quality.damaged, 1);
    /* Copies that are holes, to beyond the file's end. */
    draft = copied(false);
    draft->header.copies = UINT64_MAX & ~UINT64_C(3);
    memset(draft->chunks[GT_WIRE_STREAMS], 0, 2 * (size_t)GT_WIRE_CHUNK_BYTES);
    write_draft(draft, 0);
    found = read_log();
    assert_int_equal(found.signals, 3 + 4);
    assert_int_equal(found.lost, 2);
    assert_int_equal(found.quality.damaged, 1);
    /* No header: it is in the copies. What came after them is not known. */
    draft = copied(false);
    draft->header.magic = 99;
    write_draft(draft, 0);
    found = read_log();
    assert_int_equal(found.signals, 10);
    assert_int_equal(found.stopped, 1);
    assert_int_equal(found.quality.damaged, 1);
}

static void test_cut_logs(void **state)
{
    struct draft *draft;
    struct found found;

    (void)state;
    write_control(3, 0);
    /* Slots are short as long as there is little in them: nothing was cut. */
    draft = new_draft(7, 7, START);
    add_gil(draft, START + 1000, GT_WIRE_SIGNAL, COND);
    draft->header.file_bytes = SHORT_BYTES;
    draft->header.exit_ticks = START + 2000;
    write_draft(draft, 0);
    found = read_log();
    assert_int_equal(found.signals, 1);
    assert_int_equal(found.stopped, 0);
    assert_int_equal(found.quality.damaged, 0);
    /* Within the GIL's slot: from the last record on nothing is known. */
    draft = new_draft(7, 7, START);
    for (uint64_t i = 0; i < 100; i++)
        add_gil(draft, START + i, GT_WIRE_SIGNAL, COND);
    draft->header.file_bytes = SHORT_BYTES;
    draft->header.exit_ticks = START + 2000;
    write_draft(draft, 512 + 50 * sizeof(struct gt_wire_record) + 7);
    found = read_log();
    assert_int_equal(found.signals, 50);
    assert_int_equal(found.stopped, 1);
    assert_int_equal(found.stopped_ns, 10000000049);
    assert_int_equal(found.quality.damaged, 1);
    /* Within the copies: the slot is at the beginning. */
    write_draft(copied(false), (GT_WIRE_STREAMS + 1) * GT_WIRE_CHUNK_BYTES + 7);
    found = read_log();
    assert_int_equal(found.signals, 1 + 4);
    assert_int_equal(found.lost, 1);
    assert_int_equal(found.quality.damaged, 1);
}

/* A process whose log can be read, and has an end. */
static void write_good(void)
{
    struct draft *draft = new_draft(7, 7, START);

    add_gil(draft, START + 5000, GT_WIRE_SIGNAL, COND);
    draft->header.exit_ticks = START + 6000;
    write_draft(draft, 0);
}

static void assert_all_unknown(uint32_t damaged)
{
    struct found found = read_log();

    assert_int_equal(found.signals, 1);
    assert_int_equal(found.stopped, 1);
    assert_int_equal(found.stopped_ns, 10000000000);
    assert_int_equal(found.quality.damaged, damaged);
}

static void test_files_that_are_no_logs(void **state)
{
    static const char zeros[SHORT_BYTES];
    struct found found;
    char target[256];

    (void)state;
    write_control(3, 0);
    write_good();
    /* Made and never used; nobody's; and a long one that holds nothing. */
    write_file("7-8-1.log", zeros, 0, 0);
    write_file("7-9-1.log", zeros, sizeof(zeros), sizeof(zeros));
    write_file("notes.log", "nonsense", 8, 8);
    write_file("7-10-1.log", zeros, sizeof(zeros), (off_t)1 << 42);
    found = read_log();
    assert_int_equal(found.stopped, 0);
    assert_int_equal(found.quality.damaged, 0);
    /* Whosever they were, something is missing. */
    write_file("7-8-1.log", "nonsense", 8, 8);
    assert_all_unknown(1);
    write_file("7-8-1.log", zeros, 0, 0);
    assert_int_equal(mkfifo(path_of("7-11-1.log"), 0600), 0);
    assert_all_unknown(1);
    snprintf(target, sizeof(target), "%s", path_of("7-7-77359400.log"));
    assert_int_equal(symlink(target, path_of("7-12-1.log")), 0);
    assert_all_unknown(2);
}

/* One that holds next to nothing must not take long, whatever its header says. */
static void test_a_long_file(void **state)
{
    struct draft *draft = new_draft(7, 7, START);
    clock_t begin = clock();
    struct found found;

    (void)state;
    write_control(3, 0);
    add_gil(draft, START + 5000, GT_WIRE_SIGNAL, COND);
    draft->header.copies = UINT64_MAX & ~UINT64_C(3);
    draft->header.file_bytes = UINT64_MAX;
    write_draft(draft, SHORT_BYTES);
    assert_int_equal(truncate(path_of("7-7-77359400.log"), (off_t)1 << 42), 0);
    found = read_log();
    assert_int_equal(found.signals, 1);
    assert_int_equal(found.quality.damaged, 1);
    assert_true(clock() - begin < CLOCKS_PER_SEC);
}

/* Of an agent that gave up only the first one's reason is known, and not since when. */
static void test_an_agent_that_gave_up(void **state)
{
    (void)state;
    write_control(3, 1);
    write_good();
    assert_all_unknown(0);
}

static void test_more_threads_than_descriptors(void **state)
{
    struct rlimit limit, few;
    struct found found;

    (void)state;
    write_control(3, 0);
    for (int32_t i = 0; i < 100; i++) {
        struct draft *draft = new_draft(7, 7 + i, START + (uint64_t)i);

        for (uint64_t k = 0; k < 20; k++)
            add_gil(draft, START + 1000 + k * 100 + (uint64_t)i, GT_WIRE_SIGNAL, COND);
        draft->header.file_bytes = SHORT_BYTES;
        draft->header.exit_ticks = START + 10000;
        write_draft(draft, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = 24;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    found = read_log();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(found.signals, 2000);
    assert_int_equal(found.exits, 100);
    assert_int_equal(found.quality.threads, 100);
    assert_int_equal(found.quality.damaged, 0);
}

static void test_refuses_what_is_no_log(void **state)
{
    struct gt_agentlog_files files;
    struct gt_error err = {0};

    (void)state;
    write_good();
    for (uint32_t version = 1; version <= GT_WIRE_VERSION + 1; version++) {
        if (version == 3 || version == GT_WIRE_VERSION)
            continue;
        write_control(version, 0);
        assert_null(gt_agentlog_open(dir, &err));
        assert_int_equal(err.code, GT_ERR_FORMAT);
        assert_non_null(strstr(err.message, "this program reads versions 3 and"));
        assert_null(strchr(err.message, '\n'));
    }
    write_control(3, 0);
    assert_int_equal(truncate(path_of(GT_WIRE_CONTROL_NAME), ANCHORS_AT + 32), 0);
    assert_int_equal(read_log().signals, 1);
    /* Without the folder its files cannot be found. */
    files.control = files.log = open(path_of(GT_WIRE_CONTROL_NAME), O_RDONLY);
    assert_null(gt_agentlog_open_files(&files, NULL, &err));
    assert_int_equal(err.code, GT_ERR_FORMAT);
    close(files.control);
    assert_int_equal(truncate(path_of(GT_WIRE_CONTROL_NAME), ANCHORS_AT), 0);
    assert_null(gt_agentlog_open(dir, &err)); /* no clock */
    assert_int_equal(err.code, GT_ERR_FORMAT);
    assert_int_equal(truncate(path_of(GT_WIRE_CONTROL_NAME), ANCHORS_AT - 1), 0);
    assert_null(gt_agentlog_open(dir, &err));
    assert_int_equal(err.code, GT_ERR_FORMAT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads_merge_by_time),
        TEST(test_an_end_that_was_not_recorded),
        TEST(test_copies_come_before_the_slot),
        TEST(test_gaps_are_told),
        TEST(test_cut_logs),
        TEST(test_files_that_are_no_logs),
        TEST(test_a_long_file),
        TEST(test_an_agent_that_gave_up),
        TEST(test_more_threads_than_descriptors),
        TEST(test_refuses_what_is_no_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
