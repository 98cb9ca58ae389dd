/* SPDX-License-Identifier: MIT */
#include "event/python_file.h"

#include <string.h>

static bool starts(const char *text, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

bool gt_is_python_file(const char *path, size_t length)
{
    const char *slash = memrchr(path, '/', length);

    if (slash) {
        length -= (size_t)(slash + 1 - path);
        path = slash + 1;
    }
    if (starts(path, length, "libpython3"))
        return true;
    if (!starts(path, length, "python"))
        return false;
    for (size_t i = 6; i < length; i++)
        if (!strchr("0123456789.dmtu", path[i]) || !path[i])
            return length - i == 4 && memcmp(path + i, "-dbg", 4) == 0;
    return true;
}
