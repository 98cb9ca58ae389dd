/* SPDX-License-Identifier: MIT */
#include "ingest/semaphores.h"

#include "base/error.h"
#include "event/python_file.h"

#include <string.h>

enum { MAPPINGS_MAX = 64 }; /* of a process; a program may map files without end */

/* Code of interest in one process. */
struct mapping {
    uint64_t start, end;
    enum { PYTHON, QUEUE } of;
};

void gt_semaphores_init(struct gt_semaphores *semaphores, const char *python)
{
    *semaphores = (struct gt_semaphores){.python = python};
    gt_chunks_init(&semaphores->images, sizeof(struct gt_chunks));
    gt_hashmap_init(&semaphores->of_pid);
    gt_hashmap_init(&semaphores->waited);
}

void gt_semaphores_release(struct gt_semaphores *semaphores)
{
    for (size_t i = 0; i < semaphores->images.count; i++)
        gt_chunks_release(gt_chunks_at(&semaphores->images, i));
    gt_chunks_release(&semaphores->images);
    gt_hashmap_release(&semaphores->of_pid);
    gt_hashmap_release(&semaphores->waited);
}

/* NULL: nothing is known of it. */
static struct gt_chunks *find_image(const struct gt_semaphores *semaphores, int32_t pid)
{
    uint32_t index = gt_hashmap_get(&semaphores->of_pid, (uint32_t)pid);

    return index == GT_HASHMAP_NONE ? NULL : gt_chunks_at(&semaphores->images, index);
}

/* NULL: no memory. */
static struct gt_chunks *make_image(struct gt_semaphores *semaphores, int32_t pid)
{
    struct gt_chunks *image = find_image(semaphores, pid);

    if (image)
        return image;
    image = gt_chunks_push(&semaphores->images);
    if (!image)
        return NULL;
    gt_chunks_init(image, sizeof(struct mapping));
    return gt_hashmap_put(&semaphores->of_pid, (uint32_t)pid,
                          (uint32_t)semaphores->images.count - 1)
               ? NULL
               : image;
}

static void forget(struct gt_chunks *image)
{
    gt_chunks_release(image);
    gt_chunks_init(image, sizeof(struct mapping));
}

/* The module with SimpleQueue, "_queue.cpython-311-x86_64-linux-gnu.so". */
static bool is_queue_module(const char *path, size_t length)
{
    static const char name[] = "/_queue.";

    return memmem(path, length, name, sizeof(name) - 1);
}

/* What was there is covered. */
static void cover(struct gt_chunks *image, uint64_t start, uint64_t end)
{
    size_t left = 0;

    for (size_t i = 0; i < image->count; i++) {
        const struct mapping *mapping = gt_chunks_at(image, i);

        if (mapping->start < end && mapping->end > start)
            continue;
        *(struct mapping *)gt_chunks_at(image, left++) = *mapping;
    }
    gt_chunks_truncate(image, left);
}

static int add_mapping(struct gt_semaphores *semaphores, const struct gt_event *event)
{
    const char *path = event->mapping.path;
    size_t length = event->mapping.path_length;
    struct gt_chunks *image = make_image(semaphores, event->pid);
    uint64_t start = event->mapping.address;
    uint64_t end = event->mapping.pages == UINT16_MAX
                       ? UINT64_MAX
                       : start + event->mapping.pages * UINT64_C(4096);
    bool python = gt_is_python_file(path, length) ||
                  (semaphores->python && strlen(semaphores->python) == length &&
                   memcmp(semaphores->python, path, length) == 0);
    struct mapping *mapping;

    if (!image)
        return GT_ERR_MEMORY;
    cover(image, start, end);
    if ((!python && !is_queue_module(path, length)) || image->count == MAPPINGS_MAX)
        return 0;
    mapping = gt_chunks_push(image);
    if (!mapping)
        return GT_ERR_MEMORY;
    *mapping = (struct mapping){start, end, python ? PYTHON : QUEUE};
    return 0;
}

