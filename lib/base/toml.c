/* SPDX-License-Identifier: MIT */
#include "base/toml.h"

#include "base/toml_parser.h"
#include "base/toml_scalar.h"

#include <stdio.h>
#include <string.h>

/* What is being entered on the way to a key: a name of a header, or one of a dotted key. */
typedef uint32_t enter_fn(struct gt_toml_parser *parser, uint32_t table, uint32_t key);

static int parse_value(struct gt_toml_parser *parser, uint32_t parent, uint32_t key,
                       uint32_t line);

void gt_toml_init(struct gt_toml *toml)
{
    gt_chunks_init(&toml->values, sizeof(struct gt_toml_value));
    gt_intern_init(&toml->texts);
    gt_hashmap_init(&toml->children);
    toml->line = 1;
}

void gt_toml_release(struct gt_toml *toml)
{
    gt_chunks_release(&toml->values);
    gt_intern_release(&toml->texts);
    gt_hashmap_release(&toml->children);
}

static struct gt_toml_value *value_at(const struct gt_toml_parser *parser, uint32_t index)
{
    return gt_chunks_at(&parser->toml->values, index);
}

/* --- keys and tables --- */

static bool is_bare(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
}

static int parse_name(struct gt_toml_parser *parser, uint32_t *id)
{
    const char *first = parser->at;

    if (gt_toml_peek(parser) == '"' || gt_toml_peek(parser) == '\'')
        return gt_toml_parse_string(parser, false, id);
    while (is_bare(gt_toml_peek(parser)))
        parser->at++;
    if (parser->at == first)
        return gt_toml_refuse(
            parser, "a name is missing: `name = value` or `[table]` is expected here");
    return gt_toml_keep(parser, first, (size_t)(parser->at - first), id);
}

/* The names of a key but the last are entered, from `*table` on. */
static int parse_key(struct gt_toml_parser *parser, enter_fn *enter, uint32_t *table,
                     uint32_t *last)
{
    for (;;) {
        int rc = parse_name(parser, last);

        if (rc < 0)
            return rc;
        gt_toml_skip_blanks(parser);
        if (gt_toml_peek(parser) != '.')
            return 0;
        parser->at++;
        gt_toml_skip_blanks(parser);
        *table = enter(parser, *table, *last);
        if (*table == GT_TOML_NONE)
            return GT_ERR_FORMAT; /* or memory: `err` tells */
    }
}

static uint64_t child_key(uint32_t table, uint32_t key)
{
    return (uint64_t)table << 32 | key;
}

static uint32_t child_of(const struct gt_toml_parser *parser, uint32_t table, uint32_t key)
{
    return gt_hashmap_get(&parser->toml->children, child_key(table, key));
}

/* GT_TOML_NONE: no memory. */
static uint32_t add_value(struct gt_toml_parser *parser, uint32_t parent, uint32_t key,
                          enum gt_toml_kind kind, uint32_t line)
{
    struct gt_chunks *values = &parser->toml->values;
    uint32_t index = (uint32_t)values->count;
    struct gt_toml_value *value = gt_chunks_push(values);

    if (!value) {
        gt_error_memory(parser->err);
        return GT_TOML_NONE;
    }
    *value = (struct gt_toml_value){.kind = kind,
                                    .line = line,
                                    .key = key,
                                    .first = GT_TOML_NONE,
                                    .last = GT_TOML_NONE,
                                    .next = GT_TOML_NONE};
    if (parent == GT_TOML_NONE)
        return index;
    if (value_at(parser, parent)->last == GT_TOML_NONE)
        value_at(parser, parent)->first = index;
    else
        value_at(parser, value_at(parser, parent)->last)->next = index;
    value_at(parser, parent)->last = index;
    if (value_at(parser, parent)->kind == GT_TOML_TABLE &&
        gt_hashmap_put(&parser->toml->children, child_key(parent, key), index)) {
        gt_error_memory(parser->err);
        return GT_TOML_NONE;
    }
    return index;
}

