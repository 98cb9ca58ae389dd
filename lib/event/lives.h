/* SPDX-License-Identifier: MIT */
/*
 * Which processes and threads live, what they are called and which files of an interpreter they
 * map: what a timeline must know of before its first event (model/earlier.c). Of those that
 * ended nothing is kept, so it is as large as what runs.
 */
#ifndef GT_EVENT_LIVES_H
#define GT_EVENT_LIVES_H

#include "base/hashmap.h"
#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_life; /* of a thread; lives.c */

struct gt_lives {
    struct gt_life *list; /* in the order in which they were seen */
    size_t count, capacity;
    size_t ended;             /* entries in it that are of no use any more */
    struct gt_hashmap of_tid; /* index in the list */
    const char
        *runtime_path; /* the caller's: mappings of that file count, whatever it is called */
};

enum {
    GT_LIVES_MAX = 1 << 16,     /* threads that are followed; the rest have no names */
    GT_LIFE_MAPPINGS_MAX = 16,  /* of one process */
    GT_LIFE_PATH_MAX = 1 << 12, /* a longer path is none of an interpreter */
    GT_LIFE_COMMAND_MAX = 512,  /* bytes of a command line that are kept */
};

void gt_lives_init(struct gt_lives *lives);
void gt_lives_release(struct gt_lives *lives);

/* Take an event; those that tell of no life change nothing. 0, or -1: no memory. */
int gt_lives_note(struct gt_lives *lives, const struct gt_event *event);

/* Hand what is known to `take` as events of time 0, each process before its threads. Ends with
 * what `take` returned, if that is negative. */
int gt_lives_tell(const struct gt_lives *lives,
                  int (*take)(void *context, const struct gt_event *event), void *context);

/* Does the main thread of the process live? */
bool gt_lives_has(const struct gt_lives *lives, int32_t pid);

#endif
