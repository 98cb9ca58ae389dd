/* SPDX-License-Identifier: MIT */
#include "event/lives.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

struct mapping {
    uint64_t address, offset, inode;
    uint32_t device;
    char *path;
};

struct gt_life {
    int32_t pid, tid;
    bool ended;
    uint32_t name_length;
    char name[NAME_MAX_BYTES];
    char *command; /* of a main thread: its command line, arguments end with NUL; NULL: none */
    uint32_t command_length;
    struct mapping *mappings; /* of a main thread: those of its process */
    size_t mapping_count;
};

void gt_lives_init(struct gt_lives *lives)
{
    memset(lives, 0, sizeof(*lives));
    gt_hashmap_init(&lives->of_tid);
}

static void forget_program(struct gt_life *life)
{
    free(life->command);
    life->command = NULL;
    life->command_length = 0;
    for (size_t i = 0; i < life->mapping_count; i++)
        free(life->mappings[i].path);
    free(life->mappings);
    life->mappings = NULL;
    life->mapping_count = 0;
}

void gt_lives_release(struct gt_lives *lives)
{
    for (size_t i = 0; i < lives->count; i++)
        forget_program(&lives->list[i]);
    free(lives->list);
    gt_hashmap_release(&lives->of_tid);
    gt_lives_init(lives);
}

static struct gt_life *find(const struct gt_lives *lives, int32_t tid)
{
    uint32_t index = gt_hashmap_get(&lives->of_tid, (uint32_t)tid);
    struct gt_life *life = index == GT_HASHMAP_NONE ? NULL : &lives->list[index];

    return life && !life->ended ? life : NULL;
}

bool gt_lives_has(const struct gt_lives *lives, int32_t pid)
{
    return find(lives, pid) != NULL;
}

static void end(struct gt_lives *lives, int32_t tid)
{
    struct gt_life *life = find(lives, tid);

    if (!life)
        return;
    forget_program(life);
    life->ended = true;
    lives->ended++;
}

/* Nothing can be deleted from a hash map: it is made anew when most of it is of no use. */
static int make_room(struct gt_lives *lives)
{
    struct gt_life *grown;
    size_t kept = 0;

    if (lives->count < lives->capacity)
        return 0;
    if (lives->ended * 2 < lives->count || !lives->count) {
        size_t capacity = lives->capacity ? lives->capacity * 2 : 64;

        grown = reallocarray(lives->list, capacity, sizeof(*grown));
        if (!grown)
            return -1;
        lives->list = grown;
        lives->capacity = capacity;
        return 0;
    }
    gt_hashmap_release(&lives->of_tid);
    gt_hashmap_init(&lives->of_tid);
    for (size_t i = 0; i < lives->count; i++)
        if (!lives->list[i].ended)
            lives->list[kept++] = lives->list[i];
    lives->count = kept;
    lives->ended = 0;
    for (size_t i = 0; i < kept; i++)
        if (gt_hashmap_put(&lives->of_tid, (uint32_t)lives->list[i].tid, (uint32_t)i))
            return -1;
    return 0;
}

/* The thread's entry, made where there is none. NULL: there are too many, or no memory, and
 * then `*failed` is set. */
static struct gt_life *get(struct gt_lives *lives, int32_t pid, int32_t tid, int *failed)
{
    struct gt_life *life = find(lives, tid);

    if (life && life->pid == pid)
        return life;
    end(lives, tid); /* the number is another thread's by now */
    if (lives->count - lives->ended >= GT_LIVES_MAX)
        return NULL;
    if (make_room(lives) ||
        gt_hashmap_put(&lives->of_tid, (uint32_t)tid, (uint32_t)lives->count)) {
        *failed = -1;
        return NULL;
    }
    life = &lives->list[lives->count++];
    *life = (struct gt_life){.pid = pid, .tid = tid};
    return life;
}

static void set_name(struct gt_life *life, const char *text, size_t length)
{
    life->name_length = (uint32_t)(length < sizeof(life->name) ? length : sizeof(life->name));
    memcpy(life->name, text, life->name_length);
}

static int add_mapping(struct gt_life *life, const struct mapping *from, const char *path,
                       size_t length)
{
    struct mapping *grown;

    if (life->mapping_count == GT_LIFE_MAPPINGS_MAX)
        return 0;
    grown = reallocarray(life->mappings, life->mapping_count + 1, sizeof(*grown));
    if (!grown)
        return -1;
    life->mappings = grown;
    grown[life->mapping_count] = *from;
    grown[life->mapping_count].path = strndup(path, length);
    if (!grown[life->mapping_count].path)
        return -1;
    life->mapping_count++;
    return 0;
}

static int set_command(struct gt_life *life, const char *text, size_t length)
{
    char *copy = malloc(GT_LIFE_COMMAND_MAX);

    if (!copy)
        return -1;
    free(life->command);
    life->command = copy;
    life->command_length =
        (uint32_t)(length < GT_LIFE_COMMAND_MAX ? length : GT_LIFE_COMMAND_MAX);
    memcpy(copy, text, life->command_length);
    return 0;
}

