/* SPDX-License-Identifier: MIT */
#include "common/user_labels.h"

#include "base/buf.h"
#include "report/sample_labels.h"

#include <stdlib.h>
#include <string.h>

static int refuse(struct gt_error *err, const char *text, const char *why)
{
    return gt_error_set(err, GT_ERR_USAGE, "--label %.80s: %s", text, why);
}

static size_t key_length(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return strspn(text, letters) ? strspn(text, all) : 0;
}

/* 1, 0, or -1 without memory. */
static int is_visible(const char *text, size_t length)
{
    struct gt_buf visible;
    int rc;

    gt_buf_init(&visible);
    rc = gt_buf_add_visible(&visible, text, length)
             ? -1
             : visible.length == length && memcmp(visible.data, text, length) == 0;
    gt_buf_release(&visible);
    return rc;
}

static const char *find(const struct gt_user_labels *labels, const char *key, size_t length)
{
    for (size_t i = 0; i < labels->count; i++)
        if (strncmp(labels->list[i].key, key, length) == 0 && !labels->list[i].key[length])
            return labels->list[i].value;
    return NULL;
}

/* A key of `length` bytes; the value ends with NUL. */
static int check(const char *text, size_t length, const char *value, struct gt_error *err)
{
    char key[GT_USER_LABEL_KEY_MAX + 1] = "";
    int visible;

    if (length > GT_USER_LABEL_KEY_MAX)
        return refuse(err, text, "a key has 63 bytes at most");
    memcpy(key, text, length);
    if (gt_sample_label_is_ours(key))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--label %s=…: profiles have a label %s already, which giltracer "
                            "writes: choose another key (my_%s)",
                            key, key, key);
    if (!value[0])
        return refuse(err, text, "it has no value: KEY=VALUE, or leave it out");
    if (strlen(value) > GT_USER_LABEL_VALUE_MAX)
        return refuse(err, text, "a value has 255 bytes at most");
    visible = is_visible(value, strlen(value));
    if (visible < 0)
        return gt_error_memory(err);
    return visible ? 0
                   : refuse(err, text,
                            "a value is UTF-8 without control characters and bidirectional "
                            "overrides");
}

static int push(struct gt_user_labels *labels, const char *key, size_t length,
                const char *value, struct gt_error *err)
{
    char *own_key, *own_value;

    if (labels->count == GT_USER_LABELS_MAX)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--label %.*s: a run has %d labels at most, and that many were "
                            "given before it: leave some out",
                            (int)length, key, GT_USER_LABELS_MAX);
    own_key = strndup(key, length);
    own_value = strdup(value);
    if (!own_key || !own_value) {
        free(own_key);
        free(own_value);
        return gt_error_memory(err);
    }
    labels->list[labels->count++] = (struct gt_label){own_key, own_value};
    return 0;
}

int gt_user_labels_add(struct gt_user_labels *labels, const char *text, struct gt_error *err)
{
    size_t length = key_length(text);
    int rc;

    if (!length || text[length] != '=')
        return refuse(err, text,
                      "it takes KEY=VALUE, a key of letters, digits and _ that begins with no "
                      "digit: service=checkout");
    rc = check(text, length, text + length + 1, err);
    if (rc < 0)
        return rc;
    if (find(labels, text, length))
        return refuse(err, text, "this key is given twice: leave one out");
    return push(labels, text, length, text + length + 1, err);
}

int gt_user_labels_add_json(struct gt_user_labels *labels, const json_t *value,
                            struct gt_error *err)
{
    const char *key;
    json_t *item;
    int rc = 0;

    json_object_foreach((json_t *)value, key, item)
    {
        const char *text = json_string_value(item);
        size_t length = strlen(key);

        if (!text || strlen(text) != json_string_length(item) || !length ||
            key_length(key) != length || find(labels, key, length))
            continue;
        rc = check(key, length, text, NULL);
        if (rc == 0)
            rc = push(labels, key, length, text, NULL);
        if (rc == GT_ERR_MEMORY)
            return gt_error_memory(err);
    }
    return 0;
}

int gt_user_labels_add_list(struct gt_user_labels *labels, const struct gt_label *list,
                            struct gt_error *err)
{
    int rc = 0;

    for (; rc == 0 && list && list->key; list++)
        if (!find(labels, list->key, strlen(list->key)))
            rc = push(labels, list->key, strlen(list->key), list->value, err);
    return rc;
}

void gt_user_labels_release(struct gt_user_labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        free((char *)labels->list[i].key);
        free((char *)labels->list[i].value);
    }
    *labels = (struct gt_user_labels){0};
}
