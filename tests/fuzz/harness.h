/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. What is read is hostile, so nothing may crash, leak, overflow or
 * take for ever, and whatever can be read must keep the promises of the headers: the invariants
 * of timeline.h, blame that adds up, outputs that are well-formed and safe to look at.
 *
 *     scripts/test --fuzz 10        each target for ten minutes, by libFuzzer (tests/fuzz/run)
 *
 * Without GT_FUZZ each target is a program that replays the files given to it, and CTest has it
 * replay its corpus.
 */
#ifndef GT_TESTS_FUZZ_HARNESS_H
#define GT_TESTS_FUZZ_HARNESS_H

#include "ingest/ingest.h"
#include "report/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By libFuzzer's rules, called for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Else the input is a finding. */
void must(bool holds, const char *what);

/* What is left of an input that is cut into the files of a log. */
struct input {
    const uint8_t *data;
    size_t size;
};

/* Write the next `size` bytes, where there are so many, into the file there. */
void put(int fd, struct input *input, size_t size, size_t at);

/* The path of a file that holds these bytes, until the next call. */
const char *file_of(const uint8_t *data, size_t size);

/* A copy with a NUL behind it, in a block of its own: AddressSanitizer sees its end. */
char *text_of(const uint8_t *data, size_t size);

/* Finish a recording; when a report can be made of it, write everything that reports are
 * written as. `options` may be NULL. */
void check_report(struct gt_ingest *ingest, const struct gt_run_info *info,
                  const struct gt_report_options *options);

/* The same of a recording that is finished already. */
void check_recorded(const struct gt_recorded *recorded, const struct gt_run_info *info,
                    const struct gt_report_options *options);

#endif
