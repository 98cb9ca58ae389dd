/* SPDX-License-Identifier: MIT */
#include "base/intern.h"

#include <stdlib.h>
#include <string.h>

void gt_intern_init(struct gt_intern *table)
{
    memset(table, 0, sizeof(*table));
    gt_chunks_init(&table->strings, sizeof(struct gt_interned));
}

void gt_intern_release(struct gt_intern *table)
{
    for (size_t i = 0; i < table->strings.count; i++)
        free(((struct gt_interned *)gt_chunks_at(&table->strings, i))->data);
    gt_chunks_release(&table->strings);
    free(table->buckets);
    gt_intern_init(table);
}

static uint64_t hash_of(const char *data, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u ^ gt_hash_seed(); /* FNV-1a, folded below */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    return hash ^ (hash >> 32);
}

static int grow(struct gt_intern *table)
{
    size_t count = table->bucket_count ? table->bucket_count * 2 : 64;
    uint32_t *buckets = calloc(count, sizeof(*buckets));

    if (!buckets)
        return -1;
    for (uint32_t id = 1; id <= table->strings.count; id++) {
        struct gt_interned *string = gt_intern_at(table, id);
        uint32_t *bucket = &buckets[string->hash & (count - 1)];

        string->next = *bucket;
        *bucket = id;
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    return 0;
}

uint32_t gt_intern_add(struct gt_intern *table, const char *data, size_t length)
{
    uint64_t hash = hash_of(data, length);
    struct gt_interned *string;
    uint32_t *bucket;
    char *copy;

    if (length == 0)
        return 0;
    if (length >= UINT32_MAX || table->strings.count >= UINT32_MAX - 2)
        return UINT32_MAX;
    if (table->strings.count >= table->bucket_count && grow(table))
        return UINT32_MAX;
    bucket = &table->buckets[hash & (table->bucket_count - 1)];
    for (uint32_t id = *bucket; id; id = string->next) {
        string = gt_intern_at(table, id);
        if (string->hash == hash && string->length == length &&
            memcmp(string->data, data, length) == 0)
            return id;
    }
    copy = malloc(length + 1);
    string = copy ? gt_chunks_push(&table->strings) : NULL;
    if (!string) {
        free(copy);
        return UINT32_MAX;
    }
    memcpy(copy, data, length);
    copy[length] = '\0';
    *string = (struct gt_interned){
        .data = copy, .length = (uint32_t)length, .next = *bucket, .hash = hash};
    *bucket = (uint32_t)table->strings.count;
    return *bucket;
}

size_t gt_intern_count(const struct gt_intern *table)
{
    return table->strings.count + 1;
}
