/* SPDX-License-Identifier: MIT */
/* agentlog/ring.h: what is kept of logs made here, and what a copy of it tells. */
#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "agentlog/ring.h"
#include "base/nstime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEEP_S = 2, OLD_S = 20, FILE_UNITS = 512, NAME_SIZE = 32 };

#define SECOND (INT64_C(1) * GT_NS_PER_S)

/* A recording; a tick is a nanosecond. */
struct recording {
    struct gt_agentlog_files files;
    struct gt_wire_control *control;
    struct gt_ring *ring;
    uint32_t units; /* that are taken */
};

struct thread {
    struct recording *recording;
    struct gt_wire_thread header;
    uint32_t unit, copies;
};

/* A chunk in the making. */
struct chunk {
    unsigned char bytes[GT_WIRE_CHUNK_BYTES];
    size_t used;
};

static struct gt_agentlog_files new_files(void)
{
    struct gt_agentlog_files files = {memfd_create("control", MFD_CLOEXEC),
                                      memfd_create("log", MFD_CLOEXEC)};

    assert_true(files.control >= 0 && files.log >= 0);
    return files;
}

static void close_files(const struct gt_agentlog_files *files)
{
    close(files->control);
    close(files->log);
}

static struct recording *new_recording(uint64_t room_units)
{
    struct recording *recording = calloc(1, sizeof(*recording));
    struct gt_error err = {0};

    assert_non_null(recording);
    recording->files = new_files();
    assert_int_equal(ftruncate(recording->files.control, GT_WIRE_CONTROL_BYTES), 0);
    assert_int_equal(
        ftruncate(recording->files.log, (off_t)(FILE_UNITS + 1) * GT_WIRE_CHUNK_BYTES), 0);
    recording->control = mmap(NULL, GT_WIRE_CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                              recording->files.control, 0);
    assert_true(recording->control != MAP_FAILED);
    recording->control->magic = GT_WIRE_MAGIC_CONTROL;
    recording->control->version = GT_WIRE_VERSION;
    recording->control->tick_source = GT_WIRE_TICKS_COUNTER;
    recording->control->anchors[0] = (struct gt_wire_anchor){SECOND, SECOND};
    recording->control->anchors[1] = (struct gt_wire_anchor){100 * SECOND, 100 * SECOND};
    recording->ring =
        gt_ring_new(&(struct gt_ring_options){.files = recording->files,
                                              .keep_ns = KEEP_S * SECOND,
                                              .max_bytes = room_units * GT_WIRE_CHUNK_BYTES,
                                              .room_bytes = UINT64_MAX},
                    &err);
    assert_non_null(recording->ring);
    return recording;
}

static void free_recording(struct recording *recording)
{
    gt_ring_free(recording->ring);
    munmap(recording->control, GT_WIRE_CONTROL_BYTES);
    close_files(&recording->files);
    free(recording);
}

static void put_unit(struct recording *recording, uint32_t unit, const void *data, size_t size)
{
    assert_int_equal(
        pwrite(recording->files.log, data, size, (off_t)unit * GT_WIRE_CHUNK_BYTES), size);
}

static uint32_t take_unit(struct recording *recording)
{
    assert_true(recording->units < FILE_UNITS);
    recording->control->units = ++recording->units;
    return recording->units;
}

/* The slot of its GIL stream, which is empty but for the header. */
static void put_header(struct thread *thread)
{
    struct {
        struct gt_wire_chunk chunk;
        struct gt_wire_thread header;
    } slot = {{.magic = GT_WIRE_MAGIC_CHUNK,
               .stream = GT_WIRE_STREAM_GIL,
               .data_offset = 512,
               .thread = thread->unit},
              thread->header};

    put_unit(thread->recording, thread->unit, &slot, sizeof(slot));
}