static int forked(struct gt_lives *lives, const struct gt_event *event)
{
    const struct gt_life *parent;
    struct gt_life *life;
    int failed = 0;

    end(lives, event->tid);
    life = get(lives, event->pid, event->tid, &failed);
    if (!life)
        return failed;
    parent = find(lives, event->creator.tid);
    if (parent)
        set_name(life, parent->name, parent->name_length);
    parent = find(lives, event->creator.pid);
    if (event->pid != event->tid || !parent || parent == life)
        return 0;
    if (parent->command)
        failed = set_command(life, parent->command, parent->command_length);
    for (size_t i = 0; i < parent->mapping_count && !failed; i++)
        failed = add_mapping(life, &parent->mappings[i], parent->mappings[i].path,
                             strlen(parent->mappings[i].path));
    return failed;
}

static int named(struct gt_lives *lives, const struct gt_event *event)
{
    struct gt_life *life;
    int failed = 0;

    if (event->new_name.is_role || event->new_name.by_threading)
        return 0;
    life = get(lives, event->pid, event->tid, &failed);
    if (!life)
        return failed;
    if (event->new_name.is_command)
        return set_command(life, event->new_name.text, event->new_name.length);
    if (event->kind == GT_EVENT_EXEC)
        forget_program(life);
    set_name(life, event->new_name.text, event->new_name.length);
    return 0;
}

/* An interpreter, its library, or libc: all that the model asks of mappings. */
static bool is_wanted(const struct gt_lives *lives, const char *path, size_t length)
{
    static const char *const names[] = {"python", "libpython", "libc.so.", "libc-2.",
                                        "ld-musl-"};
    const char *slash = memrchr(path, '/', length);
    size_t start = slash ? (size_t)(slash + 1 - path) : 0;

    if (lives->runtime_path && strlen(lives->runtime_path) == length &&
        memcmp(path, lives->runtime_path, length) == 0)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (length - start >= strlen(names[i]) &&
            memcmp(path + start, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int mapped(struct gt_lives *lives, const struct gt_event *event)
{
    const struct mapping mapping = {event->mapping.address, event->mapping.offset,
                                    event->mapping.inode, event->mapping.device, NULL};
    struct gt_life *life;
    int failed = 0;

    if (event->mapping.path_length > GT_LIFE_PATH_MAX ||
        !is_wanted(lives, event->mapping.path, event->mapping.path_length))
        return 0;
    life = get(lives, event->pid, event->pid, &failed);
    return life ? add_mapping(life, &mapping, event->mapping.path, event->mapping.path_length)
                : failed;
}

int gt_lives_note(struct gt_lives *lives, const struct gt_event *event)
{
    if (event->pid <= 0)
        return 0;
    if (event->kind == GT_EVENT_MMAP)
        return mapped(lives, event);
    if (event->tid <= 0)
        return 0;
    switch (event->kind) {
    case GT_EVENT_FORK:
        return forked(lives, event);
    case GT_EVENT_EXIT:
        end(lives, event->tid);
        return 0;
    case GT_EVENT_EXEC:
    case GT_EVENT_COMM:
        return named(lives, event);
    default:
        return 0;
    }
}

static int tell_one(const struct gt_life *life,
                    int (*take)(void *context, const struct gt_event *event), void *context)
{
    struct gt_event event = {
        .kind = GT_EVENT_COMM,
        .cpu = -1,
        .pid = life->pid,
        .tid = life->tid,
        .new_name = {.text = life->name, .length = life->name_length},
    };
    int rc = take(context, &event);

    if (life->command && rc >= 0) {
        event.new_name.text = life->command;
        event.new_name.length = life->command_length;
        event.new_name.is_command = true;
        rc = take(context, &event);
    }
    for (size_t i = 0; i < life->mapping_count && rc >= 0; i++) {
        const struct mapping *mapping = &life->mappings[i];

        event = (struct gt_event){
            .kind = GT_EVENT_MMAP,
            .cpu = -1,
            .pid = life->pid,
            .tid = life->tid,
            .mapping = {.address = mapping->address,
                        .offset = mapping->offset,
                        .inode = mapping->inode,
                        .device = mapping->device,
                        .path = mapping->path,
                        .path_length = (uint16_t)strlen(mapping->path)},
        };
        rc = take(context, &event);
    }
    return rc;
}

int gt_lives_tell(const struct gt_lives *lives,
                  int (*take)(void *context, const struct gt_event *event), void *context)
{
    int rc = 0;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < lives->count && rc >= 0; i++) {
            const struct gt_life *life = &lives->list[i];

            if (!life->ended && (life->pid == life->tid) == (pass == 0))
                rc = tell_one(life, take, context);
        }
    return rc < 0 ? rc : 0;
}
