/* SPDX-License-Identifier: MIT */
#include "report/values.h"

#include <string.h>

/* Append to a list that becomes NULL when that fails, so that whoever packs it fails too. */
void gt_json_add(json_t **list, json_t *value)
{
    if (json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

void gt_json_set(json_t **object, const char *key, json_t *value)
{
    if (json_object_set_new(*object, key, value) == 0)
        return;
    json_decref(*object);
    *object = NULL;
}

json_t *gt_json_text(const char *data, size_t length)
{
    struct gt_buf clean;
    json_t *value = NULL;

    gt_buf_init(&clean);
    if (gt_buf_add_utf8(&clean, data, length) == 0)
        value = json_stringn(clean.data, clean.length);
    gt_buf_release(&clean);
    return value;
}

json_t *gt_json_optional(const char *text)
{
    return text ? gt_json_text(text, strlen(text)) : json_null();
}

json_t *gt_json_label(const struct gt_report *report, uint32_t thread)
{
    char label[64];
    size_t length = gt_timeline_thread_label(report->timeline, thread, label, sizeof(label));

    return gt_json_text(label, length);
}
