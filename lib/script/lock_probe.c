/* SPDX-License-Identifier: MIT */
#include "script/lock_probe.h"

#include "script/text.h"

#include <stdio.h>
#include <string.h>

const char *const gt_lock_value_names[GT_LOCK_VALUES] = {
    "sem",    "sp",     "value",  "shared", "caller", "lock",   "arg",   "bits",   "oflags",
    "ometa",  "oname0", "oname1", "oname2", "oname3", "wflags", "wmeta", "wname0", "wname1",
    "wname2", "wname3", "s0",     "s1",     "s2",     "s3",     "s4",    "s5",     "s6",
    "s7",     "s8",     "s9",     "s10",    "s11",    "s12",    "s13",   "s14",    "s15",
    "s16",    "s17",    "s18",    "s19",    "s20",    "s21",    "s22",   "s23",
};

/* An identifier, perhaps behind others with dots: "list", "collections.deque". */
static bool is_name(const char *name)
{
    bool begins = true;

    for (; *name; name++) {
        bool letter = *name == '_' || (unsigned char)((*name | 0x20) - 'a') < 26;

        if (begins ? !letter : !letter && *name != '.' && !is_digit(*name))
            return false;
        begins = *name == '.';
    }
    return !begins;
}

/* Is the type's type type, or a class derived from it, and has the type a name? Then write it.
 * A name that is longer than what was fetched is none. */
static bool read_type(const uint64_t *values, char name[GT_TYPE_SIZE])
{
    enum { TYPE_SUBCLASS = 31 }; /* Py_TPFLAGS_TYPE_SUBCLASS; the bit's number */
    static const char type[] = "type";

    if (!(values[GT_LOCK_TYPE_FLAGS] >> TYPE_SUBCLASS & 1) ||
        memcmp(&values[GT_LOCK_TYPE_META], type, sizeof(type)) != 0)
        return false;
    memcpy(name, &values[GT_LOCK_TYPE_NAME], GT_TYPE_SIZE);
    return memchr(name, '\0', GT_TYPE_SIZE) && is_name(name);
}

/* Whose lock is it? ob_mutex lies 10 bytes into an object's head (agent/lock_types.h). */
static const char *type_of(const uint64_t *values, char name[GT_TYPE_SIZE])
{
    enum { OBJECT_MUTEX = 10, WORD = 8 };
    static const char of_threading[] = "_thread.";

    if (values[GT_LOCK_ADDRESS] % WORD == OBJECT_MUTEX % WORD)
        return read_type(values + GT_LOCK_OBJECT, name) ? name : NULL;
    return values[GT_LOCK_ADDRESS] % WORD == 0 && read_type(values + GT_LOCK_WHOLE, name) &&
                   strncmp(name, of_threading, sizeof(of_threading) - 1) == 0
               ? name
               : NULL;
}

/* As the agent tells them apart (agent/semaphores.c): while a thread parks for it, a mutex has
 * the bit _Py_HAS_PARKED. */
static enum gt_wait_for parks_for(const uint64_t *values)
{
    enum { HAS_PARKED = 2 };

    return values[GT_LOCK_ARGUMENT] && values[GT_LOCK_BITS] & HAS_PARKED ? GT_WAIT_FOR_MUTEX
                                                                         : GT_WAIT_FOR_EVENT;
}

void gt_lock_probe_read(const uint64_t values[GT_LOCK_VALUES], struct gt_lock_hit *hit,
                        struct gt_event *event)
{
    enum {
        NEAR = 4096,
        SHARED = 128
    }; /* as in gt_agent_sem_is_parking; glibc's FUTEX_SHARED */
    bool parks = values[GT_LOCK_SEMAPHORE] - values[GT_LOCK_STACK] < NEAR;

    event->kind = GT_EVENT_OTHER;
    if (values[GT_LOCK_FREE] || values[GT_LOCK_SHARED] & SHARED)
        return;
    event->kind = GT_EVENT_SEM_WAITS;
    event->sync.object = values[GT_LOCK_SEMAPHORE];
    event->sync.callers = hit->callers;
    hit->callers[0] = values[GT_LOCK_CALLER];
    memcpy(hit->callers + 1, values + GT_LOCK_WORDS, GT_STACK_WORDS * sizeof(*values));
    event->sync.left = GT_WAIT_FOR_SEMAPHORE;
    if (!parks)
        return;
    event->sync.lock = values[GT_LOCK_ADDRESS];
    event->sync.left = parks_for(values);
    if (event->sync.left == GT_WAIT_FOR_MUTEX)
        event->sync.type = type_of(values, hit->type);
}

void gt_lock_probe_parse(const char *at, const char *end, struct gt_lock_hit *hit,
                         struct gt_event *event)
{
    uint64_t values[GT_LOCK_VALUES];

    for (int i = 0; i < GT_LOCK_VALUES; i++) {
        char key[16];
        const char *found;
        int length = snprintf(key, sizeof(key), " %s=0x", gt_lock_value_names[i]);

        values[i] = 0;
        found = memmem(at, (size_t)(end - at), key, (size_t)length);
        if ((!found || !read_hex(found + length, end, &values[i])) &&
            i < GT_LOCK_VALUES_NEEDED) {
            event->kind = GT_EVENT_OTHER; /* a probe without its arguments tells nothing */
            return;
        }
    }
    gt_lock_probe_read(values, hit, event);
}