static uint32_t refuse_name(struct gt_toml_parser *parser, uint32_t key, const char *why)
{
    gt_error_set(parser->err, GT_ERR_FORMAT, "%s %s", gt_intern_text(&parser->toml->texts, key),
                 why);
    return GT_TOML_NONE;
}

static const char is_no_table[] = "has a value already, and is no table that can be extended";
static const char is_twice[] = "is defined twice";

/* Of a table's name, as in [a.b.c]: a and b need not be there, and may be arrays of tables. */
static uint32_t enter_header(struct gt_toml_parser *parser, uint32_t table, uint32_t key)
{
    uint32_t child = child_of(parser, table, key);
    const struct gt_toml_value *value;

    if (child == GT_HASHMAP_NONE)
        return add_value(parser, table, key, GT_TOML_TABLE, parser->toml->line);
    value = value_at(parser, child);
    if (value->closed || (value->kind != GT_TOML_TABLE && value->kind != GT_TOML_ARRAY))
        return refuse_name(parser, key, is_no_table);
    return value->kind == GT_TOML_ARRAY ? value->last : child;
}

/* Has a header, or dotted keys below another header, defined this table? */
static bool is_complete(const struct gt_toml_parser *parser, const struct gt_toml_value *value)
{
    return value->defined || (value->dotted && value->dotted != parser->header);
}

/* Of a dotted key, as in a.b = 1: only tables that dotted keys below this header made. */
static uint32_t enter_dotted(struct gt_toml_parser *parser, uint32_t table, uint32_t key)
{
    uint32_t child = child_of(parser, table, key);

    if (child == GT_HASHMAP_NONE)
        child = add_value(parser, table, key, GT_TOML_TABLE, parser->toml->line);
    else if (value_at(parser, child)->closed || value_at(parser, child)->kind != GT_TOML_TABLE)
        return refuse_name(parser, key, is_no_table);
    else if (is_complete(parser, value_at(parser, child)))
        return refuse_name(parser, key, is_twice);
    if (child != GT_TOML_NONE)
        value_at(parser, child)->dotted = parser->header;
    return child;
}

/* The table that a header names, of which `key` is the last name. */
static uint32_t define(struct gt_toml_parser *parser, uint32_t table, uint32_t key,
                       bool element)
{
    enum gt_toml_kind kind = element ? GT_TOML_ARRAY : GT_TOML_TABLE;
    uint32_t child = child_of(parser, table, key), line = parser->toml->line;

    if (child == GT_HASHMAP_NONE)
        child = add_value(parser, table, key, kind, line);
    else if (value_at(parser, child)->closed || value_at(parser, child)->kind != kind)
        return refuse_name(parser, key, is_no_table);
    else if (!element && is_complete(parser, value_at(parser, child)))
        return refuse_name(parser, key, is_twice);
    if (child == GT_TOML_NONE)
        return child;
    value_at(parser, child)->line = line;
    value_at(parser, child)->defined = true;
    return element ? add_value(parser, child, 0, GT_TOML_TABLE, line) : child;
}

static int parse_header(struct gt_toml_parser *parser)
{
    bool element = gt_toml_sees(parser, "[[");
    uint32_t table = 0, key;
    int rc;

    parser->header++;
    parser->at += element ? 2 : 1;
    gt_toml_skip_blanks(parser);
    rc = parse_key(parser, enter_header, &table, &key);
    if (rc < 0)
        return rc;
    if (!gt_toml_sees(parser, element ? "]]" : "]"))
        return gt_toml_refuse(parser, "the name of a table does not end: ] is missing");
    parser->at += element ? 2 : 1;
    parser->table = define(parser, table, key, element);
    return parser->table == GT_TOML_NONE ? GT_ERR_FORMAT : 0;
}

