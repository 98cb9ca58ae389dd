/* SPDX-License-Identifier: MIT */
/* agentlog/ on logs made here, word by word as wire.h says. */
#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COND     UINT64_C(0x7f0000001000)
#define ACQUIRED (COND + 88)

enum { COPIES_MAX = 3, PLACE_UNITS = 8, PLACES_MAX = 8 };

/* A log in the making: the streams' slots, and copies of them. */
struct draft {
    struct gt_wire_thread header;
    unsigned char chunks[GT_WIRE_STREAMS + COPIES_MAX][GT_WIRE_CHUNK_BYTES];
    size_t used[GT_WIRE_STREAMS];
    size_t copies;
};

static char *dir;
/* Of which thread the log's units from 1 + 8 × i are. */
static struct gt_wire_thread places[PLACES_MAX];

static int setup(void **state)
{
    (void)state;
    memset(places, 0, sizeof(places));
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

static void write_file(const char *name, const void *data, size_t size)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

/* Two ticks per nanosecond, tick 2,000,000,000 being second 10; then one per nanosecond. */
static struct gt_wire_control *new_control(void)
{
    struct gt_wire_control *control = calloc(1, sizeof(*control));

    assert_non_null(control);
    control->magic = GT_WIRE_MAGIC_CONTROL;
    control->version = GT_WIRE_VERSION;
    control->tick_source = GT_WIRE_TICKS_COUNTER;
    control->anchors[0] = (struct gt_wire_anchor){10000000000, 2000000000};
    control->anchors[2] = (struct gt_wire_anchor){10500000000, 3000000000};
    control->anchors[1] = (struct gt_wire_anchor){11000000000, 3500000000};
    control->units = PLACE_UNITS * PLACES_MAX;
    return control;
}

static void write_control(struct gt_wire_control *control)
{
    write_file(GT_WIRE_CONTROL_NAME, control, sizeof(*control));
    free(control);
}

static size_t data_offset(uint32_t stream)
{
    return stream == GT_WIRE_STREAM_GIL ? 512 : sizeof(struct gt_wire_chunk);
}

static struct draft *new_draft(int32_t pid, int32_t tid, uint64_t process, uint64_t start)
{
    struct draft *draft = calloc(1, sizeof(*draft));

    assert_non_null(draft);
    draft->header = (struct gt_wire_thread){.magic = GT_WIRE_MAGIC_THREAD,
                                            .version = GT_WIRE_VERSION,
                                            .pid = pid,
                                            .tid = tid,
                                            .parent_pid = 1,
                                            .parent_tid = 1,
                                            .process_ticks = process,
                                            .start_ticks = start,
                                            .ident = (uint64_t)tid << 12,
                                            .comm = "python3",
                                            .program = "/usr/bin/python3"};
    for (uint32_t i = 0; i < GT_WIRE_STREAMS; i++)
        draft->used[i] = data_offset(i);
    return draft;
}

/* Its process ends as programs do, in this thread. */
static void end(struct draft *draft, uint64_t ticks)
{
    draft->header.exit_ticks = ticks;
    draft->header.flags |= GT_WIRE_ENDED;
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

static void add_word(struct draft *draft, uint64_t word)
{
    add(draft, GT_WIRE_STREAM_CALLS, &word, sizeof(word));
}

static void add_note(struct draft *draft, struct gt_wire_note note, const char *name,
                     const char *file)
{
    char buffer[512] = {0};
    size_t name_length = strlen(name), file_length = strlen(file);

    note.size = (uint32_t)((sizeof(note) + name_length + file_length + 7) & ~7u);
    note.name_length = (uint16_t)name_length;
    note.file_length = (uint16_t)file_length;
    memcpy(buffer, &note, sizeof(note));
    memcpy(buffer + sizeof(note), name, name_length);
    memcpy(buffer + sizeof(note) + name_length, file, file_length);
    add(draft, GT_WIRE_STREAM_NOTES, buffer, note.size);
}

/* The first of the units of a thread's log. */
static uint32_t unit_of(const struct gt_wire_thread *header)
{
    uint32_t i = 0;

    while (places[i].pid && (places[i].pid != header->pid || places[i].tid != header->tid ||
                             places[i].start_ticks != header->start_ticks))
        assert_true(++i < PLACES_MAX);
    places[i] = *header;
    return 1 + i * PLACE_UNITS;
}

/* What a slot has besides its data. */
static void put_heads(struct draft *draft)
{
    for (uint32_t i = 0; i < GT_WIRE_STREAMS; i++) {
        struct gt_wire_chunk chunk = {.magic = GT_WIRE_MAGIC_CHUNK,
                                      .stream = (uint16_t)i,
                                      .data_offset = (uint16_t)data_offset(i),
                                      .thread = unit_of(&draft->header)};

        memcpy(draft->chunks[i], &chunk, sizeof(chunk));
        draft->header.slots[i] = unit_of(&draft->header) + i;
    }
    memcpy(draft->chunks[0] + sizeof(struct gt_wire_chunk), &draft->header,
           sizeof(draft->header));
}

/* As when the slot is full. With `killed`, its process ends before it is emptied. */
static void copy_slot(struct draft *draft, uint32_t stream, bool killed)
{
    unsigned char *copy = draft->chunks[GT_WIRE_STREAMS + draft->copies++];

    put_heads(draft);
    memcpy(copy, draft->chunks[stream], GT_WIRE_CHUNK_BYTES);
    ((struct gt_wire_chunk *)(void *)copy)->copy = (uint32_t)draft->copies;
    draft->header.copies = draft->copies << 2 | (killed ? stream + 1 : 0);
    if (killed)
        return;
    draft->used[stream] = data_offset(stream);
    memset(draft->chunks[stream], 0, GT_WIRE_CHUNK_BYTES);
}

/* `size` cuts the file; 0: it is longer than all of it. */
static void write_draft(struct draft *draft, size_t size)
{
    size_t all = (GT_WIRE_STREAMS + draft->copies) * GT_WIRE_CHUNK_BYTES;
    off_t at = (off_t)unit_of(&draft->header) * GT_WIRE_CHUNK_BYTES;
    char path[256];
    int fd;

    put_heads(draft);
    snprintf(path, sizeof(path), "%s/%s", dir, GT_WIRE_LOG_NAME);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, draft->chunks, sizeof(draft->chunks), at),
                     sizeof(draft->chunks));
    assert_int_equal(
        ftruncate(fd, size ? at + (off_t)size
                           : (off_t)(1 + PLACE_UNITS * PLACES_MAX) * GT_WIRE_CHUNK_BYTES),
        0);
    assert_true(size <= all);
    close(fd);
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

static void assert_end(struct gt_agentlog *log)
{
    struct gt_event event;

    assert_int_equal(gt_agentlog_next(log, &event, NULL), 0);
    gt_agentlog_free(log);
}

static void test_threads_merge_by_time(void **state)
{
    struct draft *main_thread = new_draft(100, 100, 2000000000, 2000000100);
    struct draft *worker = new_draft(100, 101, 2000000000, 2000005000);
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    write_control(new_control());
    add_gil(main_thread, 2000001000, GT_WIRE_SIGNAL, ACQUIRED);
    add_gil(main_thread, 2000002000, GT_WIRE_CREATE, 101 << 12);
    add_gil(main_thread, 2000009000, GT_WIRE_SIGNAL, COND);
    add_gil(worker, 2000006000, GT_WIRE_WAIT, COND);
    add_gil(worker, 2000010000, GT_WIRE_SIGNAL, ACQUIRED);
    worker->header.exit_ticks = 2000012000;
    end(main_thread, 2000020000);
    write_draft(main_thread, 0);
    write_draft(worker, 0);

    log = open_log();
    event = next_event(log, GT_EVENT_FORK);
    assert_int_equal(event.pid, 100);
    assert_int_equal(event.creator.pid, 1);
    event = next_event(log, GT_EVENT_EXEC);
    assert_string_equal(event.new_name.text, "python3");
    event = next_event(log, GT_EVENT_COMM);
    assert_string_equal(event.new_name.text, "python3");
    event = next_event(log, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.time_ns, 10000000500);
    assert_true(event.cond.address == ACQUIRED);
    event = next_event(log, GT_EVENT_FORK); /* when it was created, not when it first spoke */
    assert_int_equal(event.tid, 101);
    assert_int_equal(event.creator.tid, 100);
    assert_int_equal(event.time_ns, 10000001000);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_COND_WAIT);
    assert_int_equal(event.tid, 101);
    event = next_event(log, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.tid, 100);
    event = next_event(log, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.tid, 101);
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.tid, 101);
    assert_int_equal(event.time_ns, 10000006000);
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.tid, 100);
    assert_end(log);
}

