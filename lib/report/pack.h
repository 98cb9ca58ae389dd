/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: tables of numbers inside an HTML page, small and quick to decode. Rows
 * are gathered into blocks. A block holds its columns one after the other, as varints; it is
 * compressed by gzip, encoded as base64, and stands in a <script> element of its own. SCHEMA.md
 * ("Page data") describes the bytes; viewer/data.js reads them.
 *
 *     gt_pack_new → { gt_pack_begin → { gt_pack_put … → gt_pack_end_row } … → gt_pack_end } … →
 * gt_pack_free
 *
 * Memory is one block (about 2 MiB), however many rows are written. Blocks do not depend on
 * each other, so a column of differences starts anew where gt_pack_rows is 0.
 */
#ifndef GT_REPORT_PACK_H
#define GT_REPORT_PACK_H

#include "base/error.h"
#include "base/output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum { GT_PACK_ROWS = 32768, GT_PACK_COLUMNS = 5 };

/* Its fields are private. They stand here since a row is put without a call for each value. */
struct gt_pack {
    struct gt_output *output; /* NULL: only measure */
    uint64_t bytes;           /* written */
    const char *table;
    uint32_t key;
    unsigned columns;
    size_t rows;
    unsigned char *column[GT_PACK_COLUMNS]; /* COLUMN_BYTES each: a block never overflows */
    unsigned char *at[GT_PACK_COLUMNS];     /* where the next varint goes */
    unsigned char *squeezed;
    size_t squeezed_capacity;
    char *text;
    z_stream stream;
    bool stream_ready;
};

/* Seven bits in each byte, the low ones first. Returns the end. */
static inline unsigned char *gt_varint(unsigned char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    return at;
}

/* A writer onto `output`, which must outlive it; NULL: what is written is only measured. NULL
 * when memory is exhausted. */
struct gt_pack *gt_pack_new(struct gt_output *output, struct gt_error *err);
void gt_pack_free(struct gt_pack *pack);

/* Start a table. `table` is a word of the program's own, since it goes into an attribute as it
 * is; `key` says which table of that kind it is; `columns` is at most GT_PACK_COLUMNS. */
void gt_pack_begin(struct gt_pack *pack, const char *table, uint32_t key, unsigned columns);

/* The next value of one column: exactly one per column and row. */
static inline void gt_pack_put(struct gt_pack *pack, unsigned column, uint64_t value)
{
    pack->at[column] = gt_varint(pack->at[column], value);
}

/* The row is complete. Writes the block when it is full. 0 or negative. */
int gt_pack_end_row(struct gt_pack *pack, struct gt_error *err);

/* Write what is left of the table; nothing when it has no rows. 0 or negative. */
int gt_pack_end(struct gt_pack *pack, struct gt_error *err);

/* Bytes written so far. */
uint64_t gt_pack_bytes(const struct gt_pack *pack);

/* Rows in the current block so far. */
static inline size_t gt_pack_rows(const struct gt_pack *pack)
{
    return pack->rows;
}

/* Small numbers of either sign become small unsigned ones: 0, -1, 1, -2 → 0, 1, 2, 3. */
static inline uint64_t gt_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

/* Base64 (RFC 4648, padded) of `length` bytes into `text`, which must have room for
 * gt_base64_length of them. Writes no NUL; returns the end. */
char *gt_base64(char *text, const unsigned char *data, size_t length);

static inline size_t gt_base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}

#endif
