/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/width.h"

#include <string.h>

enum { HELP_COLUMNS = 80 }; /* of help */

static bool is_end(const struct gt_option *option)
{
    return !option->help;
}

static const struct gt_option *find_letter(const struct gt_option *table, char letter)
{
    for (; !is_end(table); table++)
        if (table->letter && table->letter == letter)
            return table;
    return NULL;
}

const struct gt_option *gt_options_find(const struct gt_option *table, const char *name,
                                        size_t length)
{
    for (; !is_end(table); table++)
        if (table->name && strlen(table->name) == length &&
            memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

struct parse {
    const struct gt_option *table;
    char *const *argv;
    int at; /* the word that is looked at */
    bool last;
    gt_option_fn apply;
    void *context;
    struct gt_error *err;
};

/* The argument that follows as a word of its own. */
static const char *next_word(struct parse *parse)
{
    return parse->argv[parse->at + 1] ? parse->argv[++parse->at] : NULL;
}

static int apply(struct parse *parse, const struct gt_option *option, const char *value,
                 bool on)
{
    if (option->flags & GT_OPTION_LAST)
        parse->last = true;
    return parse->apply(parse->context, option, value, on, parse->err);
}

/* How many letters are put in, left out, replaced or swapped between two names. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    enum { MOST = 32 };
    size_t rows[3][MOST + 1];

    if (a_length > MOST || b_length > MOST)
        return MOST;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *before = rows[(i - 1) % 3], *row = rows[i % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);

            best = best < before[j] + 1 ? best : before[j] + 1;
            best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best)
                best = rows[(i - 2) % 3][j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const struct gt_option *gt_options_like(const struct gt_option *table, const char *name,
                                        size_t length)
{
    const struct gt_option *found = NULL;
    size_t least = length / 3 + 1;

    for (; !is_end(table); table++) {
        size_t far = table->name && *table->name
                         ? distance(name, length, table->name, strlen(table->name))
                         : least;

        if (far < least) {
            least = far;
            found = table;
        }
    }
    return found;
}

static int refuse_unknown(struct parse *parse, const char *word, size_t length)
{
    const struct gt_option *close = gt_options_like(parse->table, word, length);

    if (close)
        return gt_error_set(parse->err, GT_ERR_USAGE,
                            "unknown option --%.*s: did you mean --%s? (--help lists them)",
                            (int)length, word, close->name);
    return gt_error_set(parse->err, GT_ERR_USAGE, "unknown option --%.*s (--help lists them)",
                        (int)length, word);
}

static int parse_long(struct parse *parse)
{
    const char *word = parse->argv[parse->at] + 2;
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct gt_option *option = gt_options_find(parse->table, word, length);
    const char *value = equals ? equals + 1 : NULL;
    bool on = true;

    if (!option && length > 3 && strncmp(word, "no-", 3) == 0) {
        option = gt_options_find(parse->table, word + 3, length - 3);
        if (option && !(option->flags & GT_OPTION_NEGATABLE))
            option = NULL;
        on = false;
    }
    if (!option || (equals && length == 0))
        return refuse_unknown(parse, word, length);
    if ((!option->argument || !on) && value)
        return gt_error_set(parse->err, GT_ERR_USAGE, "option --%.*s takes no argument",
                            (int)length, word);
    if (option->argument && on && !value && !(option->flags & GT_OPTION_LAST && !*option->name))
        value = next_word(parse);
    if (option->argument && on && !value && *option->name)
        return gt_error_set(parse->err, GT_ERR_USAGE, "option --%s needs an argument: %s",
                            option->name, option->argument);
    return apply(parse, option, value, on);
}

/* "-qv", "-oFILE", "-o FILE". */
static int parse_letters(struct parse *parse)
{
    for (const char *at = parse->argv[parse->at] + 1; *at; at++) {
        const struct gt_option *option = find_letter(parse->table, *at);
        const char *value = NULL;
        int rc;

        if (!option)
            return gt_error_set(parse->err, GT_ERR_USAGE,
                                "unknown option -%c (--help lists them)", *at);
        if (option->argument) {
            value = at[1] ? at + 1 : next_word(parse);
            if (!value)
                return gt_error_set(parse->err, GT_ERR_USAGE,
                                    "option -%c needs an argument: %s", *at, option->argument);
        }
        rc = apply(parse, option, value, true);
        if (rc < 0 || option->argument)
            return rc;
    }
    return 0;
}

int gt_options_parse_all(const struct gt_option *table, char *const *argv,
                         gt_option_fn apply_fn, gt_operand_fn operand, void *context,
                         struct gt_error *err)
{
    struct parse parse = {table, argv, 1, false, apply_fn, context, err};

    for (; argv[parse.at] && !parse.last; parse.at++) {
        const char *word = argv[parse.at];
        int rc;

        if (word[0] != '-' || !word[1]) {
            if (!operand)
                break;
            rc = operand(context, word, err);
        } else {
            rc = word[1] == '-' ? parse_long(&parse) : parse_letters(&parse);
        }
        if (rc < 0)
            return rc;
    }
    return parse.at;
}

int gt_options_parse(const struct gt_option *table, char *const *argv, gt_option_fn apply_fn,
                     void *context, struct gt_error *err)
{
    return gt_options_parse_all(table, argv, apply_fn, NULL, context, err);
}

static int help_of(const struct gt_option *option, size_t column, struct gt_buf *text)
{
    size_t start = text->length, width;
    int failed = 0;

    if (!option->name && !option->letter)
        return gt_buf_addf(text, "\n%s:\n", option->help);
    failed |=
        option->letter ? gt_buf_addf(text, "  -%c", option->letter) : gt_buf_adds(text, "    ");
    if (option->name)
        failed |= gt_buf_addf(text, "%s--%s%s", option->letter ? ", " : "  ",
                              option->flags & GT_OPTION_NEGATABLE ? "[no-]" : "", option->name);
    if (option->argument)
        failed |= gt_buf_addf(text, " %s", option->argument);
    width = text->length - start;
    if (width + 2 > column) {
        failed |= gt_buf_adds(text, "\n");
        width = 0;
    }
    failed |= gt_buf_addf(text, "%*s", (int)(column - width), "");
    return failed | gt_text_add_indented(text, option->help, column, HELP_COLUMNS) |
           gt_buf_adds(text, "\n");
}

int gt_options_help(const struct gt_option *table, bool common, struct gt_buf *text)
{
    enum { COLUMN = 27 };

    for (; !is_end(table); table++)
        if ((!common || table->flags & GT_OPTION_COMMON) && help_of(table, COLUMN, text))
            return -1;
    return 0;
}