static void test_clock_follows_the_anchors(void **state)
{
    static const struct {
        uint64_t ticks;
        int64_t ns;
    } moments[] = {
        {1000000000, 9333333334}, /* before the first: the whole run's rate */
        {2500000000, 10250000000}, {3000000000, 10500000000},
        {3250000000, 10750000000}, {5000000000, 12000000000}, /* after the last: likewise */
    };
    struct draft *draft = new_draft(7, 7, 900000000, 900000000);
    struct gt_agentlog *log;

    (void)state;
    write_control(new_control());
    for (size_t i = 0; i < 5; i++)
        add_gil(draft, moments[i].ticks, GT_WIRE_SIGNAL, COND);
    end(draft, moments[4].ticks);
    write_draft(draft, 0);
    log = open_log();
    for (int i = 0; i < 3; i++) {
        struct gt_event event;

        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(next_event(log, GT_EVENT_COND_SIGNAL).time_ns, moments[i].ns);
    next_event(log, GT_EVENT_EXIT);
    assert_end(log);
}

static void test_calls_across_a_base(void **state)
{
    const uint64_t turn = UINT64_C(1) << GT_WIRE_TICK_BITS;
    struct draft *draft = new_draft(7, 7, turn - 1000, turn - 1000);
    struct gt_wire_control *control = new_control();
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    control->tick_source = GT_WIRE_TICKS_MONOTONIC;
    memset(control->anchors, 0, sizeof(control->anchors));
    control->anchors[0] = (struct gt_wire_anchor){turn, turn};
    write_control(control);
    add_note(draft, (struct gt_wire_note){.kind = GT_WIRE_NOTE_FUNCTION, .id = 5, .line = 12},
             "Class.method", "/x/file.py");
    add_note(draft,
             (struct gt_wire_note){
                 .kind = GT_WIRE_NOTE_UNTRACED, .id = 5, .count = 300, .ticks = turn + 7},
             "", "");
    add_word(draft, (uint64_t)GT_WIRE_BASE << 60 | (turn - 10));
    add_word(draft, GT_WIRE_CALL_WORD(GT_WIRE_CALL, 5, turn - 10));
    add_word(draft, (uint64_t)GT_WIRE_BASE << 60 | (turn + 3));
    add_word(draft, GT_WIRE_CALL_WORD(GT_WIRE_YIELD, 5, turn + 3));
    add_word(draft, GT_WIRE_CALL_WORD(GT_WIRE_THROW, 5, turn + 4));
    add_word(draft, GT_WIRE_CALL_WORD(GT_WIRE_UNWIND, 6, turn + 5));
    end(draft, turn + 5);
    write_draft(draft, 0);

    log = open_log();
    next_event(log, GT_EVENT_FORK);
    next_event(log, GT_EVENT_EXEC);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_CALL);
    assert_int_equal(event.time_ns, turn - 10);
    assert_string_equal(event.call.function->name, "Class.method");
    assert_string_equal(event.call.function->file, "/x/file.py");
    assert_int_equal(event.call.function->line, 12);
    event = next_event(log, GT_EVENT_RETURN);
    assert_int_equal(event.time_ns, turn + 3);
    assert_int_equal(event.call.flags, GT_RETURN_YIELD);
    event = next_event(log, GT_EVENT_CALL);
    assert_int_equal(event.call.flags, GT_CALL_RESUME | GT_CALL_THROW);
    event = next_event(log, GT_EVENT_RETURN);
    assert_string_equal(event.call.function->name, "(name lost)");
    next_event(log, GT_EVENT_EXIT);
    event = next_event(log, GT_EVENT_UNTRACED);
    assert_int_equal(event.untraced.calls, 300);
    assert_end(log);
}

