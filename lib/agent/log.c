#include "agent/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct gt_agent gt_agent;

enum { DATA_OFFSET = 16, FIRST_DATA_OFFSET = 512, WINDOW_BYTES = 64 * 1024 };

_Static_assert(sizeof(struct gt_wire_chunk) == DATA_OFFSET, "records must stay aligned");
_Static_assert(sizeof(struct gt_wire_chunk) + sizeof(struct gt_wire_thread) <=
                   FIRST_DATA_OFFSET,
               "the header must fit before the first record");
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

/* Space first, mapping second: a write to a mapped hole on a full disk would be SIGBUS. */
static int allocate(int fd, uint64_t offset, size_t size)
{
    static const char zeros[4096];

    if (!fallocate(fd, 0, (off_t)offset, (off_t)size))
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    for (size_t done = 0; done < size; done += sizeof(zeros))
        if (pwrite(fd, zeros, sizeof(zeros), (off_t)(offset + done)) != sizeof(zeros))
            return -1;
    return 0;
}

/* Map `size` new bytes at the end of a file of ours; NULL with errno. */
static void *map_new(const char *name, int flags, uint64_t offset, size_t size)
{
    char path[GT_WIRE_PATH_SIZE + sizeof(((struct gt_agent_thread *)0)->name) + 1];
    void *memory = MAP_FAILED;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", gt_agent.dir, name);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return NULL;
    if (!allocate(fd, offset, size))
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (memory == MAP_FAILED) {
        int error = errno;

        close(fd);
        errno = error;
        return NULL;
    }
    close(fd);
    return memory;
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

/* Page faults are dear (10 µs and more in a VM, for 256 records): have the kernel prepare a
 * window of pages in one call, before Linux 5.14 they are faulted in one by one. Windows are
 * small so that nobody waits long for one. */
static void populate(char *window)
{
    madvise(window, WINDOW_BYTES, MADV_POPULATE_WRITE);
}

/* The next window of the stream's chunk; false when that was the last. */
static bool next_window(struct gt_agent_stream *to)
{
    if (!to->chunk || to->end == to->chunk + ((struct gt_wire_chunk *)(void *)to->chunk)->size)
        return false;
    populate(to->end);
    to->end += WINDOW_BYTES;
    return true;
}

bool gt_agent_new_chunk(struct gt_agent_thread *self, enum gt_wire_stream stream)
{
    struct gt_agent_stream *to = &self->streams[stream];
    bool first_of_file = self->file_bytes == 0;
    uint32_t size = GT_WIRE_CHUNK_MIN;
    struct gt_wire_chunk *chunk;

    if (to->chunk)
        size = ((struct gt_wire_chunk *)(void *)to->chunk)->size * 2;
    if (size > GT_WIRE_CHUNK_MAX)
        size = GT_WIRE_CHUNK_MAX;
    if (!take_bytes(size))
        return false;
    chunk = map_new(self->name, first_of_file ? O_CREAT | O_EXCL : 0, self->file_bytes, size);
    if (!chunk) {
        gt_agent_trouble("cannot extend the agent's log, recording ends here", errno);
        return false;
    }
    if (gt_agent.wipe_on_fork) /* children must not see, nor keep, what is not theirs */
        madvise(chunk, size, MADV_DONTFORK);
    /* Chunk 0 stays mapped: the thread's header is in it. */
    if (to->chunk && to->chunk + sizeof(*chunk) != (char *)self->header)
        munmap(to->chunk, ((struct gt_wire_chunk *)(void *)to->chunk)->size);
    chunk->stream = stream;
    chunk->size = size;
    chunk->data_offset = first_of_file ? FIRST_DATA_OFFSET : DATA_OFFSET;
    __atomic_store_n(&chunk->magic, GT_WIRE_MAGIC_CHUNK, __ATOMIC_RELEASE);
    to->chunk = (char *)chunk;
    to->next = to->chunk + chunk->data_offset;
    to->end = to->chunk + GT_WIRE_CHUNK_MIN;
    if (size > GT_WIRE_CHUNK_MIN) /* a thread of few events does not need it all at once */
        populate(to->chunk);
    self->file_bytes += size;
    self->chunks++;
    return true;
}

char *gt_agent_reserve_slow(struct gt_agent_thread *self, enum gt_wire_stream stream,
                            size_t bytes)
{
    struct gt_agent_stream *to = &self->streams[stream];
    int error = errno;
    bool room = (size_t)(to->end - to->next) >= bytes;

    if (!room)
        room = next_window(to);
    if (!room)
        room = gt_agent.recording && gt_agent_new_chunk(self, stream);
    errno = error;
    if (!room && self->header)
        self->header->dropped++;
    return room ? to->next : NULL;
}

bool gt_agent_put_base(struct gt_agent_thread *self, uint64_t ticks)
{
    struct gt_agent_stream *to = &self->streams[GT_WIRE_STREAM_CALLS];
    uint32_t chunks = self->chunks;

    /* Room for the base and for what comes after it, so that they are in one chunk. */
    if (!gt_agent_reserve_slow(self, GT_WIRE_STREAM_CALLS, 2 * sizeof(uint64_t)))
        return false;
    if (chunks == self->chunks && ticks >> GT_WIRE_TICK_BITS == self->calls_base)
        return true; /* only the window was full */
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

static int map_control(void)
{
    size_t size =
        (sizeof(*gt_agent.control) + GT_WIRE_CHUNK_MIN - 1) & ~(size_t)(GT_WIRE_CHUNK_MIN - 1);
    struct gt_wire_control *control = map_new(GT_WIRE_CONTROL_NAME, O_CREAT, 0, size);

    if (!control)
        return -1;
    control->version = GT_WIRE_VERSION;
    __atomic_store_n(&control->magic, GT_WIRE_MAGIC_CONTROL, __ATOMIC_RELEASE);
    gt_agent.control = control;
    return 0;
}

/* Logs go only where nobody else can put a link or read them. */
static bool folder_is_private(const char *path)
{
    struct stat st;

    return path[0] == '/' && strlen(path) < sizeof(gt_agent.dir) && !lstat(path, &st) &&
           S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
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
        if (gt_agent_clock_init(gt_agent.control) || gt_agent_threads_init()) {
            gt_agent_trouble(
                "cannot use the clock, or thread keys, of the run's other processes", 0);
        } else {
            gt_agent.process_ticks = gt_agent_ticks_ordered();
            gt_agent_clock_anchor(gt_agent.control);
            gt_agent.recording = true;
        }
    }
    errno = error;
}
