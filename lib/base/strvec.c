/* SPDX-License-Identifier: MIT */
#include "base/strvec.h"

#include <bsd/stdlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gt_strvec_init(struct gt_strvec *vec)
{
    memset(vec, 0, sizeof(*vec));
}

void gt_strvec_release(struct gt_strvec *vec)
{
    for (size_t i = 0; i < vec->count; i++)
        free(vec->items[i]);
    free(vec->items);
    gt_strvec_init(vec);
}

/* Takes ownership of `text`, also when it fails. */
static int push_owned(struct gt_strvec *vec, char *text)
{
    if (!text)
        return -1;
    if (vec->count + 2 > vec->capacity) {
        size_t capacity = vec->capacity ? vec->capacity * 2 : 16;
        char **items = reallocarray(vec->items, capacity, sizeof(*items));

        if (!items) {
            free(text);
            return -1;
        }
        vec->items = items;
        vec->capacity = capacity;
    }
    vec->items[vec->count++] = text;
    vec->items[vec->count] = NULL;
    return 0;
}

int gt_strvec_push(struct gt_strvec *vec, const char *text)
{
    return push_owned(vec, strdup(text));
}

int gt_strvec_pushf(struct gt_strvec *vec, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int length;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? -1 : push_owned(vec, text);
}

int gt_strvec_push_all(struct gt_strvec *vec, char *const *items)
{
    for (; items && *items; items++)
        if (gt_strvec_push(vec, *items))
            return -1;
    return 0;
}
