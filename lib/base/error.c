/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int gt_error_set(struct gt_error *err, enum gt_err code, const char *format, ...)
{
    if (err) {
        va_list args;

        err->code = code;
        va_start(args, format);
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
        /* A path may hold any byte: none must break the one-line promise, or reach a terminal
         * as an escape sequence. */
        gt_text_make_visible(err->message);
    }
    return code;
}

static enum gt_err code_of_errno(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return GT_ERR_PERMISSION;
    case ENOENT:
        return GT_ERR_NOT_FOUND;
    case ENOMEM:
        return GT_ERR_MEMORY;
    default:
        return GT_ERR_IO;
    }
}

int gt_error_errno(struct gt_error *err, const char *format, ...)
{
    int number = errno;
    enum gt_err code = code_of_errno(number);

    if (err) {
        char text[768];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        gt_error_set(err, code, "%s: %s", text, strerror(number));
    }
    return code;
}

int gt_error_memory(struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_MEMORY, "out of memory");
}