static void test_exec_and_fork(void **state)
{
    struct draft *before = new_draft(50, 50, 2000000000, 2000000000);
    struct draft *after = new_draft(50, 50, 2100000000, 2100000000);
    struct draft *child = new_draft(51, 51, 2050000000, 2060000000);
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    write_control(new_control());
    child->header.flags = GT_WIRE_FORKED;
    child->header.parent_pid = child->header.parent_tid = 50;
    strcpy(after->header.program, "/opt/python");
    end(after, 2100000000);
    write_draft(before, 0);
    write_draft(after, 0);
    write_draft(child, 0);

    log = open_log();
    assert_int_equal(gt_agentlog_quality(log)->processes, 3);
    next_event(log, GT_EVENT_FORK);
    next_event(log, GT_EVENT_EXEC);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_FORK);
    assert_int_equal(event.pid, 51);
    assert_int_equal(event.creator.pid, 50);
    assert_int_equal(event.time_ns, 10025000000);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_STOPPED); /* killed: the last sign of life stands for it */
    assert_int_equal(event.pid, 51);
    assert_true(event.stopped.gil && event.stopped.by_end);
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.pid, 51);
    event = next_event(log, GT_EVENT_EXEC);
    assert_string_equal(event.new_name.text, "python3");
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.pid, 50);
    assert_end(log);
}