static struct thread new_thread(struct recording *recording, int32_t pid, int32_t tid,
                                uint64_t start)
{
    struct thread thread = {.recording = recording,
                            .unit = take_unit(recording),
                            .header = {.magic = GT_WIRE_MAGIC_THREAD,
                                       .version = GT_WIRE_VERSION,
                                       .pid = pid,
                                       .tid = tid,
                                       .parent_pid = 1,
                                       .parent_tid = 1,
                                       .process_ticks = (uint64_t)pid * 1000000,
                                       .start_ticks = start,
                                       .ident = (uint64_t)tid << 12,
                                       .comm = "python3",
                                       .program = "/usr/bin/python3"}};

    thread.header.slots[GT_WIRE_STREAM_GIL] = thread.unit;
    put_header(&thread);
    return thread;
}

/* With `flags`, its process ends, too. */
static void end(struct thread *thread, uint64_t ticks, uint32_t flags)
{
    thread->header.exit_ticks = ticks;
    thread->header.flags |= flags;
    put_header(thread);
}

static struct chunk *new_chunk(void)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk));

    assert_non_null(chunk);
    chunk->used = sizeof(struct gt_wire_chunk);
    return chunk;
}

/* As a thread does with a slot that is full. Frees it. */
static void put_copy(struct thread *thread, enum gt_wire_stream stream, struct chunk *chunk)
{
    *(struct gt_wire_chunk *)(void *)chunk->bytes =
        (struct gt_wire_chunk){.magic = GT_WIRE_MAGIC_CHUNK,
                               .stream = (uint16_t)stream,
                               .data_offset = sizeof(struct gt_wire_chunk),
                               .thread = thread->unit,
                               .copy = ++thread->copies};
    put_unit(thread->recording, take_unit(thread->recording), chunk->bytes,
             sizeof(chunk->bytes));
    thread->header.copies = (uint64_t)thread->copies << 2;
    put_header(thread);
    free(chunk);
}

static void add(struct chunk *chunk, const void *data, size_t size)
{
    assert_true(chunk->used + size <= sizeof(chunk->bytes));
    memcpy(chunk->bytes + chunk->used, data, size);
    chunk->used += size;
}

static void add_note(struct chunk *chunk, enum gt_wire_note_kind kind, uint32_t id,
                     uint64_t ticks, const char *name)
{
    struct {
        struct gt_wire_note note;
        char name[NAME_SIZE];
    } text = {.note = {.size = sizeof(text),
                       .kind = (uint16_t)kind,
                       .ticks = ticks,
                       .id = id,
                       .line = id,
                       .name_length = (uint16_t)strlen(name)}};

    memcpy(text.name, name, strlen(name));
    add(chunk, &text, sizeof(text));
}

static void add_word(struct chunk *chunk, uint64_t word)
{
    add(chunk, &word, sizeof(word));
}

/* Notes of functions with these ids, so many in each copy. */
static void put_functions(struct thread *thread, uint32_t first, uint32_t count)
{
    enum { EACH = 700 };

    for (uint32_t id = first; id < first + count;) {
        struct chunk *chunk = new_chunk();

        for (uint32_t i = 0; i < EACH && id < first + count; i++, id++) {
            char name[NAME_SIZE];

            snprintf(name, sizeof(name), "f%u", id);
            add_note(chunk, GT_WIRE_NOTE_FUNCTION, id, SECOND, name);
        }
        put_copy(thread, GT_WIRE_STREAM_NOTES, chunk);
    }
}

static void put_call(struct thread *thread, int64_t ticks, uint32_t id)
{
    struct chunk *chunk = new_chunk();

    add_word(chunk, (uint64_t)GT_WIRE_BASE << 60 | (uint64_t)ticks);
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_CALL, id, (uint64_t)ticks));
    put_copy(thread, GT_WIRE_STREAM_CALLS, chunk);
}

static void sweep(struct recording *recording, int64_t second)
{
    struct gt_ring_holes holes;
    struct gt_error err = {0};

    assert_int_equal(gt_ring_sweep(recording->ring, second * SECOND, &err), 0);
    holes = gt_ring_take_holes(recording->ring);
    gt_ring_punch(recording->files.log, &holes);
}

static uint64_t units_of_disk(const struct recording *recording)
{
    return gt_ring_bytes(recording->ring) / GT_WIRE_CHUNK_BYTES;
}