/* A fork keeps its mappings. */
static int inherit(struct gt_semaphores *semaphores, const struct gt_event *event)
{
    struct gt_chunks *image, *from;

    if (event->pid == event->creator.pid || event->pid <= 0)
        return 0; /* a thread */
    image = make_image(semaphores, event->pid);
    if (!image)
        return GT_ERR_MEMORY;
    forget(image);
    from = find_image(semaphores, event->creator.pid);
    for (size_t i = 0; from && i < from->count; i++) {
        struct mapping *mapping = gt_chunks_push(image);

        if (!mapping)
            return GT_ERR_MEMORY;
        *mapping = *(const struct mapping *)gt_chunks_at(from, i);
    }
    return 0;
}

/* What the event tells of what a process maps. 0 or GT_ERR_MEMORY. */
static int note(struct gt_semaphores *semaphores, const struct gt_event *event)
{
    struct gt_chunks *image;

    switch (event->kind) {
    case GT_EVENT_MMAP:
        return event->pid > 0 ? add_mapping(semaphores, event) : 0;
    case GT_EVENT_FORK:
        return inherit(semaphores, event);
    case GT_EVENT_EXEC:
        image = find_image(semaphores, event->pid);
        if (image)
            forget(image);
        return 0;
    default:
        return 0;
    }
}

static bool is_in(const struct gt_chunks *image, uint64_t address, int of)
{
    for (size_t i = 0; image && i < image->count; i++) {
        const struct mapping *mapping = gt_chunks_at(image, i);

        if (address >= mapping->start && address < mapping->end)
            return (int)mapping->of == of;
    }
    return false;
}

/* Is it a wait for what may be a lock? The interpreter calls for it; but up to 3.12, it does so
 * for a SimpleQueue, too, which parks later on. */
static bool is_for_lock(const struct gt_semaphores *semaphores, const struct gt_event *event)
{
    const struct gt_chunks *image = find_image(semaphores, event->pid);

    if (!is_in(image, event->sync.callers[0], PYTHON))
        return false;
    for (int i = 1; i < GT_CALLERS && event->sync.left == GT_WAIT_FOR_SEMAPHORE; i++)
        if (event->sync.callers[i] && is_in(image, event->sync.callers[i], QUEUE))
            return false;
    return true;
}

/* Addresses have less than 48 bits; a collision of two lets one event more be fed. */
static uint64_t key_of(const struct gt_event *event)
{
    return (uint64_t)(uint32_t)event->pid << 40 ^ event->sync.object;
}

/* As gt_semaphores_filter. */
static int take(struct gt_semaphores *semaphores, struct gt_event *event)
{
    bool waits = event->kind == GT_EVENT_SEM_WAITS;
    uint32_t waited;

    if (event->kind == GT_EVENT_SEM_RETURN)
        return 1; /* it ends what was fed, if anything */
    if (waits && !is_for_lock(semaphores, event))
        return 0;
    if (waits)
        event->sync.since_ns = GT_NOT_SEEN;
    if (waits && event->sync.left != GT_WAIT_FOR_SEMAPHORE)
        return 1; /* a thread's own, which is made for each wait */
    waited = gt_hashmap_get(&semaphores->waited, key_of(event));
    if (waits || (event->kind == GT_EVENT_SEM_NEW && waited == 1)) {
        if (gt_hashmap_put(&semaphores->waited, key_of(event), waits))
            return GT_ERR_MEMORY;
        return 1;
    }
    return event->kind == GT_EVENT_SEM_POST;
}

int gt_semaphores_filter(struct gt_semaphores *semaphores, const struct gt_event **event,
                         struct gt_event *copy)
{
    int rc;

    if (gt_event_group((*event)->kind) != GT_EVENTS_SYNC) {
        rc = note(semaphores, *event);
        return rc < 0 ? rc : 1;
    }
    *copy = **event;
    *event = copy;
    semaphores->hits++;
    return take(semaphores, copy);
}