static void test_names_messages_and_stop(void **state)
{
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_wire_control *control = new_control();
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    control->stopped_ticks = 2500000000;
    strcpy(control->trouble, "process 7: it broke");
    write_control(control);
    add_note(draft,
             (struct gt_wire_note){.kind = GT_WIRE_NOTE_NAME, .id = 9, .ticks = 2200000000},
             "worker \x1b[31m", "");
    add_note(draft,
             (struct gt_wire_note){.kind = GT_WIRE_NOTE_COMM, .id = 9, .ticks = 2300000000},
             "told the kernel", "");
    add_note(draft, (struct gt_wire_note){.kind = GT_WIRE_NOTE_MESSAGE}, "look\x1b[2J here\n",
             "");
    draft->header.dropped = 3;
    end(draft, 2600000000);
    write_draft(draft, 0);

    log = open_log();
    assert_string_equal(gt_agentlog_warning(log, 0), "process 7: it broke");
    assert_string_equal(gt_agentlog_warning(log, 1), "process 7: look?[2J here?");
    assert_null(gt_agentlog_warning(log, 2));
    assert_int_equal(gt_agentlog_quality(log)->dropped, 3);
    assert_int_equal(gt_agentlog_quality(log)->stopped_ns, 10250000000);
    next_event(log, GT_EVENT_FORK);
    next_event(log, GT_EVENT_EXEC);
    next_event(log, GT_EVENT_COMM);
    event = next_event(log, GT_EVENT_COMM);
    assert_int_equal(event.tid, 9);
    assert_true(event.new_name.by_threading);
    assert_string_equal(event.new_name.text, "worker \x1b[31m");
    event = next_event(log, GT_EVENT_COMM);
    assert_int_equal(event.tid, 9);
    assert_false(event.new_name.by_threading);
    assert_string_equal(event.new_name.text, "told the kernel");
    event = next_event(log, GT_EVENT_STOPPED);
    assert_int_equal(event.time_ns, 10250000000);
    next_event(log, GT_EVENT_EXIT);
    assert_end(log);
}

static size_t count_events(enum gt_event_kind kind, struct gt_agentlog_quality *quality)
{
    struct gt_agentlog *log = open_log();
    struct gt_event event;
    size_t count = 0;

    while (gt_agentlog_next(log, &event, NULL) > 0)
        count += event.kind == kind;
    *quality = *gt_agentlog_quality(log);
    gt_agentlog_free(log);
    return count;
}

/* A log that giltracer kept, of which whole units are gone: nobody knows whose. */
static void test_a_kept_log_that_is_cut(void **state)
{
    for (uint64_t gone = 0; gone < 2; gone++) {
        struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
        struct gt_wire_control *control = new_control();
        struct gt_agentlog_quality quality;

        (void)state;
        control->kept_units = unit_of(&draft->header) + gone * PLACES_MAX * PLACE_UNITS;
        control->units = control->kept_units + UINT32_MAX;
        write_control(control);
        add_gil(draft, 2000000000, GT_WIRE_SIGNAL, COND);
        end(draft, 2000100000);
        write_draft(draft, 0);
        assert_int_equal(count_events(GT_EVENT_STOPPED, &quality), gone);
    }
}

