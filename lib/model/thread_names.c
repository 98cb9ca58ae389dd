/* SPDX-License-Identifier: MIT */
/*
 * What threads are called. There are two names: the kernel's (comm, 15 bytes, inherited from
 * the creator) and the one that Python's threading knows. Shown is, in this order:
 *
 *     1. threading's, when the program gave it
 *     2. the kernel's, when the thread got one of its own
 *     3. threading's, when threading made it up ("Thread-1 (work)")
 *     4. "main", or "thread N"
 */
#include "model/builder.h"

#include <stdio.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 64,
    COMMAND_MAX_BYTES = 1024,
    NAMES_MAX = 1 << 16, /* a program that renames its threads for ever */
    COMM_BYTES = 15,     /* what the kernel keeps of a name */
};

struct name {
    const char *text;
    size_t length;
};

static struct name name_of(const struct gt_timeline *timeline, uint32_t id)
{
    return (struct name){gt_intern_text(&timeline->names, id),
                         gt_intern_length(&timeline->names, id)};
}

/* perf pads names, and programs do: blanks around them are nobody's to tell threads apart by.
 */
static struct name trimmed(const char *text, size_t length)
{
    while (length && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return (struct name){text, length};
}

/* Names are the target's to choose: both their length and their number are bounded. Too many
 * leave `*name` as it is. 0 or -1. */
int gt_name_intern(struct gt_timeline *timeline, const char *text, uint32_t length,
                   uint32_t *name)
{
    struct name cut = trimmed(text, length);
    uint32_t id;

    if (gt_intern_count(&timeline->names) >= NAMES_MAX)
        return 0;
    cut = trimmed(cut.text, cut.length < NAME_MAX_BYTES ? cut.length : NAME_MAX_BYTES);
    id = gt_intern_add(&timeline->names, cut.text, cut.length);
    if (id == UINT32_MAX)
        return -1;
    *name = id;
    return 0;
}

int gt_name_of_process(struct gt_timeline *timeline, uint32_t index,
                       const struct gt_event *event)
{
    struct gt_process *process = gt_process_mutable(timeline, index);
    uint32_t length = event->new_name.length;
    uint32_t id;

    if (gt_intern_count(&timeline->names) >= NAMES_MAX)
        return 0;
    id = gt_intern_add(&timeline->names, event->new_name.text,
                       length < COMMAND_MAX_BYTES ? length : COMMAND_MAX_BYTES);
    if (id == UINT32_MAX)
        return -1;
    if (event->new_name.is_command)
        process->command = id;
    else
        process->role = id;
    return 0;
}

/* Of a path its end tells more than its beginning. */
int gt_name_of_file(struct gt_timeline *timeline, const struct gt_event *event, uint32_t *name)
{
    enum { PATH_MAX_BYTES = 256 };
    uint32_t path_length = event->mapping.path_length;
    uint32_t length = path_length < PATH_MAX_BYTES ? path_length : PATH_MAX_BYTES;
    uint32_t id;

    if (gt_intern_count(&timeline->names) >= NAMES_MAX)
        return 0;
    id = gt_intern_add(&timeline->names, event->mapping.path + path_length - length, length);
    if (id == UINT32_MAX)
        return -1;
    *name = id;
    return 0;
}

void gt_name_from_comm(struct gt_timeline *timeline, uint32_t index, uint32_t comm)
{
    struct gt_thread *thread = gt_thread_mutable(timeline, index);
    struct gt_process *process = gt_process_mutable(timeline, thread->process);
    struct gt_process_state *state = gt_process_state_at(timeline, thread->process);
    uint32_t before = thread->comm;

    thread->comm = comm;
    if (process->name == 0 || (state->name_is_threads && thread->flags & GT_THREAD_MAIN)) {
        process->name = thread->comm;
        state->name_is_threads = !(thread->flags & GT_THREAD_MAIN);
    }
    if ((before && thread->comm != before) ||
        (state->name_is_threads && !(thread->flags & GT_THREAD_MAIN)))
        thread->flags |= GT_THREAD_OWN_COMM;
}

static int set_comm(struct gt_timeline *timeline, uint32_t index, const char *text,
                    uint32_t length)
{
    uint32_t comm = gt_thread_at(timeline, index)->comm;

    if (gt_name_intern(timeline, text, length, &comm))
        return -1;
    gt_name_from_comm(timeline, index, comm);
    return 0;
}

int gt_name_from_event(struct gt_timeline *timeline, uint32_t index,
                       const struct gt_event *event)
{
    if (event->new_name.is_command || event->new_name.is_role)
        return gt_name_of_process(timeline, gt_thread_at(timeline, index)->process, event);
    if (event->new_name.by_threading)
        return gt_name_intern(timeline, event->new_name.text, event->new_name.length,
                              &gt_thread_mutable(timeline, index)->python_name);
    return set_comm(timeline, index, event->new_name.text, event->new_name.length);
}

int gt_name_from_line(struct gt_timeline *timeline, uint32_t index,
                      const struct gt_event *event)
{
    struct name comm = name_of(timeline, gt_thread_at(timeline, index)->comm);
    struct name seen = {event->comm, event->comm_length};

    if (seen.length == 0 ||
        (comm.length == seen.length && memcmp(comm.text, seen.text, comm.length) == 0))
        return 0; /* as a rule */
    seen = trimmed(event->comm, event->comm_length);
    if (seen.length == 0 || seen.text[0] == ':' ||
        (comm.length == seen.length && memcmp(comm.text, seen.text, comm.length) == 0))
        return 0;
    return set_comm(timeline, index, seen.text, (uint32_t)seen.length);
}

int gt_name_from_exec(struct gt_timeline *timeline, uint32_t index,
                      const struct gt_event *event)
{
    struct gt_thread *thread = gt_thread_mutable(timeline, index);
    struct gt_process *process = gt_process_mutable(timeline, thread->process);

    if (gt_name_intern(timeline, event->new_name.text, event->new_name.length, &process->name))
        return -1;
    gt_process_state_at(timeline, thread->process)->name_is_threads = false;
    thread->comm = process->name;
    thread->python_name = 0;
    thread->flags &= ~(uint32_t)GT_THREAD_OWN_COMM;
    return 0;
}

void gt_name_from_creator(struct gt_timeline *timeline, uint32_t index, int32_t creator_tid)
{
    uint32_t creator = creator_tid > 0 ? gt_hashmap_get(&gt_builder_of(timeline)->thread_of,
                                                        (uint32_t)creator_tid)
                                       : GT_HASHMAP_NONE;

    if (creator != GT_HASHMAP_NONE && gt_thread_at(timeline, creator)->comm)
        gt_thread_mutable(timeline, index)->comm = gt_thread_at(timeline, creator)->comm;
}

static size_t digits(struct name name, size_t at)
{
    size_t start = at;

    while (at < name.length && name.text[at] >= '0' && name.text[at] <= '9')
        at++;
    return at - start;
}

/* Made up by threading or concurrent.futures: PREFIX-1, PREFIX-1 (function), PREFIX-1_2. */
static bool is_made_up(struct name name)
{
    static const char *const prefixes[] = {"Thread-", "Dummy-", "ThreadPoolExecutor-"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t at = strlen(prefixes[i]);
        size_t number;

        if (name.length <= at || memcmp(name.text, prefixes[i], at) != 0)
            continue;
        number = digits(name, at);
        at += number;
        if (!number)
            return false;
        /* The function's name may have been cut. */
        return at == name.length || memcmp(name.text + at, " (", 2) == 0 ||
               (name.text[at] == '_' && at + 1 + digits(name, at + 1) == name.length);
    }
    return false;
}

/* CPython 3.14 and later tell the kernel what threading made up. */
static bool is_beginning_of(struct name comm, struct name python)
{
    return comm.length <= python.length && memcmp(comm.text, python.text, comm.length) == 0 &&
           (comm.length == python.length || comm.length == COMM_BYTES ||
            (comm.length + 1 == COMM_BYTES && python.text[comm.length] == ' '));
}

size_t gt_timeline_thread_label(const struct gt_timeline *timeline, uint32_t index, char *text,
                                size_t size)
{
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    struct name comm = name_of(timeline, thread->comm);
    struct name name = name_of(timeline, thread->python_name);
    bool comm_is_own = thread->flags & GT_THREAD_OWN_COMM && comm.length &&
                       thread->comm != gt_process_at(timeline, thread->process)->name;

    if (comm_is_own && (!name.length || (is_made_up(name) && !is_beginning_of(comm, name))))
        name = comm;
    if (name.length) {
        size_t copied = name.length < size ? name.length : size - 1;

        while (copied < name.length && copied &&
               ((unsigned char)name.text[copied] & 0xc0) == 0x80)
            copied--; /* no half of a letter */
        memcpy(text, name.text, copied);
        text[copied] = '\0';
        return copied;
    }
    if (thread->flags & GT_THREAD_MAIN)
        return (size_t)snprintf(text, size, "main");
    return (size_t)snprintf(text, size, "thread %u", thread->number);
}

int gt_names_finish(struct gt_timeline *timeline)
{
    struct gt_hashmap first; /* process, label → the first thread of that name */
    struct gt_intern labels;
    int rc = 0;

    gt_hashmap_init(&first);
    gt_intern_init(&labels);
    for (uint32_t i = 0; rc == 0 && i < timeline->threads.count; i++) {
        struct gt_thread *thread = gt_thread_mutable(timeline, i);
        char label[NAME_MAX_BYTES]; /* as long as it is shown */
        size_t length = gt_timeline_thread_label(timeline, i, label, sizeof(label));
        uint32_t id = gt_intern_add(&labels, label, length), other;
        uint64_t key = (uint64_t)thread->process << 32 | id;

        other = id == UINT32_MAX ? GT_HASHMAP_NONE : gt_hashmap_get(&first, key);
        if (other != GT_HASHMAP_NONE) {
            thread->flags |= GT_THREAD_NAMESAKE;
            gt_thread_mutable(timeline, other)->flags |= GT_THREAD_NAMESAKE;
        } else {
            rc = id == UINT32_MAX ? -1 : gt_hashmap_put(&first, key, i);
        }
    }
    gt_hashmap_release(&first);
    gt_intern_release(&labels);
    return rc;
}
