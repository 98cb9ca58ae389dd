/* SPDX-License-Identifier: MIT */
/*
 * TOML 1.0 (toml.io/en/v1.0.0), read whole into a tree, strictly: what the standard forbids is
 * refused, also in tables that nobody asks for, and so is what this reader has no room for
 * (numbers beyond 64 bits, arrays and inline tables nested deeper than GT_TOML_DEPTH_MAX).
 * Everything of TOML is read: all four kinds of strings, numbers, dates and times (whose text
 * alone is kept), arrays over several lines, inline tables, dotted keys, arrays of tables. A
 * BOM is refused, as by Python's tomllib.
 *
 *     gt_toml_init → gt_toml_read → gt_toml_find, gt_toml_at … → gt_toml_release
 *
 * Values are named by their index; 0 is the document's own table. Linear in the text's length.
 */
#ifndef GT_BASE_TOML_H
#define GT_BASE_TOML_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "base/intern.h"

#include <stdbool.h>
#include <stdint.h>

#define GT_TOML_NONE UINT32_MAX

enum { GT_TOML_DEPTH_MAX = 64 };

enum gt_toml_kind {
    GT_TOML_TABLE,
    GT_TOML_ARRAY, /* also of tables */
    GT_TOML_STRING,
    GT_TOML_INTEGER,
    GT_TOML_FLOAT,
    GT_TOML_BOOLEAN,
    GT_TOML_TIME, /* a date, a time, or both */
};

struct gt_toml_value {
    enum gt_toml_kind kind;
    uint32_t line;        /* where it stands, its key if it has one; the first is 1 */
    uint32_t key;         /* in `texts`; 0 of an array's element */
    uint32_t first, next; /* a table's or array's first value, and the one after this, in the
                             order of the text; GT_TOML_NONE */
    uint32_t text; /* of a string: UTF-8, in which NUL may occur; of a number or a time: as
                      written, without underscores; in `texts` */
    int64_t integer;
    double number; /* of an integer, too */
    bool truth;
    /* private: */
    uint32_t last;   /* as `first` */
    uint32_t dotted; /* the header below which dotted keys made it; 0: none did */
    bool defined;    /* a header names it */
    bool closed;     /* it is a literal: nothing can be added */
};

struct gt_toml {
    struct gt_chunks values; /* of struct gt_toml_value */
    struct gt_intern texts;
    struct gt_hashmap children; /* by table and key */
    uint32_t line;              /* that is read; after a failure: where it was found */
};

void gt_toml_init(struct gt_toml *toml);
void gt_toml_release(struct gt_toml *toml);

/* Read a document, once. 0; GT_ERR_FORMAT with what is wrong, without the line; or
 * GT_ERR_MEMORY. After a failure nothing but _release is right. */
int gt_toml_read(struct gt_toml *toml, const char *text, size_t length, struct gt_error *err);

/* The value of a key in a table; GT_TOML_NONE: there is none, or it is no table. */
uint32_t gt_toml_find(const struct gt_toml *toml, uint32_t table, const char *key);

static inline const struct gt_toml_value *gt_toml_at(const struct gt_toml *toml, uint32_t index)
{
    return gt_chunks_at(&toml->values, index);
}

static inline const char *gt_toml_key(const struct gt_toml *toml, uint32_t index)
{
    return gt_intern_text(&toml->texts, gt_toml_at(toml, index)->key);
}

#endif
