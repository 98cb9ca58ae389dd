/* SPDX-License-Identifier: MIT */
#include "agent/log.h"

#include "agent/units.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct gt_agent_newest gt_agent_newest;

enum {
    DATA_OFFSET = 16,
    FIRST_DATA_OFFSET = 512,
    FIRST_BYTES =
        8192, /* of a slot, at first: a thread of few events takes no more of the disk */
};

_Static_assert(sizeof(struct gt_wire_chunk) == DATA_OFFSET, "records must stay aligned");
_Static_assert(sizeof(struct gt_wire_chunk) + sizeof(struct gt_wire_thread) <=
                   FIRST_DATA_OFFSET,
               "the header must fit before the first record");
_Static_assert(sizeof(((struct gt_wire_thread *)0)->slots) / sizeof(uint32_t) ==
                   GT_WIRE_STREAMS,
               "one slot for each stream");
_Static_assert(sizeof(struct gt_wire_note) == 40, "notes have no padding");
_Static_assert(GT_WIRE_STREAMS < 4, "gt_wire_thread.copies has two bits for a stream, plus 1");
_Static_assert(GT_WIRE_RUN_ON < 1 << 8, "a record's kind has 8 bits");
_Static_assert(GT_WIRE_RUN_BYTES == sizeof(struct gt_wire_record) - 1, "the last is the kind");
_Static_assert((unsigned)GT_AGENT_RUN_SHIFT <= GT_WIRE_RUN_SHIFT_MAX,
               "readers shift by no more");
_Static_assert(GT_WIRE_BASE < 1 << 4, "a call's kind has 4 bits");

/* A page of the mapping must not reach beyond what is allocated. */
static size_t first_bytes(void)
{
    return sysconf(_SC_PAGESIZE) <= FIRST_BYTES ? FIRST_BYTES : GT_WIRE_CHUNK_BYTES;
}

/* Give a stream its slot; false when recording has stopped. That of the GIL's stream comes
 * first. */
static bool new_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->log.streams[stream];
    bool first = stream == GT_WIRE_STREAM_GIL;
    size_t allocated = first_bytes();
    uint64_t unit = gt_agent_unit_take(allocated);
    struct gt_wire_chunk *slot = unit ? gt_agent_unit_map(unit, allocated) : NULL;

    if (!slot) {
        if (unit)
            gt_agent_stop(errno);
        return false;
    }
    if (gt_agent
            .wipe_on_fork) /* a child must neither write its parent's log nor keep it mapped */
        madvise(slot, GT_WIRE_CHUNK_BYTES, MADV_DONTFORK);
    if (first) {
        self->log.unit = (uint32_t)unit;
        self->log.header = (struct gt_wire_thread *)(void *)(slot + 1);
    } else {
        self->log.header->slots[stream] = (uint32_t)unit;
    }
    slot->stream = (uint16_t)stream;
    slot->data_offset = first ? FIRST_DATA_OFFSET : DATA_OFFSET;
    slot->thread = self->log.unit;
    __atomic_store_n(&slot->magic, GT_WIRE_MAGIC_CHUNK, __ATOMIC_RELEASE);
    to->slot = (char *)slot;
    to->next = to->slot + slot->data_offset;
    to->end = to->slot + allocated;
    self->log.turn++;
    return true;
}

static void fill_header(struct gt_agent_thread *self, uint64_t ticks, const char *comm)
{
    struct gt_wire_thread *header = self->log.header;

    header->version = GT_WIRE_VERSION;
    header->flags =
        (gt_agent.forked ? GT_WIRE_FORKED : 0u) | (gt_agent.preparer ? GT_WIRE_ATTACHED : 0u);
    header->pid = gt_agent.pid;
    header->tid = self->listed.tid;
    header->parent_pid = gt_agent.parent_pid;
    header->parent_tid = gt_agent.parent_tid;
    header->process_ticks = gt_agent.process_ticks;
    header->start_ticks = ticks;
    header->slots[GT_WIRE_STREAM_GIL] = self->log.unit;
    header->ident = self->listed.ident;
    if (comm)
        strncpy(header->comm, comm, sizeof(header->comm) - 1);
    else
        prctl(PR_GET_NAME, header->comm);
    memcpy(header->program, gt_agent.program, sizeof(header->program));
    __atomic_store_n(&header->magic, GT_WIRE_MAGIC_THREAD, __ATOMIC_RELEASE);
}

