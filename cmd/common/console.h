/* SPDX-License-Identifier: MIT */
/* The only place where the programs write to stderr: messages, the table, the progress line. */
#ifndef GT_COMMON_CONSOLE_H
#define GT_COMMON_CONSOLE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strvec.h"

#include <stdbool.h>
#include <stddef.h>

/* The program whose messages these are; borrowed. Call it first. */
void gt_console_init(const char *program);

/* Write "PROGRAM: …\n", with bytes that a terminal would not show made visible. The progress
 * line, if there is one, is erased first. */
void gt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Write each line as a message. */
void gt_say_all(const struct gt_strvec *lines);
/* Write text as it is. */
void gt_say_text(const struct gt_buf *text);

/* Show one line, "PROGRAM: …", that the next message or progress erases; only on a terminal,
 * and only while no program of the user's writes to it: that would mix with what it draws.
 * ASCII. */
void gt_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void gt_progress_clear(void);
/* From now on none is shown. */
void gt_progress_never(void);

/* Is stderr a terminal? */
bool gt_console_is_terminal(void);
/* How many columns it has, for lines that are not to wrap; 0 where it is no terminal. gt_say
 * keeps to that itself. */
size_t gt_console_width(void);

enum gt_color { GT_COLOR_AUTO, GT_COLOR_ALWAYS, GT_COLOR_NEVER };

/* The argument of --color, NULL for --no-color. GT_ERR_USAGE with the possible ones. */
int gt_color_parse(const char *when, enum gt_color *color, struct gt_error *err);

/* Is text to be written in colors? GT_COLOR_AUTO: on a terminal, unless NO_COLOR is set. */
bool gt_console_wants_color(enum gt_color color);

#endif