static void test_cut_and_senseless_logs(void **state)
{
    struct draft *senseless = new_draft(7, 8, 2000000000, 2000000000);
    struct draft *cut = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_wire_control *control = new_control();
    struct gt_agentlog_quality quality;
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    control->units =
        unit_of(&senseless->header); /* 1; then, of `cut`, only the one that is cut */
    control->units = unit_of(&cut->header);
    write_control(control);
    for (uint64_t i = 0; i < 10; i++)
        add_gil(senseless, 2000000000 + i, i == 5 ? 99 : GT_WIRE_WAIT, COND);
    write_draft(senseless, 0);
    for (uint64_t i = 0; i < 2000; i++)
        add_gil(cut, 2000000000 + i, GT_WIRE_SIGNAL, COND);
    end(cut, 2000100000);
    write_draft(cut, 512 + 1000 * sizeof(struct gt_wire_record) + 7);

    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 1000);
    assert_int_equal(count_events(GT_EVENT_COND_WAIT, &quality), 5); /* until the senseless */
    assert_int_equal(quality.threads, 2);
    assert_int_equal(quality.damaged, 2);
    /* From where one of its threads is not known any more, nothing of the process is. */
    log = open_log();
    do
        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    while (event.kind != GT_EVENT_STOPPED);
    assert_int_equal(event.pid, 7);
    assert_true(event.stopped.gil && !event.stopped.by_end);
    assert_int_equal(event.time_ns, 10000000499);
    gt_agentlog_free(log);
}

/* The event of that kind that comes next; of others there are as many as there are. */
static struct gt_event find_event(struct gt_agentlog *log, enum gt_event_kind kind)
{
    struct gt_event event;

    do
        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    while (event.kind != kind);
    return event;
}

static uint64_t bytes_of(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

/* What is left of a run whose thread was killed: a record that has no signal yet. The next
 * chunk begins with a run that nobody told the condition variables of: it makes no sense. */
static void test_runs_of_signals(void **state)
{
    /* 1000 ticks each; then 10 and 127 times 16, 1000, 32767, and 2: the last byte has no room
     */
    static const unsigned char first[] = {4, 232, 7, 232, 7, 232, 7};
    static const unsigned char second[15] = {10, 127, 232, 7, 255, 255, 130, 0};
    static const unsigned char cut[15] = {[0] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 255};
    const int64_t ns[] = {0, 500, 1000, 1500, 1580, 2596, 3096, 19479, 19480, 19488};
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_agentlog_quality quality;
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    write_control(new_control());
    add_gil(draft, 2000000000, GT_WIRE_FIRST, COND);
    add_gil(draft, 2000000000, GT_WIRE_SECOND, ACQUIRED);
    add_gil(draft, 2000000000, GT_WIRE_RUN, bytes_of(first, 7));
    add_gil(draft, bytes_of(second, 8), GT_WIRE_RUN_ON, bytes_of(second + 8, 7));
    add_gil(draft, bytes_of(cut, 8), GT_WIRE_RUN_ON, bytes_of(cut + 8, 7));
    add_gil(draft, 0, GT_WIRE_RUN_ON, 0);
    write_draft(draft, 0);
    log = open_log();
    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        event = find_event(log, GT_EVENT_COND_SIGNAL);
        assert_int_equal(event.time_ns, 10000000000 + ns[i]);
        assert_true(event.cond.address == (i % 2 ? ACQUIRED : COND));
    }
    gt_agentlog_free(log);

    draft = new_draft(8, 8, 2000000000, 2000000000);
    add_gil(draft, 2000000000, GT_WIRE_RUN, 1000);
    write_draft(draft, 0);
    draft = new_draft(9, 9, 2000000000, 2000000000);
    add_gil(draft, 0, GT_WIRE_RUN_ON, 1000);
    write_draft(draft, 0);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 9 + 14);
    assert_int_equal(quality.damaged, 2);
}

static void test_processes_that_could_not_go_on(void **state)
{
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_wire_control *control = new_control();
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    control->stop_count = 3;
    control->stops[0] = (struct gt_wire_stop){
        .ticks = 2500000000, .process_ticks = 2000000000, .pid = 7, .error = ENOSPC};
    control->stops[1] = (struct gt_wire_stop){
        .ticks = 2600000000, .process_ticks = 2550000000, .pid = 9, .error = ENOSPC};
    control->stops[2] = (struct gt_wire_stop){.process_ticks = 2550000000, .pid = 10};
    write_control(control);
    add_gil(draft, 2100000000, GT_WIRE_SIGNAL, COND);
    end(draft, 2700000000);
    write_draft(draft, 0);

    log = open_log();
    event = find_event(log, GT_EVENT_STOPPED);
    assert_int_equal(event.pid, 7);
    assert_int_equal(event.time_ns, 10250000000);
    assert_true(event.stopped.gil && !event.stopped.by_end);
    assert_non_null(strstr(event.stopped.why, "No space left"));
    event = find_event(log, GT_EVENT_STOPPED); /* it has no log at all */
    assert_int_equal(event.pid, 9);
    assert_int_equal(event.time_ns, 10275000000);
    event = next_event(log, GT_EVENT_EXIT);
    assert_int_equal(event.pid, 7);
    assert_int_equal(event.time_ns, 10350000000);
    assert_end(log); /* the third one was not written to its end */
}