/* What a copy of it tells, in its order: calls and names, a line each. */
static void assert_copy(struct recording *recording, const char *expected)
{
    struct gt_agentlog_files files = new_files();
    struct gt_agentlog *log;
    struct gt_error err = {0};
    struct gt_event event;
    char told[4096] = "";

    assert_int_equal(gt_ring_copy(recording->ring, &files, 0, &err), 0);
    log = gt_agentlog_open_files(&files, NULL, &err);
    assert_non_null(log);
    assert_int_equal(gt_agentlog_quality(log)->damaged, 0);
    while (gt_agentlog_next(log, &event, &err) == 1) {
        size_t length = strlen(told);

        if (event.kind == GT_EVENT_CALL)
            snprintf(told + length, sizeof(told) - length, "%d calls %s\n", event.tid,
                     event.call.function->name);
        if (event.kind == GT_EVENT_COMM && strcmp(event.new_name.text, "python3") != 0)
            snprintf(told + length, sizeof(told) - length, "%d is %s\n", event.tid,
                     event.new_name.text);
    }
    assert_string_equal(told, expected);
    gt_agentlog_free(log);
    close_files(&files);
}

static void functions_have_names_after_their_notes_went(void **state)
{
    enum { FUNCTIONS = 20000 };
    struct recording *recording = new_recording(FILE_UNITS);
    struct thread thread = new_thread(recording, 100, 100, SECOND);

    (void)state;
    put_functions(&thread, 1, FUNCTIONS);
    put_functions(&thread, 1, FUNCTIONS); /* as another process would */
    sweep(recording, 1);
    assert_true(units_of_disk(recording) > 50);
    sweep(recording, OLD_S);
    assert_true(units_of_disk(recording) <= 2);
    put_call(&thread, OLD_S * SECOND, 1);
    put_call(&thread, OLD_S * SECOND + 1, 701);
    put_call(&thread, OLD_S * SECOND + 2, FUNCTIONS);
    put_call(&thread, OLD_S * SECOND + 3, FUNCTIONS + 1);
    sweep(recording, OLD_S + 1);
    assert_copy(recording, "100 calls f1\n100 calls f701\n100 calls f20000\n"
                           "100 calls (name lost)\n");
    free_recording(recording);
}

static void functions_have_names_after_their_process_ended(void **state)
{
    struct recording *recording = new_recording(FILE_UNITS);
    struct thread ended = new_thread(recording, 100, 100, SECOND);
    struct thread first, second;

    (void)state;
    put_functions(&ended, 1, 10);
    end(&ended, SECOND + 1000, GT_WIRE_ENDED);
    sweep(recording, 1);
    first = new_thread(recording, 200, 200, 2 * SECOND);
    second = new_thread(recording, 300, 300, 2 * SECOND);
    put_functions(&second, 11, 10);
    sweep(recording, 2);
    sweep(recording, OLD_S);
    assert_true(units_of_disk(recording) <= 3);
    put_call(&first, OLD_S * SECOND, 3);
    put_call(&second, OLD_S * SECOND + 1, 4);
    put_call(&first, OLD_S * SECOND + 2, 15);
    sweep(recording, OLD_S + 1);
    assert_copy(recording, "200 calls f3\n300 calls f4\n200 calls f15\n");
    free_recording(recording);
}

static void put_name(struct thread *thread, int32_t tid, int64_t ticks, const char *name)
{
    struct chunk *chunk = new_chunk();

    add_note(chunk, GT_WIRE_NOTE_NAME, (uint32_t)tid, (uint64_t)ticks, name);
    put_copy(thread, GT_WIRE_STREAM_NOTES, chunk);
}

