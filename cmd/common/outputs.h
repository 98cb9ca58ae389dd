/* SPDX-License-Identifier: MIT */
/*
 * The files that a program writes a report to. They are opened before the target runs, or the
 * recording is read, so that a path that cannot be written is found early; in the end each is
 * complete or absent.
 *
 *     gt_outputs_open → gt_outputs_write_* … → gt_outputs_release
 */
#ifndef GT_COMMON_OUTPUTS_H
#define GT_COMMON_OUTPUTS_H

#include "base/error.h"
#include "base/output.h"
#include "base/strvec.h"
#include "common/console.h"
#include "common/names.h"
#include "report/report.h"

#include <stdbool.h>
#include <stddef.h>

/* Starts as all zeros. */
struct gt_outputs {
    struct gt_output *files;
    enum gt_report_format *formats; /* of each file */
    size_t count;                   /* of files that are open */
    struct gt_output summary;
    bool has_summary; /* it is open */
    bool has_lines;   /* the summary is appended to a file, as a line (base/append.h): */
    int lines_fd;     /* -1: it is opened when the line is written, since its name has %p */
    struct gt_names names;
    char *const *asked;        /* the files' names as they were asked for, and … */
    const char *asked_summary; /* … the summary's; borrowed */
    bool expands;              /* they have % */
    const char *because;       /* why there is a report, said behind its name; NULL: nothing */
    char *page;                /* the first page that was written; NULL: none was */
};

/* The paths that -o named; where it named none, giltracer.html. NULL-terminated, borrowed. */
char *const *gt_outputs_paths(const struct gt_strvec *named);

/* Does the ending of every path name a format? Opens nothing. 0 or GT_ERR_USAGE. */
int gt_outputs_check(char *const *paths, struct gt_error *err);

/* Does anything of this show what-if estimates: the files, the summary, the table that is
 * printed unless `quiet`? */
bool gt_outputs_show_estimates(char *const *paths, const char *summary, bool quiet);

/* In the names given to gt_outputs_open from now on, % has a meaning (names.h). Where no rank
 * is known and one is asked for, `*no_rank` is set. 0 or GT_ERR_USAGE. */
int gt_outputs_expand(struct gt_outputs *outputs, char *const *paths, const char *summary,
                      bool *no_rank, struct gt_error *err);

/* The program is known: names with %p are complete. 0 or negative. */
int gt_outputs_set_pid(struct gt_outputs *outputs, int pid, struct gt_error *err);

/* Open all (NULL: there are none), and the summary's file unless `summary` is NULL. `stop` may
 * be NULL, and ends a wait for a reader, now and while they are written. 0 or negative; release
 * it then, too. */
int gt_outputs_open(struct gt_outputs *outputs, char *const *paths, const char *summary,
                    const struct gt_stop *stop, struct gt_error *err);

/* Write one file and make it appear; say so unless `quiet`. What another command left there is
 * kept (earlier.h). 0 or negative: it is abandoned. */
int gt_outputs_write_file(struct gt_outputs *outputs, size_t index,
                          const struct gt_report *report, bool quiet, struct gt_error *err);

/* The same for the summary, where there is to be one: a line, in one piece. To a file of lines
 * it is appended. */
int gt_outputs_write_summary(struct gt_outputs *outputs, const struct gt_report *report,
                             bool quiet, struct gt_error *err);

/* Print the findings and the tables to stderr. On a terminal, where the program is not
 * GIL-bound, the tables only with `all`. */
void gt_outputs_print_table(const struct gt_report *report, enum gt_color color, bool all);

/* Close and remove what was not written. Harmless when nothing is open. */
void gt_outputs_release(struct gt_outputs *outputs);

#endif
