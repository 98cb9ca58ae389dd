/* SPDX-License-Identifier: MIT */
/*
 * Strings stored once and named by small numbers. Strings may hold any byte, NUL included.
 * Id 0 is always the empty string. Stored strings never move.
 */
#ifndef GT_BASE_INTERN_H
#define GT_BASE_INTERN_H

#include "base/chunks.h"
#include "base/hashmap.h"

struct gt_intern {
    struct gt_chunks strings; /* of struct gt_interned */
    uint32_t *buckets;        /* hash chains: id + 1 of the newest string, 0 when empty */
    size_t bucket_count;      /* a power of two, or 0 */
};

struct gt_interned {
    char *data; /* NUL-terminated for convenience */
    uint32_t length;
    uint32_t next; /* chain: id + 1 */
    uint64_t hash;
};

void gt_intern_init(struct gt_intern *table);
void gt_intern_release(struct gt_intern *table);

/* The id of `data`, adding a copy when it is new; UINT32_MAX when memory is exhausted. */
uint32_t gt_intern_add(struct gt_intern *table, const char *data, size_t length);

/* Private: of an id that is not 0. */
static inline struct gt_interned *gt_intern_at(const struct gt_intern *table, uint32_t id)
{
    return gt_chunks_at(&table->strings, id - 1);
}

/* The string of an id that gt_intern_add returned; "" for id 0. */
static inline const char *gt_intern_text(const struct gt_intern *table, uint32_t id)
{
    return id ? gt_intern_at(table, id)->data : "";
}
static inline size_t gt_intern_length(const struct gt_intern *table, uint32_t id)
{
    return id ? gt_intern_at(table, id)->length : 0;
}
/* How many ids exist, the empty string's included. */
size_t gt_intern_count(const struct gt_intern *table);

#endif
