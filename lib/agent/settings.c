/* SPDX-License-Identifier: MIT */
#include "agent/settings.h"

#include "agent/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {
    GT_AGENT_ENV_DIR,    GT_AGENT_ENV_MAX_BYTES, GT_AGENT_ENV_PYTHON,  GT_AGENT_ENV_MAX_DEPTH,
    GT_AGENT_ENV_MIN_NS, GT_AGENT_ENV_INCLUDE,   GT_AGENT_ENV_EXCLUDE, GT_AGENT_ENV_C_CALLS,
    GT_AGENT_ENV_BUDGET, GT_AGENT_ENV_IMPORT,
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static bool attached; /* the values below hold */
static char *values[KEYS];

const char *gt_agent_setting(const char *key)
{
    if (!attached)
        return secure_getenv(key);
    for (int i = 0; i < KEYS; i++)
        if (!strcmp(keys[i], key))
            return values[i];
    return NULL;
}

/* "old\nvalue"; false: no memory. */
static bool append(char **to, const char *value, size_t length)
{
    size_t before = *to ? strlen(*to) + 1 : 0;
    char *longer = realloc(*to, before + length + 1);

    if (!longer)
        return false;
    if (before)
        longer[before - 1] = '\n';
    memcpy(longer + before, value, length);
    longer[before + length] = '\0';
    *to = longer;
    return true;
}

static int take_line(char *to[KEYS], const char *line, size_t length)
{
    for (int i = 0; i < KEYS; i++) {
        size_t key = strlen(keys[i]);

        if (length > key && line[key] == '=' && !memcmp(line, keys[i], key))
            return append(&to[i], line + key + 1, length - key - 1) ? 0 : ENOMEM;
    }
    return EINVAL;
}

int gt_agent_settings_use(const char *text)
{
    char *taken[KEYS] = {NULL};
    int rc = 0;

    for (size_t length; *text && !rc; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        rc = take_line(taken, text, length);
    }
    for (int i = 0; i < KEYS; i++) {
        free(rc ? taken[i] : values[i]);
        if (!rc)
            values[i] = taken[i];
    }
    attached = attached || !rc;
    return rc;
}
