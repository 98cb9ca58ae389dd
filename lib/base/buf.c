/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char empty[1] = "";

void gt_buf_init(struct gt_buf *buf)
{
    buf->data = empty;
    buf->length = 0;
    buf->capacity = 0;
}

void gt_buf_release(struct gt_buf *buf)
{
    if (buf->capacity)
        free(buf->data);
    gt_buf_init(buf);
}

void gt_buf_reset(struct gt_buf *buf)
{
    buf->length = 0;
    if (buf->capacity)
        buf->data[0] = '\0';
}

int gt_buf_reserve(struct gt_buf *buf, size_t extra)
{
    size_t wanted, capacity;
    char *data;

    if (extra > SIZE_MAX / 2 - buf->length)
        return -1;
    wanted = buf->length + extra + 1;
    if (wanted <= buf->capacity)
        return 0;
    capacity = buf->capacity + buf->capacity / 2;
    if (capacity < wanted)
        capacity = wanted < 64 ? 64 : wanted;
    data = realloc(buf->capacity ? buf->data : NULL, capacity);
    if (!data)
        return -1;
    data[buf->length] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int gt_buf_add(struct gt_buf *buf, const void *data, size_t length)
{
    if (gt_buf_reserve(buf, length))
        return -1;
    if (length)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return 0;
}

int gt_buf_adds(struct gt_buf *buf, const char *text)
{
    return gt_buf_add(buf, text, strlen(text));
}

int gt_buf_addf(struct gt_buf *buf, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || gt_buf_reserve(buf, (size_t)length))
        return -1;
    va_start(args, format);
    vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
    return 0;
}

/* Length of the valid UTF-8 sequence at `p` (1-4), or 0 when there is none (Unicode 15,
 * table 3-7: no overlong forms, no surrogates, nothing past U+10FFFF). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return need;
}

/* Growth failed in the middle: what was there before stays. */
static int undo(struct gt_buf *buf, size_t length)
{
    buf->length = length;
    if (buf->capacity)
        buf->data[length] = '\0';
    return -1;
}

int gt_buf_add_json(struct gt_buf *buf, const char *data, size_t length)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t before = buf->length;

    for (size_t i = 0; i < length;) {
        size_t step = utf8_length(p + i, length - i);
        int failed;

        if (step == 0) {
            failed = gt_buf_adds(buf, "\\ufffd");
            step = 1;
        } else if (p[i] == '"' || p[i] == '\\') {
            failed = gt_buf_addf(buf, "\\%c", p[i]);
        } else if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '<' || p[i] == '>' || p[i] == '&') {
            failed = gt_buf_addf(buf, "\\u%04x", p[i]);
        } else if (step == 3 && p[i] == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] & 0xfe) == 0xa8) {
            failed = gt_buf_addf(buf, "\\u%04x", 0x2000 | (p[i + 2] & 0x3f));
        } else {
            failed = gt_buf_add(buf, p + i, step);
        }
        if (failed)
            return undo(buf, before);
        i += step;
    }
    return 0;
}

int gt_buf_add_utf8(struct gt_buf *buf, const char *data, size_t length)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t before = buf->length;

    for (size_t i = 0; i < length;) {
        size_t step = utf8_length(p + i, length - i);

        if (step ? gt_buf_add(buf, p + i, step) : gt_buf_adds(buf, "\xef\xbf\xbd"))
            return undo(buf, before);
        i += step ? step : 1;
    }
    return 0;
}

/* C1 controls are c2 80..9f; U+202A-202E and U+2066-2069 turn the direction of text. */
static bool is_invisible(const unsigned char *p, size_t step)
{
    if (step == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (step == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    return step == 3 && p[0] == 0xe2 &&
           ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
            (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

int gt_buf_add_visible(struct gt_buf *buf, const char *data, size_t length)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t before = buf->length;

    for (size_t i = 0; i < length;) {
        size_t step = utf8_length(p + i, length - i);
        bool hidden = step == 0 || is_invisible(p + i, step);

        if (hidden ? gt_buf_adds(buf, "?") : gt_buf_add(buf, p + i, step))
            return undo(buf, before);
        i += step ? step : 1;
    }
    return 0;
}

void gt_text_make_visible(char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length;) {
        size_t step = utf8_length((unsigned char *)text + i, length - i);
        bool hidden = step == 0 || is_invisible((unsigned char *)text + i, step);

        if (step == 0)
            step = 1;
        if (hidden)
            memset(text + i, '?', step);
        i += step;
    }
}