static void threads_that_are_there_have_their_newest_names(void **state)
{
    struct recording *recording = new_recording(FILE_UNITS);
    struct thread thread = new_thread(recording, 100, 100, SECOND);
    struct thread worker = new_thread(recording, 100, 101, SECOND + 1);
    struct thread ended = new_thread(recording, 100, 102, SECOND + 2);
    struct thread other = new_thread(recording, 200, 101, SECOND + 3);

    (void)state;
    put_name(&thread, 101, SECOND + 10, "first");
    put_name(&ended, 102, SECOND + 11, "gone");
    put_name(&worker, 101, SECOND + 12, "second");
    put_name(&thread, 100, SECOND + 13, "main");
    put_name(&other, 101, SECOND + 14, "of another process");
    end(&ended, SECOND + 20, 0);
    sweep(recording, 1);
    sweep(recording, OLD_S);
    assert_true(units_of_disk(recording) <= 4);
    assert_copy(recording, "101 is second\n100 is main\n101 is of another process\n");
    free_recording(recording);
}

static void calls_that_are_open_stay_open(void **state)
{
    struct recording *recording = new_recording(FILE_UNITS);
    struct thread thread = new_thread(recording, 100, 100, SECOND);
    struct chunk *chunk = new_chunk();

    (void)state;
    put_functions(&thread, 1, 5);
    add_word(chunk, (uint64_t)GT_WIRE_BASE << 60 | (uint64_t)SECOND);
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_CALL, 1, (uint64_t)SECOND));
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_CALL, 2, (uint64_t)SECOND + 1));
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_RETURN, 2, (uint64_t)SECOND + 2));
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_RESUME, 3, (uint64_t)SECOND + 3));
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_CALL, 4, (uint64_t)SECOND + 4));
    add_word(chunk, GT_WIRE_CALL_WORD(GT_WIRE_UNWIND, 4, (uint64_t)SECOND + 5));
    put_copy(&thread, GT_WIRE_STREAM_CALLS, chunk);
    sweep(recording, 1);
    sweep(recording, OLD_S);
    put_call(&thread, OLD_S * SECOND, 5);
    sweep(recording, OLD_S + 1);
    assert_copy(recording, "100 calls f1\n100 calls f3\n100 calls f5\n");
    free_recording(recording);
}

/* A report may be made later than it ends. */
static void of_what_went_nothing_is_said_to_be_known(void **state)
{
    struct recording *recording = new_recording(FILE_UNITS);
    struct thread thread = new_thread(recording, 100, 100, SECOND);

    (void)state;
    sweep(recording, 1);
    put_call(&thread, 2 * SECOND, 1);
    sweep(recording, 3);
    assert_int_equal(gt_ring_since_ns(recording->ring, 4 * SECOND), 2 * SECOND);
    sweep(recording, OLD_S);
    assert_int_equal(gt_ring_since_ns(recording->ring, 4 * SECOND), 3 * SECOND);
    assert_int_equal(gt_ring_since_ns(recording->ring, OLD_S * SECOND), 18 * SECOND);
    free_recording(recording);
}

static void what_is_young_goes_where_there_is_no_room(void **state)
{
    enum { ROOM = 40 };
    struct recording *recording = new_recording(ROOM);
    struct thread thread = new_thread(recording, 100, 100, SECOND);

    (void)state;
    for (int second = 1; second <= 3; second++) {
        for (uint32_t i = 0; i < ROOM / 2; i++)
            put_call(&thread, second * SECOND + i, i);
        sweep(recording, second);
        assert_true(second < 2 || gt_ring_since_ns(recording->ring, second * SECOND) >=
                                      (second - 1) * SECOND);
    }
    assert_false(gt_ring_is_large(recording->ring));
    assert_true(gt_ring_since_ns(recording->ring, 3 * SECOND) > SECOND);
    assert_true(gt_ring_since_ns(recording->ring, 3 * SECOND) <= 3 * SECOND);
    free_recording(recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_names_after_their_notes_went),
        cmocka_unit_test(functions_have_names_after_their_process_ended),
        cmocka_unit_test(threads_that_are_there_have_their_newest_names),
        cmocka_unit_test(calls_that_are_open_stay_open),
        cmocka_unit_test(of_what_went_nothing_is_said_to_be_known),
        cmocka_unit_test(what_is_young_goes_where_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
