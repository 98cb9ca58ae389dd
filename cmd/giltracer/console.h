/* The only place where giltracer writes to stderr: messages, and the progress line. */
#ifndef GILTRACER_CONSOLE_H
#define GILTRACER_CONSOLE_H

#include "base/buf.h"
#include "base/strvec.h"

#include <stdbool.h>

/* "giltracer: …\n". The progress line, if there is one, is erased first. */
void gt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Each as a message. */
void gt_say_all(const struct gt_strvec *lines);
/* Text as it is. */
void gt_say_text(const struct gt_buf *text);

/* Show one line that the next message or progress erases; only on a terminal. */
void gt_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void gt_progress_clear(void);
/* Whether stderr is a terminal. */
bool gt_console_is_terminal(void);

#endif
