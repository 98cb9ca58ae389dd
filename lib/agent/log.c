#include "agent/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct gt_agent gt_agent;
struct gt_agent_newest gt_agent_newest;

enum {
    DATA_OFFSET = 16,
    FIRST_DATA_OFFSET = 512,
    FIRST_BYTES = 8192, /* of a slot: a thread of few events takes no more of the disk */
};

_Static_assert(sizeof(struct gt_wire_chunk) == DATA_OFFSET, "records must stay aligned");
_Static_assert(sizeof(struct gt_wire_chunk) + sizeof(struct gt_wire_thread) <=
                   FIRST_DATA_OFFSET,
               "the header must fit before the first record");
_Static_assert(sizeof(((struct gt_wire_thread *)0)->slots) / sizeof(uint32_t) ==
                   GT_WIRE_STREAMS,
               "one slot for each stream");
_Static_assert(sizeof(struct gt_wire_note) == 40, "notes have no padding");

void gt_agent_trouble(const char *text, int error)
{
    struct gt_wire_control *control = gt_agent.control;

    gt_agent.recording = false;
    if (!control)
        return;
    __atomic_fetch_add(&control->troubles, 1, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&control->trouble_claimed, 1, __ATOMIC_ACQ_REL))
        return;
    snprintf(control->trouble, sizeof(control->trouble), "process %d: %s%s%s", gt_agent.pid,
             text, error ? ": " : "", error ? strerror(error) : "");
}