bool gt_agent_log_begin(struct gt_agent_thread *self, const char *comm)
{
    uint64_t ticks = gt_agent_ticks_ordered();

    if (!new_slot(self, GT_WIRE_STREAM_GIL))
        return false;
    fill_header(self, ticks, comm);
    return true;
}

/* Allocate the rest of a slot. */
static bool complete_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->log.streams[stream];
    size_t allocated = (size_t)(to->end - to->slot);
    size_t rest = GT_WIRE_CHUNK_BYTES - allocated;

    if (!gt_agent_take_bytes(rest))
        return false;
    if (!gt_agent_unit_extend(to->slot, self->log.header->slots[stream], allocated, rest)) {
        gt_agent_stop(errno);
        return false;
    }
    to->end += rest;
    return true;
}

static void empty_slot(struct gt_agent_stream *to)
{
    char *data = to->slot + ((struct gt_wire_chunk *)(void *)to->slot)->data_offset;

    memset(data, 0, (size_t)(to->next - data));
    to->next = data;
}

/* The log tells what copying took: it may be ten times as much where memory was never used. */
static void add_copied(enum gt_wire_stream stream, uint64_t start_ns)
{
    uint64_t end_ns;

    if (gt_agent_cpu_ns(&end_ns) && end_ns > start_ns)
        __atomic_fetch_add(&gt_agent.control->copied_ns[stream], end_ns - start_ns,
                           __ATOMIC_RELAXED);
}

/* Make a copy of a full slot, and empty it. */
static bool copy_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->log.streams[stream];
    uint64_t copies = GT_WIRE_COPIES(self->log.header->copies) + 1;
    struct gt_wire_chunk head = *(struct gt_wire_chunk *)(void *)to->slot;
    uint64_t start_ns = UINT64_MAX; /* not known: nothing is added */
    uint64_t unit = gt_agent_unit_take(GT_WIRE_CHUNK_BYTES);

    gt_agent_cpu_ns(&start_ns);
    head.copy = (uint32_t)copies;
    if (!unit)
        return false;
    if (!gt_agent_unit_write(unit, &head, to->slot)) {
        gt_agent_stop(errno);
        return false;
    }
    copies <<= 2;
    __atomic_store_n(&self->log.header->copies, copies | (stream + 1), __ATOMIC_RELEASE);
    empty_slot(to);
    __atomic_store_n(&self->log.header->copies, copies, __ATOMIC_RELEASE);
    self->log.turn++;
    add_copied(stream, start_ns);
    return true;
}

char *gt_agent_reserve_slow(struct gt_agent_thread *self, enum gt_wire_stream stream,
                            size_t bytes)
{
    struct gt_agent_stream *to = &self->log.streams[stream];
    int error = errno;
    bool room = true;

    while (room && (size_t)(to->end - to->next) < bytes) {
        if (!gt_agent_is_recording() && !gt_agent.preparer)
            room = false;
        else if (!self->log.header)
            room = gt_agent_log_begin(self, NULL);
        else if (!to->slot)
            room = new_slot(self, stream);
        else if (to->end < to->slot + GT_WIRE_CHUNK_BYTES)
            room = complete_slot(self, stream);
        else
            room = copy_slot(self, stream);
    }
    errno = error;
    if (!room && self->log.header)
        self->log.header->dropped++;
    return room ? to->next : NULL;
}

/* Two condition variables of one GIL lie in one structure, the GIL's mutex between them. */
static bool are_of_one_gil(uint64_t one, uint64_t other)
{
    enum { APART = 512 };

    return one != other && one - other + APART <= 2 * APART;
}

/* Find out which condition variables take turns: the last one that was not in a run, and this
 * one. Each chunk tells anew. True: a run of this one can begin. */