static int parse_pair(struct gt_toml_parser *parser, uint32_t table)
{
    uint32_t key, line = parser->toml->line;
    int rc = parse_key(parser, enter_dotted, &table, &key);

    if (rc < 0)
        return rc;
    if (gt_toml_peek(parser) != '=')
        return gt_toml_refuse(parser, "= is missing behind the name");
    parser->at++;
    gt_toml_skip_blanks(parser);
    if (child_of(parser, table, key) != GT_HASHMAP_NONE) {
        refuse_name(parser, key, is_twice);
        return GT_ERR_FORMAT;
    }
    return parse_value(parser, table, key, line);
}

/* --- values --- */

static int parse_array(struct gt_toml_parser *parser, uint32_t array)
{
    parser->at++;
    for (;;) {
        int rc = gt_toml_skip_lines(parser);

        if (rc == 0 && gt_toml_peek(parser) == ']')
            break;
        if (rc == 0)
            rc = parse_value(parser, array, 0, parser->toml->line);
        if (rc == 0)
            rc = gt_toml_skip_lines(parser);
        if (rc < 0)
            return rc;
        if (gt_toml_peek(parser) == ']')
            break;
        if (gt_toml_peek(parser) != ',')
            return gt_toml_refuse(parser, "an array does not go on: a comma or ] is missing");
        parser->at++;
    }
    parser->at++;
    return 0;
}

static int parse_inline_table(struct gt_toml_parser *parser, uint32_t table)
{
    parser->at++;
    gt_toml_skip_blanks(parser);
    if (gt_toml_peek(parser) == '}') {
        parser->at++;
        return 0;
    }
    for (;;) {
        int rc = parse_pair(parser, table);

        if (rc < 0)
            return rc;
        gt_toml_skip_blanks(parser);
        if (gt_toml_peek(parser) == '}')
            break;
        if (gt_toml_peek(parser) != ',')
            return gt_toml_refuse(parser,
                                  "an inline table does not go on: a comma or } is missing (it "
                                  "stands on one line)");
        parser->at++;
        gt_toml_skip_blanks(parser);
    }
    parser->at++;
    return 0;
}

static int parse_nested(struct gt_toml_parser *parser, uint32_t parent, uint32_t key,
                        uint32_t line)
{
    bool array = *parser->at == '[';
    uint32_t index =
        add_value(parser, parent, key, array ? GT_TOML_ARRAY : GT_TOML_TABLE, line);
    int rc;

    if (index == GT_TOML_NONE)
        return GT_ERR_MEMORY;
    if (parser->depth == GT_TOML_DEPTH_MAX)
        return gt_toml_refuse(parser, "arrays or inline tables are nested too deeply");
    parser->depth++;
    rc = array ? parse_array(parser, index) : parse_inline_table(parser, index);
    parser->depth--;
    value_at(parser, index)->closed = true;
    return rc;
}

static size_t word_length(const struct gt_toml_parser *parser)
{
    const char *at = parser->at;

    while (at < parser->end && (is_bare(*at) || (*at && strchr("+.:", *at))))
        at++;
    return (size_t)(at - parser->at);
}

/* A word, or two where a date and a time have a blank between them. */
static int parse_scalar(struct gt_toml_parser *parser, struct gt_toml_value *value)
{
    char word[GT_TOML_WORD_MAX + 1];
    size_t length = word_length(parser);
    const char *first = parser->at;

    if (length == 10 && parser->end - first > 13 && first[4] == '-' && first[10] == ' ' &&
        first[13] == ':') {
        parser->at += 11;
        length = 11 + word_length(parser);
        parser->at = first;
    }
    snprintf(word, sizeof(word), "%.*s", (int)(length < 128 ? length : 127), first);
    if (length == 0)
        return gt_toml_refuse(parser, "a value is missing behind =");
    if (length > GT_TOML_WORD_MAX || !gt_toml_scalar(word, value))
        return gt_error_set(parser->err, GT_ERR_FORMAT,
                            "%s is no value: a text stands in quotes, \"%s\"; numbers have 64 "
                            "bits, and yes and no are true and false",
                            word, word);
    parser->at += length;
    return gt_toml_keep(parser, word, strlen(word), &value->text);
}