static void test_death_by_a_signal(void **state)
{
    const struct gt_agentlog_ends ends = {.killed_pid = 7, .killed_ns = 10800000000};
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_agentlog_files files;
    struct gt_agentlog *log;
    char path[256];

    (void)state;
    write_control(new_control());
    add_gil(draft, 2100000000, GT_WIRE_SIGNAL, COND);
    write_draft(draft, 0);
    snprintf(path, sizeof(path), "%s/%s", dir, GT_WIRE_CONTROL_NAME);
    files.control = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "%s/%s", dir, GT_WIRE_LOG_NAME);
    files.log = open(path, O_RDONLY);
    log = gt_agentlog_open_files(&files, &ends, NULL);
    close(files.control);
    close(files.log);
    assert_non_null(log);
    find_event(log, GT_EVENT_COND_SIGNAL);
    /* Nothing is missing: what it wrote outlives it. */
    assert_in_range(next_event(log, GT_EVENT_EXIT).time_ns, 10799999000, 10800001000);
    assert_end(log);
}

static void test_times_that_cannot_be(void **state)
{
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_wire_control *control = new_control();
    struct gt_agentlog_quality quality;
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    control->stop_count = 1;
    control->stops[0] = (struct gt_wire_stop){
        .ticks = UINT64_C(1) << 60, .process_ticks = 2000000000, .pid = 7, .error = ENOSPC};
    control->stopped_ticks = UINT64_C(4611686018427387904);
    write_control(control);
    add_gil(draft, 2100000000, GT_WIRE_SIGNAL, COND);
    add_gil(draft, UINT64_C(1) << 50, GT_WIRE_SIGNAL, COND);
    add_gil(draft, 2300000000, GT_WIRE_SIGNAL, COND);
    end(draft, UINT64_C(1) << 50);
    write_draft(draft, 0);
    log = open_log();
    /* That they stopped is believed, and so all that comes after the beginning is not. */
    assert_int_equal(gt_agentlog_quality(log)->stopped_ns, 10000000000);
    event = find_event(log, GT_EVENT_STOPPED);
    assert_int_equal(event.time_ns, 10000000000);
    gt_agentlog_free(log);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 1);
    assert_true(quality.damaged >= 1);
    log = open_log();
    while (gt_agentlog_next(log, &event, NULL) > 0)
        assert_in_range(event.time_ns, 10000000000, 11000000000);
    gt_agentlog_free(log);
}

/* It may be anybody's: nobody's log is believed to be whole. */
static void test_a_unit_of_nobody(void **state)
{
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    struct gt_agentlog_quality quality;
    char path[256];
    int fd;

    (void)state;
    write_control(new_control());
    add_gil(draft, 2100000000, GT_WIRE_SIGNAL, COND);
    end(draft, 2200000000);
    write_draft(draft, 0);
    assert_int_equal(count_events(GT_EVENT_STOPPED, &quality), 0);
    assert_int_equal(quality.damaged, 0);
    snprintf(path, sizeof(path), "%s/%s", dir, GT_WIRE_LOG_NAME);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "nonsense", 8, (off_t)40 * GT_WIRE_CHUNK_BYTES), 8);
    close(fd);
    assert_int_equal(count_events(GT_EVENT_STOPPED, &quality), 1);
    assert_int_equal(quality.damaged, 1);
}

/* Three copies of the GIL's slot, with 1, 2 and 3 records, and 4 in the slot. */
static struct draft *copied(bool killed)
{
    struct draft *draft = new_draft(7, 7, 2000000000, 2000000000);
    uint64_t ticks = 2000000000;

    end(draft, ticks + 20000);

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
    struct gt_agentlog_quality quality;
    struct gt_agentlog *log;
    struct gt_event event;
    int64_t before_ns = 0;

