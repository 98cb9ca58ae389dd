/* SPDX-License-Identifier: MIT */
#include "common/console.h"

#include "base/width.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *program_name = "";
static bool progress_shown, progress_off;

void gt_console_init(const char *program)
{
    program_name = program;
}

bool gt_console_is_terminal(void)
{
    static int answer = -1;

    if (answer < 0)
        answer = isatty(STDERR_FILENO);
    return answer == 1;
}

size_t gt_console_width(void)
{
    enum { USUAL = 80, LEAST = 40 };
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    long long width = 0;

    if (!gt_console_is_terminal())
        return 0;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0 && columns)
        width = strtonum(columns, 0, INT16_MAX, NULL);
    return width == 0 ? USUAL : width < LEAST ? LEAST : (size_t)width;
}

/* stderr is the target's, too, and may be non-blocking: wait for room, but not so long that
 * cleaning up is delayed. */
static void put(const char *data, size_t length)
{
    enum { ROOM_MS = 1000 };
    struct pollfd poller = {STDERR_FILENO, POLLOUT, 0};

    while (length > 0) {
        ssize_t done = write(STDERR_FILENO, data, length);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN && poll(&poller, 1, ROOM_MS) > 0)
            continue;
        if (done <= 0)
            return;
        data += done;
        length -= (size_t)done;
    }
}

void gt_progress_clear(void)
{
    if (progress_shown)
        put("\r\033[K", 4);
    progress_shown = false;
}

void gt_say_all(const struct gt_strvec *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        gt_say("%s", lines->items[i]);
}

void gt_say_text(const struct gt_buf *text)
{
    gt_progress_clear();
    put(text->data, text->length);
}

/* Without allocating: it must also be possible to say that memory is exhausted. */
void gt_say(const char *format, ...)
{
    char line[2048];
    size_t length = (size_t)snprintf(line, sizeof(line) / 2, "%s: ", program_name);
    va_list args;

    va_start(args, format);
    vsnprintf(line + length, sizeof(line) - 1 - length, format, args);
    va_end(args);
    gt_text_make_visible(line + length);
    gt_text_wrap(line, gt_console_width());
    length = strlen(line);
    line[length++] = '\n';
    gt_progress_clear();
    put(line, length);
}

void gt_progress_never(void)
{
    progress_off = true;
}

void gt_progress(const char *format, ...)
{
    size_t width = gt_console_width(), begun;
    char text[160];
    va_list args;

    if (!width || progress_off)
        return;
    width = width < sizeof(text) ? width : sizeof(text);
    begun = (size_t)snprintf(text, width, "%s: ", program_name);
    va_start(args, format);
    if (begun < width)
        vsnprintf(text + begun, width - begun, format, args);
    va_end(args);
    gt_progress_clear();
    put(text, strlen(text));
    progress_shown = true;
}

int gt_color_parse(const char *when, enum gt_color *color, struct gt_error *err)
{
    if (!when || strcmp(when, "never") == 0)
        *color = GT_COLOR_NEVER;
    else if (strcmp(when, "always") == 0)
        *color = GT_COLOR_ALWAYS;
    else if (strcmp(when, "auto") == 0)
        *color = GT_COLOR_AUTO;
    else
        return gt_error_set(err, GT_ERR_USAGE, "--color takes auto, always or never, not %s",
                            when);
    return 0;
}

bool gt_console_wants_color(enum gt_color color)
{
    const char *no_color = getenv("NO_COLOR");

    if (color != GT_COLOR_AUTO)
        return color == GT_COLOR_ALWAYS;
    return gt_console_is_terminal() && !(no_color && *no_color);
}
