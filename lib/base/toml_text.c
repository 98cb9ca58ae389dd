/* SPDX-License-Identifier: MIT */
#include "base/toml_parser.h"

#include <string.h>

int gt_toml_refuse(struct gt_toml_parser *parser, const char *why)
{
    return gt_error_set(parser->err, GT_ERR_FORMAT, "%s", why);
}

bool gt_toml_sees(const struct gt_toml_parser *parser, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(parser->end - parser->at) >= length &&
           memcmp(parser->at, text, length) == 0;
}

/* The byte at hand; 0 at the end, where a NUL is refused as any control character. */
char gt_toml_peek(const struct gt_toml_parser *parser)
{
    return parser->at < parser->end ? *parser->at : '\0';
}

void gt_toml_skip_blanks(struct gt_toml_parser *parser)
{
    while (gt_toml_peek(parser) == ' ' || gt_toml_peek(parser) == '\t')
        parser->at++;
}

/* How long the line's end at hand is; 0: it is none. */
size_t gt_toml_newline(const struct gt_toml_parser *parser)
{
    return gt_toml_sees(parser, "\n") ? 1 : gt_toml_sees(parser, "\r\n") ? 2 : 0;
}

static bool is_control(char letter)
{
    return ((unsigned char)letter < 0x20 && letter != '\t') || letter == 0x7f;
}

static int skip_comment(struct gt_toml_parser *parser)
{
    if (gt_toml_peek(parser) != '#')
        return 0;
    while (parser->at < parser->end && !gt_toml_newline(parser))
        if (is_control(*parser->at++))
            return gt_toml_refuse(parser, "a control character in a comment");
    return 0;
}

/* Blanks, comments and lines' ends. */
int gt_toml_skip_lines(struct gt_toml_parser *parser)
{
    size_t length;

    for (;;) {
        gt_toml_skip_blanks(parser);
        if (skip_comment(parser) < 0)
            return GT_ERR_FORMAT;
        length = gt_toml_newline(parser);
        if (!length)
            return 0;
        parser->at += length;
        parser->toml->line++;
    }
}

int gt_toml_expect_end_of_line(struct gt_toml_parser *parser)
{
    gt_toml_skip_blanks(parser);
    if (skip_comment(parser) < 0)
        return GT_ERR_FORMAT;
    if (parser->at == parser->end || gt_toml_newline(parser))
        return 0;
    return gt_toml_refuse(parser,
                          "something stands behind the value or the table's name: each has a "
                          "line of its own");
}

/* --- strings --- */

static int add_code_point(struct gt_toml_parser *parser, uint32_t code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(marks[length] | code);
    return gt_buf_add(&parser->text, bytes, length) ? gt_error_memory(parser->err) : 0;
}

/* Behind \u or \U. */
static int add_escaped_code(struct gt_toml_parser *parser, int digits)
{
    uint32_t code = 0;

    for (int i = 0; i < digits; i++, parser->at++) {
        static const char hex[] = "0123456789abcdef";
        char letter = gt_toml_peek(parser);
        const char *digit =
            letter ? strchr(hex, letter >= 'A' && letter <= 'F' ? letter + 32 : letter) : NULL;

        if (!digit)
            return gt_toml_refuse(parser, "\\u takes four hexadecimal digits, \\U eight");
        code = code * 16 + (uint32_t)(digit - hex);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return gt_toml_refuse(parser, "an escape in a string names no character");
    return add_code_point(parser, code);
}

/* A backslash that ends a line: the line's end and all blanks behind it are left out. False: it
 * is not. */
static bool skip_folded(struct gt_toml_parser *parser)
{
    const char *at = parser->at;
    uint32_t lines = 0;

    for (; at < parser->end; at++) {
        if (*at == '\n')
            lines++;
        else if (*at == '\r' ? parser->end - at < 2 || at[1] != '\n'
                             : *at != ' ' && *at != '\t')
            break;
    }
    if (!lines)
        return false;
    parser->toml->line += lines;
    parser->at = at;
    return true;
}

/* Behind a backslash. */
static int add_escaped(struct gt_toml_parser *parser, bool lines)
{
    static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    char letter = gt_toml_peek(parser);
    const char *known = letter ? strchr(letters, letter) : NULL;

    if (lines && skip_folded(parser))
        return 0;
    parser->at += parser->at < parser->end;
    if (letter == 'u' || letter == 'U')
        return add_escaped_code(parser, letter == 'u' ? 4 : 8);
    if (!known)
        return gt_toml_refuse(parser,
                              "an unknown escape in a string: a backslash is written \\\\, or "
                              "'in single quotes'");
    return gt_buf_add(&parser->text, &meanings[known - letters], 1)
               ? gt_error_memory(parser->err)
               : 0;
}

/* The next character of a string, or the line's end within it. */
static int add_character(struct gt_toml_parser *parser, char quote, bool lines)
{
    size_t length = gt_toml_newline(parser);

    if (parser->at == parser->end || (length && !lines))
        return gt_toml_refuse(parser, "a string does not end: a quote is missing");
    if (length) {
        parser->toml->line++;
        parser->at += length;
        return gt_buf_adds(&parser->text, "\n") ? gt_error_memory(parser->err) : 0;
    }
    if (quote == '"' && *parser->at == '\\') {
        parser->at++;
        return add_escaped(parser, lines);
    }
    if (is_control(*parser->at))
        return gt_toml_refuse(parser, "a control character in a string");
    return gt_buf_add(&parser->text, parser->at++, 1) ? gt_error_memory(parser->err) : 0;
}

int gt_toml_keep(struct gt_toml_parser *parser, const char *text, size_t length, uint32_t *id)
{
    *id = gt_intern_add(&parser->toml->texts, text, length);
    return *id == UINT32_MAX ? gt_error_memory(parser->err) : 0;
}

/* The string that begins here; `multi`: it may be one of several lines. */
int gt_toml_parse_string(struct gt_toml_parser *parser, bool multi, uint32_t *id)
{
    const char quote = *parser->at;
    const char three[] = {quote, quote, quote, '\0'};
    bool lines = multi && gt_toml_sees(parser, three);
    const char *end = lines ? three : three + 2;

    parser->at += strlen(end);
    gt_buf_reset(&parser->text);
    if (lines && gt_toml_newline(parser)) {
        parser->at += gt_toml_newline(parser);
        parser->toml->line++;
    }
    while (!gt_toml_sees(parser, end)) {
        int rc = add_character(parser, quote, lines);

        if (rc < 0)
            return rc;
    }
    parser->at += strlen(end);
    for (int i = 0; lines && i < 2 && gt_toml_peek(parser) == quote; i++, parser->at++)
        if (gt_buf_add(&parser->text, &quote, 1)) /* it ends with up to two quotes of its own */
            return gt_error_memory(parser->err);
    return gt_toml_keep(parser, parser->text.data, parser->text.length, id);
}
