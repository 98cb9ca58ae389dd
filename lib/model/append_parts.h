/* SPDX-License-Identifier: MIT */
/* Private to model/: what append.c, append_parts.c and append_gil.c share. Functions return 0,
 * or -1 when memory is exhausted. */
#ifndef GT_MODEL_APPEND_PARTS_H
#define GT_MODEL_APPEND_PARTS_H

#include "model/append.h"
#include "model/timeline.h"

/* One timeline on its way into another. */
struct gt_move {
    struct gt_timeline *to, *from;
    const struct gt_clock_map *map;
    const char *called;                        /* the recording that `from` is of */
    uint32_t *names;                           /* by interned name of `from`: that of `to` */
    uint32_t *functions;                       /* by function of `from`, likewise */
    uint32_t processes, threads, gils, images; /* how many there were before */
    uint32_t lost_lists, lost_of_all; /* in `to`: where its lost_of begins, and its `lost` */
};

static inline int64_t gt_move_ns(const struct gt_move *move, int64_t time_ns)
{
    return gt_clock_map_ns(move->map, time_ns);
}

/* A length of time, which has no end that is known. */
static inline int64_t gt_move_length(const struct gt_move *move, int64_t ns)
{
    return ns + (int64_t)((double)ns * move->map->rate);
}

static inline uint32_t gt_move_index(uint32_t index, uint32_t base)
{
    return index == GT_NO_INDEX ? index : base + index;
}

static inline uint32_t gt_move_name(const struct gt_move *move, uint32_t name)
{
    return move->names[name];
}

static inline void gt_move_range(const struct gt_move *move, struct gt_lost_range *range)
{
    range->start_ns = gt_move_ns(move, range->start_ns);
    range->end_ns = gt_move_ns(move, range->end_ns);
}

/* Append a copy of one element, of the list's size. NULL: no memory. */
void *gt_move_push(struct gt_chunks *list, const void *element);
/* Append copies of it until the list is so long. */
int gt_move_pad(struct gt_chunks *list, size_t count, const void *element);
/* Append all elements of the other list, which is empty then; what they own is moved. */
int gt_move_all(struct gt_chunks *to, struct gt_chunks *from);

/* "RECORDING: NAME", interned; UINT32_MAX: no memory. */
uint32_t gt_move_name_in(const struct gt_move *move, uint32_t name);

/* The times and threads of spans; of what is described like a GIL. In place. */
void gt_move_span_list(const struct gt_move *move, struct gt_chunks *spans);
int gt_move_gil(const struct gt_move *move, struct gt_gil *gil);

/* All but processes, threads, GILs and functions. */
int gt_move_parts(struct gt_move *move);

#endif
