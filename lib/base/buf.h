/* SPDX-License-Identifier: MIT */
/*
 * A growable byte string, always NUL-terminated, so `.data` can be passed as a C string.
 *
 * Lifecycle words used by the whole project: X_init / X_release for contents embedded in
 * the caller's memory, X_new / X_free for heap objects, X_reset to empty and keep memory.
 * Growth failure is reported (-1) and leaves the content as it was.
 */
#ifndef GT_BASE_BUF_H
#define GT_BASE_BUF_H

#include <stddef.h>

struct gt_buf {
    char *data;      /* never NULL after the first append; "" before it */
    size_t length;   /* bytes before the NUL */
    size_t capacity; /* allocated bytes, 0 when nothing is */
};

void gt_buf_init(struct gt_buf *buf);
void gt_buf_release(struct gt_buf *buf);
void gt_buf_reset(struct gt_buf *buf);

/* Make room for `extra` more bytes and the NUL. Returns 0 or -1. */
int gt_buf_reserve(struct gt_buf *buf, size_t extra);
/* Append; each returns 0 or -1. */
int gt_buf_add(struct gt_buf *buf, const void *data, size_t length);
int gt_buf_adds(struct gt_buf *buf, const char *text);
int gt_buf_addf(struct gt_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Append `length` bytes of anything as valid UTF-8: each byte that is none becomes U+FFFD. */
int gt_buf_add_utf8(struct gt_buf *buf, const char *data, size_t length);

/* Append `length` bytes of anything as text for a terminal: valid UTF-8, with control
 * characters (C0, C1, DEL) and bidirectional overrides replaced by '?'. */
int gt_buf_add_visible(struct gt_buf *buf, const char *data, size_t length);

/* The same in place, where text stands already: a '?' for each byte that goes. */
void gt_text_make_visible(char *text);

/* Append `length` bytes of anything as the inside of a JSON string: quotes, backslashes and
 * control characters (NUL too) escaped, invalid UTF-8 replaced by U+FFFD, `<`, `>`, `&`,
 * U+2028 and U+2029 escaped so that the result is safe inside an HTML <script>. No quotes
 * are added around it. */
int gt_buf_add_json(struct gt_buf *buf, const char *data, size_t length);

#endif