static bool tell_conds(struct gt_agent_thread *self, uint64_t ticks, uint64_t cond)
{
    struct gt_agent_run *run = &self->log.run;
    uint64_t before = run->alone;

    run->alone = cond;
    if (run->turn == self->log.turn && (cond == run->conds[0] || cond == run->conds[1]))
        return cond == run->conds[0];
    if (!are_of_one_gil(before, cond))
        return false;
    run->turn = self->log.turn;
    run->conds[0] = cond;
    run->conds[1] = before;
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_FIRST, cond));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SECOND, before));
    return true;
}

void gt_agent_put_signal_slow(struct gt_agent_thread *self, uint64_t ticks, uint64_t cond)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_GIL];
    struct gt_agent_run *run = &self->log.run;
    const size_t needed = GT_AGENT_RUN_RECORDS * sizeof(struct gt_wire_record);

    if (gt_agent_goes_on(run, ticks, cond) && gt_agent_put_run_on(self)) {
        gt_agent_put_on(run, ticks, cond, false);
        return;
    }
    /* From here on it may be another chunk. */
    if ((size_t)(to->end - to->next) < needed &&
        !gt_agent_reserve_slow(self, GT_WIRE_STREAM_GIL, needed))
        return;
    if (tell_conds(self, ticks, cond)) {
        char *record = to->next;

        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_RUN, GT_AGENT_RUN_SHIFT));
        run->next = (uint8_t *)record + GT_WIRE_RUN_BEGINS;
        run->next_cond = run->conds[1];
        run->ticks = ticks;
    } else {
        gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_SIGNAL, cond));
    }
}

bool gt_agent_put_base(struct gt_agent_thread *self, uint64_t ticks)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_CALLS];
    uint32_t turn = self->log.turn;

    /* Room for the base and for what comes after it, so that they are in one chunk. */
    if (!gt_agent_reserve_slow(self, GT_WIRE_STREAM_CALLS, 2 * sizeof(uint64_t)))
        return false;
    if (turn == self->log.turn && ticks >> GT_WIRE_TICK_BITS == self->log.calls_base)
        return true; /* the slot only needed more allocated space */
    *(uint64_t *)(void *)to->next = (uint64_t)GT_WIRE_BASE << 60 | (ticks & GT_WIRE_BASE_TICKS);
    to->next += sizeof(uint64_t);
    self->log.calls_base = ticks >> GT_WIRE_TICK_BITS;
    return true;
}

void gt_agent_note(struct gt_agent_thread *self, const struct gt_wire_note *note,
                   const char *name, size_t name_length, const char *file, size_t file_length)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_NOTES];
    struct gt_wire_note *at;
    size_t size;

    if (name_length > GT_WIRE_TEXT_MAX)
        name_length = GT_WIRE_TEXT_MAX;
    if (file_length > GT_WIRE_TEXT_MAX)
        file_length = GT_WIRE_TEXT_MAX;
    size = (sizeof(*note) + name_length + file_length + 7) & ~(size_t)7;
    at = (struct gt_wire_note *)(void *)gt_agent_reserve_slow(self, GT_WIRE_STREAM_NOTES, size);
    if (!at)
        return;
    *at = *note;
    at->size = 0;
    at->name_length = (uint16_t)name_length;
    at->file_length = (uint16_t)file_length;
    memcpy(at + 1, name, name_length);
    memcpy((char *)(at + 1) + name_length, file, file_length);
    __atomic_store_n(&at->size, (uint32_t)size, __ATOMIC_RELEASE);
    to->next = (char *)at + size;
}

void gt_agent_message(struct gt_agent_thread *self, const char *text)
{
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_MESSAGE, .ticks = gt_agent_ticks()};

    gt_agent_note(self, &note, text, strlen(text), "", 0);
}

void gt_agent_log_close(struct gt_agent_thread *self)
{
    for (int i = 0; i < GT_WIRE_STREAMS; i++)
        if (self->log.streams[i].slot)
            munmap(self->log.streams[i].slot, GT_WIRE_CHUNK_BYTES);
    memset(&self->log, 0, sizeof(self->log));
}