static int parse_value(struct gt_toml_parser *parser, uint32_t parent, uint32_t key,
                       uint32_t line)
{
    struct gt_toml_value value = {.kind = GT_TOML_STRING};
    uint32_t index;
    int rc;

    if (gt_toml_peek(parser) == '[' || gt_toml_peek(parser) == '{')
        return parse_nested(parser, parent, key, line);
    if (gt_toml_peek(parser) == '"' || gt_toml_peek(parser) == '\'')
        rc = gt_toml_parse_string(parser, true, &value.text);
    else
        rc = parse_scalar(parser, &value);
    if (rc < 0)
        return rc;
    index = add_value(parser, parent, key, value.kind, line);
    if (index == GT_TOML_NONE)
        return GT_ERR_MEMORY;
    value_at(parser, index)->text = value.text;
    value_at(parser, index)->integer = value.integer;
    value_at(parser, index)->number = value.number;
    value_at(parser, index)->truth = value.truth;
    return 0;
}

/* --- the document --- */

static int parse_document(struct gt_toml_parser *parser)
{
    if (add_value(parser, GT_TOML_NONE, 0, GT_TOML_TABLE, 1) == GT_TOML_NONE)
        return GT_ERR_MEMORY;
    for (;;) {
        int rc = gt_toml_skip_lines(parser);

        if (rc < 0 || parser->at == parser->end)
            return rc;
        if (gt_toml_peek(parser) == '[')
            rc = parse_header(parser);
        else
            rc = parse_pair(parser, parser->table);
        if (rc == 0)
            rc = gt_toml_expect_end_of_line(parser);
        if (rc < 0)
            return rc;
    }
}

/* Finds the line where it is not. */
static int check_utf8(struct gt_toml_parser *parser)
{
    size_t length = (size_t)(parser->end - parser->at), same = 0;

    if (gt_buf_add_utf8(&parser->text, parser->at, length))
        return gt_error_memory(parser->err);
    while (same < length && same < parser->text.length &&
           parser->text.data[same] == parser->at[same])
        same++;
    if (same == length && parser->text.length == length)
        return 0;
    for (size_t i = 0; i < same; i++)
        parser->toml->line += parser->at[i] == '\n';
    return gt_toml_refuse(parser, "it is not UTF-8: save the file as UTF-8");
}

int gt_toml_read(struct gt_toml *toml, const char *text, size_t length, struct gt_error *err)
{
    struct gt_error why = {0};
    struct gt_toml_parser parser = {
        .toml = toml, .at = text, .end = text + length, .header = 1, .err = &why};
    int rc = length > UINT32_MAX / 4 ? gt_error_set(&why, GT_ERR_FORMAT, "it is too large") : 0;

    gt_buf_init(&parser.text);
    if (rc == 0)
        rc = check_utf8(&parser);
    if (rc == 0)
        rc = parse_document(&parser);
    gt_buf_release(&parser.text);
    if (rc == 0)
        return 0;
    if (err)
        *err = why;
    return why.code;
}

uint32_t gt_toml_find(const struct gt_toml *toml, uint32_t table, const char *key)
{
    if (table == GT_TOML_NONE || gt_toml_at(toml, table)->kind != GT_TOML_TABLE)
        return GT_TOML_NONE;
    for (uint32_t i = gt_toml_at(toml, table)->first; i != GT_TOML_NONE;
         i = gt_toml_at(toml, i)->next)
        if (strcmp(gt_toml_key(toml, i), key) == 0 &&
            strlen(key) == gt_intern_length(&toml->texts, gt_toml_at(toml, i)->key))
            return i;
    return GT_TOML_NONE;
}
