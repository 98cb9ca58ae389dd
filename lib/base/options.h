/* SPDX-License-Identifier: MIT */
/*
 * Command lines as data: one struct gt_option per option; parsing, --help, the manual page
 * and shell completions (options_text.h) come from the same table.
 *
 * To add an option: 1. an entry in the program's table; 2. a case for its id in the
 * program's callback. Nothing else knows options.
 */
#ifndef GT_BASE_OPTIONS_H
#define GT_BASE_OPTIONS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

enum gt_option_flags {
    GT_OPTION_NEGATABLE = 1 << 0, /* --no-NAME exists too */
    GT_OPTION_LAST = 1 << 1,      /* the words after it (and its argument) are the target's */
    GT_OPTION_COMMON = 1 << 2,    /* one of those that fit on the first screen of help */
    GT_OPTION_CONFIG = 1 << 3,    /* a configuration file may set it */
    GT_OPTION_MANY = 1 << 4,      /* may be given several times */
};

struct gt_option {
    int id;               /* the program's own number for it */
    char letter;          /* 0: none */
    const char *name;     /* long name without dashes; NULL: none, "": the option `--` */
    const char *argument; /* how the argument is called in --help; NULL: takes none */
    unsigned flags;
    const char *help; /* NULL name and letter 0: a heading; else one line */
};

/* Called for each option. `value` is NULL when it takes no argument; `on` is false for
 * --no-NAME. Returns 0 or a negative gt_err. */
typedef int (*gt_option_fn)(void *context, const struct gt_option *option, const char *value,
                            bool on, struct gt_error *err);

/*
 * Parse argv[1…] by `table` (ended by an entry whose help is NULL). Stops at the first word
 * that is not an option ("-" is none), or behind an option that is flagged LAST. Returns the
 * index of the first word that was not consumed, or a negative gt_err.
 */
int gt_options_parse(const struct gt_option *table, char *const *argv, gt_option_fn apply,
                     void *context, struct gt_error *err);

/* The same, but a word that is not an option goes to `operand`, and parsing goes on. */
typedef int (*gt_operand_fn)(void *context, const char *word, struct gt_error *err);
int gt_options_parse_all(const struct gt_option *table, char *const *argv, gt_option_fn apply,
                         gt_operand_fn operand, void *context, struct gt_error *err);

/* The option of that long name; NULL: none. */
const struct gt_option *gt_options_find(const struct gt_option *table, const char *name,
                                        size_t length);
/* The option that was probably meant by this long name; NULL: none is close to it. */
const struct gt_option *gt_options_like(const struct gt_option *table, const char *name,
                                        size_t length);

/* Append the table as text for --help, in lines of 80 columns: all of it, or without headings
 * those that are COMMON. Returns 0 or -1. */
int gt_options_help(const struct gt_option *table, bool common, struct gt_buf *text);

#endif