    (void)state;
    write_control(new_control());
    write_draft(copied(false), 0);
    log = open_log();
    for (int i = 0; i < 3; i++)
        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    for (int i = 0; i < 10; i++) {
        event = next_event(log, GT_EVENT_COND_SIGNAL);
        assert_true(event.time_ns > before_ns);
        before_ns = event.time_ns;
    }
    next_event(log, GT_EVENT_EXIT);
    assert_end(log);
    /* Killed before the slot was emptied: what is in it is not there twice. */
    write_draft(copied(true), 0);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 6);
    assert_int_equal(quality.damaged, 0);
    /* Killed while the copy was made: it does not count yet. */
    struct draft *draft = copied(true);
    draft->header.copies = (COPIES_MAX - 1) << 2;
    write_draft(draft, (GT_WIRE_STREAMS + COPIES_MAX) * GT_WIRE_CHUNK_BYTES);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 6);
    assert_int_equal(quality.damaged, 0);
}

/* What is missing in the middle costs only itself, and nobody is said to hold meanwhile. */
static void test_gaps_are_told(void **state)
{
    struct draft *draft = copied(false);
    struct gt_agentlog_quality quality;
    struct gt_agentlog *log;
    struct gt_event event;

    (void)state;
    write_control(new_control());
    memset(draft->chunks[GT_WIRE_STREAMS + 1], 0xff, 64);
    write_draft(draft, 0);
    log = open_log();
    for (int i = 0; i < 4; i++)
        assert_int_equal(gt_agentlog_next(log, &event, NULL), 1);
    assert_int_equal(event.kind, GT_EVENT_COND_SIGNAL);
    assert_int_equal(event.time_ns, 10000000500);
    event = next_event(log, GT_EVENT_LOST);
    assert_int_equal(event.lost.since_ns, 10000000500);
    assert_int_equal(event.time_ns, 10000002000);
    for (int i = 0; i < 3 + 4; i++)
        next_event(log, GT_EVENT_COND_SIGNAL);
    next_event(log, GT_EVENT_EXIT);
    assert_end(log);
    assert_int_equal(count_events(GT_EVENT_LOST, &quality), 1);
    assert_int_equal(quality.damaged, 1);
    /* Cut short: the slot is at the beginning. */
    write_draft(copied(false), (GT_WIRE_STREAMS + 1) * GT_WIRE_CHUNK_BYTES + 7);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 1 + 4);
    assert_int_equal(quality.damaged, 1);
    /* No header: it is in the copies. */
    draft = copied(false);
    draft->header.magic = 99;
    write_draft(draft, 0);
    assert_int_equal(count_events(GT_EVENT_COND_SIGNAL, &quality), 10);
    assert_int_equal(quality.damaged, 1);
}

static void test_refuses_what_is_no_log(void **state)
{
    struct gt_wire_control *control = new_control();
    struct gt_error err;

    (void)state;
    assert_null(gt_agentlog_open(dir, &err));
    assert_int_equal(err.code, GT_ERR_NOT_FOUND);
    assert_null(gt_agentlog_open("/nonexistent", &err));
    assert_int_equal(err.code, GT_ERR_NOT_FOUND);
    write_file(GT_WIRE_CONTROL_NAME, "nonsense", 8);
    assert_null(gt_agentlog_open(dir, &err));
    assert_int_equal(err.code, GT_ERR_FORMAT);
    control->version = GT_WIRE_VERSION + 1;
    write_control(control);
    assert_null(gt_agentlog_open(dir, &err));
    assert_int_equal(err.code, GT_ERR_FORMAT);
    assert_non_null(strstr(err.message, "version"));
    control = new_control();
    control->version = GT_WIRE_VERSION - 1; /* its files are laid out otherwise */
    write_control(control);
    assert_null(gt_agentlog_open(dir, &err));
    assert_non_null(strstr(err.message, "version"));
    control = new_control();
    memset(control->anchors, 0, sizeof(control->anchors));
    write_control(control);
    assert_null(gt_agentlog_open(dir, &err));
    assert_int_equal(err.code, GT_ERR_FORMAT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads_merge_by_time),
        TEST(test_clock_follows_the_anchors),
        TEST(test_calls_across_a_base),
        TEST(test_exec_and_fork),
        TEST(test_names_messages_and_stop),
        TEST(test_a_kept_log_that_is_cut),
        TEST(test_cut_and_senseless_logs),
        TEST(test_runs_of_signals),
        TEST(test_copies_come_before_the_slot),
        TEST(test_gaps_are_told),
        TEST(test_refuses_what_is_no_log),
        TEST(test_processes_that_could_not_go_on),
        TEST(test_death_by_a_signal),
        TEST(test_times_that_cannot_be),
        TEST(test_a_unit_of_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
