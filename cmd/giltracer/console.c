#include "console.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool progress_shown;

bool gt_console_is_terminal(void)
{
    static int answer = -1;

    if (answer < 0)
        answer = isatty(STDERR_FILENO);
    return answer == 1;
}

/* Our stderr is the target's too, and may be non-blocking: wait for room, but not so long
 * that the clean-up is held up. */
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

void gt_say(const char *format, ...)
{
    struct gt_buf line;
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gt_text_make_visible(text);
    gt_buf_init(&line);
    gt_buf_addf(&line, "giltracer: %s\n", text);
    gt_say_text(&line);
    gt_buf_release(&line);
}

void gt_progress(const char *format, ...)
{
    char text[160];
    va_list args;

    if (!gt_console_is_terminal())
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gt_progress_clear();
    put(text, strlen(text));
    progress_shown = true;
}
