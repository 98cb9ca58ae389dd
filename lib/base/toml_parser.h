/* SPDX-License-Identifier: MIT */
/* Private to base/: the text of a TOML document as it is read, and its strings. What is wrong
 * is told in `err`; results are 0, GT_ERR_FORMAT or GT_ERR_MEMORY. */
#ifndef GT_BASE_TOML_PARSER_H
#define GT_BASE_TOML_PARSER_H

#include "base/buf.h"
#include "base/toml.h"

struct gt_toml_parser {
    struct gt_toml *toml;
    const char *at, *end;
    uint32_t table;  /* that keys go into now */
    uint32_t header; /* how many headers were read, + 1 */
    unsigned depth;  /* of arrays and inline tables around */
    struct gt_buf text;
    struct gt_error *err;
};

int gt_toml_refuse(struct gt_toml_parser *parser, const char *why);

/* Does this text come next? */
bool gt_toml_sees(const struct gt_toml_parser *parser, const char *text);
/* The byte at hand; 0 at the end, where a NUL is refused as any control character. */
char gt_toml_peek(const struct gt_toml_parser *parser);
/* How long the line's end at hand is; 0: it is none. */
size_t gt_toml_newline(const struct gt_toml_parser *parser);

void gt_toml_skip_blanks(struct gt_toml_parser *parser);
/* Blanks, comments and lines' ends. */
int gt_toml_skip_lines(struct gt_toml_parser *parser);
/* Nothing but a comment comes before the line's end. */
int gt_toml_expect_end_of_line(struct gt_toml_parser *parser);

/* Keep a text in the document's. */
int gt_toml_keep(struct gt_toml_parser *parser, const char *text, size_t length, uint32_t *id);
/* The string that begins here; `multi`: it may be one of several lines. */
int gt_toml_parse_string(struct gt_toml_parser *parser, bool multi, uint32_t *id);

#endif