/* Count `size` bytes against the run's bound; false, and the time noted, when it is reached. */
static bool take_bytes(size_t size)
{
    struct gt_wire_control *control = gt_agent.control;
    uint64_t used = __atomic_fetch_add(&control->used_bytes, size, __ATOMIC_RELAXED);
    uint64_t none = 0;

    if (used + size <= gt_agent.max_bytes &&
        !__atomic_load_n(&control->stopped_ticks, __ATOMIC_RELAXED))
        return true;
    __atomic_compare_exchange_n(&control->stopped_ticks, &none, gt_agent_ticks_ordered(), false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    gt_agent.recording = false;
    return false;
}

/* A mapped page must not reach beyond what is allocated. */
static size_t first_bytes(void)
{
    return sysconf(_SC_PAGESIZE) <= FIRST_BYTES ? FIRST_BYTES : GT_WIRE_CHUNK_BYTES;
}

/* More of this process than the table holds, and nothing at all is known any more. */
static void note_stop(struct gt_wire_control *control, uint64_t process_ticks, int error)
{
    uint32_t index = __atomic_fetch_add(&control->stop_count, 1, __ATOMIC_RELAXED);
    uint64_t ticks = gt_agent_ticks_ordered(), none = 0;
    struct gt_wire_stop *stop = &control->stops[index < GT_WIRE_STOPS ? index : 0];

    if (index >= GT_WIRE_STOPS) {
        __atomic_compare_exchange_n(&control->stopped_ticks, &none, ticks, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        return;
    }
    stop->process_ticks = process_ticks;
    stop->pid = gt_agent.pid;
    stop->parent_pid = gt_agent.parent_pid;
    stop->error = error;
    __atomic_store_n(&stop->ticks, ticks, __ATOMIC_RELEASE);
}

void gt_agent_stop(int error)
{
    gt_agent.recording = false;
    if (gt_agent.control && !__atomic_exchange_n(&gt_agent.stopped, true, __ATOMIC_ACQ_REL))
        note_stop(gt_agent.control, gt_agent.process_ticks, error);
}

/* A unit of our own; 0 when there is none. */
static uint64_t take_unit(size_t allocated)
{
    uint64_t unit;

    if (!take_bytes(allocated))
        return 0;
    unit = __atomic_add_fetch(&gt_agent.control->units, 1, __ATOMIC_RELAXED);
    if (unit < gt_agent.log.units && unit < UINT32_MAX)
        return unit;
    gt_agent_stop(0);
    return 0;
}

bool gt_agent_new_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->streams[stream];
    bool first = stream == GT_WIRE_STREAM_GIL;
    size_t allocated = first_bytes();
    uint64_t unit = take_unit(allocated);
    struct gt_wire_chunk *slot = unit ? gt_agent_unit_map(unit, allocated) : NULL;

    if (!slot) {
        if (unit)
            gt_agent_stop(errno);
        return false;
    }
    if (gt_agent.wipe_on_fork) /* children must not see, nor keep, what is not theirs */
        madvise(slot, GT_WIRE_CHUNK_BYTES, MADV_DONTFORK);
    if (first)
        self->unit = (uint32_t)unit;
    else
        self->header->slots[stream] = (uint32_t)unit;
    slot->stream = (uint16_t)stream;
    slot->data_offset = first ? FIRST_DATA_OFFSET : DATA_OFFSET;
    slot->thread = self->unit;
    __atomic_store_n(&slot->magic, GT_WIRE_MAGIC_CHUNK, __ATOMIC_RELEASE);
    to->slot = (char *)slot;
    to->next = to->slot + slot->data_offset;
    to->end = to->slot + allocated;
    self->turn++;
    return true;
}

/* Allocate the rest of a slot. */
static bool complete_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->streams[stream];
    size_t allocated = (size_t)(to->end - to->slot);
    size_t rest = GT_WIRE_CHUNK_BYTES - allocated;

    if (!take_bytes(rest))
        return false;
    if (!gt_agent_unit_extend(to->slot, self->header->slots[stream], allocated, rest)) {
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

/* Make a copy of a full slot, and empty it. */
static bool copy_slot(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->streams[stream];
    uint64_t copies = GT_WIRE_COPIES(self->header->copies) + 1;
    struct gt_wire_chunk head = *(struct gt_wire_chunk *)(void *)to->slot;
    uint64_t unit = take_unit(GT_WIRE_CHUNK_BYTES);

    head.copy = (uint32_t)copies;
    if (!unit)
        return false;
    if (!gt_agent_unit_write(unit, &head, to->slot)) {
        gt_agent_stop(errno);
        return false;
    }
    copies <<= 2;
    __atomic_store_n(&self->header->copies, copies | (stream + 1), __ATOMIC_RELEASE);
    empty_slot(to);
    __atomic_store_n(&self->header->copies, copies, __ATOMIC_RELEASE);
    self->turn++;
    return true;
}

char *gt_agent_reserve_slow(struct gt_agent_thread *self, enum gt_wire_stream stream,
                            size_t bytes)
{
    struct gt_agent_stream *to = &self->streams[stream];
    int error = errno;
    bool room = true;

    while (room && (size_t)(to->end - to->next) < bytes) {
        if (!gt_agent.recording)
            room = false;
        else if (!to->slot)
            room = gt_agent_new_slot(self, stream);
        else if (to->end < to->slot + GT_WIRE_CHUNK_BYTES)
            room = complete_slot(self, stream);
        else
            room = copy_slot(self, stream);
    }
    errno = error;
    if (!room && self->header)
        self->header->dropped++;
    return room ? to->next : NULL;
}

bool gt_agent_put_base(struct gt_agent_thread *self, uint64_t ticks)
{
    struct gt_agent_stream *to = &self->streams[GT_WIRE_STREAM_CALLS];
    uint32_t turn = self->turn;

    /* Room for the base and for what comes after it, so that they are in one chunk. */
    if (!gt_agent_reserve_slow(self, GT_WIRE_STREAM_CALLS, 2 * sizeof(uint64_t)))
        return false;
    if (turn == self->turn && ticks >> GT_WIRE_TICK_BITS == self->calls_base)
        return true; /* only what was allocated of the slot was full */
    *(uint64_t *)(void *)to->next = (uint64_t)GT_WIRE_BASE << 60 | (ticks & GT_WIRE_BASE_TICKS);
    to->next += sizeof(uint64_t);
    self->calls_base = ticks >> GT_WIRE_TICK_BITS;
    return true;
}

void gt_agent_note(struct gt_agent_thread *self, const struct gt_wire_note *note,
                   const char *name, size_t name_length, const char *file, size_t file_length)
{
    struct gt_agent_stream *to = &self->streams[GT_WIRE_STREAM_NOTES];
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

void gt_agent_say(const char *text)
{
    struct gt_agent_thread *self = gt_agent_enter();

    if (!self)
        return;
    gt_agent_message(self, text);
    gt_agent_leave(self);
}

static uint32_t usable_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) ? 0 : (uint32_t)CPU_COUNT(&set);
}

static int map_control(void)
{
    size_t size = (sizeof(*gt_agent.control) + GT_WIRE_CHUNK_BYTES - 1) &
                  ~(size_t)(GT_WIRE_CHUNK_BYTES - 1);
    int fd = gt_agent_open_file(GT_WIRE_CONTROL_NAME, O_CREAT);
    struct gt_wire_control *control = MAP_FAILED;

    if (fd >= 0 && gt_agent_allocate(fd, 0, size))
        control = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        gt_agent_close_file(fd);
    if (control == MAP_FAILED)
        return -1;
    control->version = GT_WIRE_VERSION;
    if (!control->cpus)
        control->cpus = usable_cpus();
    __atomic_store_n(&control->magic, GT_WIRE_MAGIC_CONTROL, __ATOMIC_RELEASE);
    gt_agent.control = control;
    return 0;
}

/* Logs go only where nobody else can put a link or read them. */
static bool folder_is_private(const char *path)
{
    struct stat st;

    errno = 0;
    return path[0] == '/' && strlen(path) < sizeof(gt_agent.dir) && !lstat(path, &st) &&
           S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

void gt_agent_note_unseen(void)
{
    if (!folder_is_private(gt_agent.dir))
        note_stop(gt_agent.control, gt_agent_ticks_ordered(), errno ? errno : EACCES);
}

/* The newest of this pid's that names no process that there was. */
void gt_agent_forget_unseen(void)
{
    struct gt_wire_control *control = gt_agent.control;
    uint32_t count = control->stop_count < GT_WIRE_STOPS ? control->stop_count : GT_WIRE_STOPS;

    while (count-- > 0)
        if (control->stops[count].pid == gt_agent.pid &&
            control->stops[count].process_ticks != gt_agent.process_ticks) {
            __atomic_store_n(&control->stops[count].ticks, 0, __ATOMIC_RELEASE);
            return;
        }
}

void gt_agent_log_init(void)
{
    const char *dir = secure_getenv(GT_AGENT_ENV_DIR);
    const char *max = secure_getenv(GT_AGENT_ENV_MAX_BYTES);
    ssize_t length;
    int error = errno;

    if (!dir || !folder_is_private(dir)) {
        errno = error;
        return;
    }
    strcpy(gt_agent.dir, dir);
    gt_agent.max_bytes = max ? strtoull(max, NULL, 10) : UINT64_C(2) << 30;
    gt_agent.pid = getpid();
    gt_agent.parent_pid = gt_agent.parent_tid = getppid();
    length = readlink("/proc/self/exe", gt_agent.program, sizeof(gt_agent.program) - 1);
    if (length < 0)
        gt_agent.program[0] = '\0';
    if (!map_control()) {
        gt_agent_clock_init(gt_agent.control);
        if (gt_agent_threads_init()) {
            gt_agent_trouble("no thread key is free, or forks cannot be watched", 0);
        } else if (!gt_agent_units_init()) {
            gt_agent_trouble("cannot open the agent's log", errno);
        } else {
            gt_agent.process_ticks = gt_agent_ticks_ordered();
            gt_agent_clock_anchor(gt_agent.control);
            gt_agent.recording = true;
        }
    }
    errno = error;
}
