/* SPDX-License-Identifier: MIT */
/* Private to report/: a blocker (analysis/blockers.h) in words. All text is valid UTF-8 and
 * safe for a terminal. */
#ifndef GT_REPORT_BLOCKER_TEXT_H
#define GT_REPORT_BLOCKER_TEXT_H

#include "analysis/judgement.h"
#include "report/grid.h"
#include "report/internal.h"

struct gt_blocker_text {
    struct gt_buf function; /* "time.sleep", "C.method", "import in f" */
    struct gt_buf name;     /* the same for machines: of a thread never its tid */
    struct gt_buf file;     /* where to look: of a C function, its caller's; may be empty */
    struct gt_buf caller;   /* may be empty */
    struct gt_buf sentence; /* what happened, and the remedy */
    uint32_t line;          /* 0: not known */
    const char *kind;       /* "python", "c", "gc", "native" */
    const char *cause; /* why it kept the GIL: "call", "loop", "gc", "import", "operation"; NULL
                          when it did not */
    struct gt_judgement judgement;
};

/* 0 or -1 (no memory); then nothing need be released. */
int gt_blocker_text_init(struct gt_blocker_text *text, const struct gt_report *report,
                         const struct gt_blocker *row);
void gt_blocker_text_release(struct gt_blocker_text *text);

/* A short form of the path, for a line on a terminal: of installed code the module's file, of
 * the program's own what is below the working directory. Points into `file`. */
const char *gt_blocker_text_short_file(const struct gt_report *report, const char *file);

/* A cell with where to look: "json/decoder.py:343 (JSONDecoder.decode)". 0 or -1. */
int gt_blocker_text_add_place(const struct gt_report *report,
                              const struct gt_blocker_text *text, struct gt_grid *grid);

/* Append a sentence on the convoy that the threads of a GIL form, where they do. 0 or -1. */
int gt_convoy_say(const struct gt_report *report, uint32_t gil, struct gt_buf *text);

#endif
