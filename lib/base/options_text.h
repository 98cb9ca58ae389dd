/* SPDX-License-Identifier: MIT */
/*
 * A program's help in other forms, all made from its table of options: the first screen of
 * --help, all of --help, the manual page (man(7)), and completions for bash, zsh and fish.
 * `giltracer --help man` and so on print them; the build installs what is printed.
 */
#ifndef GT_BASE_OPTIONS_TEXT_H
#define GT_BASE_OPTIONS_TEXT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"

/* What the argument of an option may be, by how the table calls it. */
struct gt_option_values {
    const char *argument; /* "SOURCE" */
    const char *values;   /* "auto uprobes futex", by blanks; NULL: the name of a file */
};

struct gt_help_section {
    const char *title; /* "EXIT STATUS" */
    const char *text;
};

/* All of it is constant, and outlives what is made of it. */
struct gt_program_help {
    const char *name;
    const char *version;
    const char *summary; /* a line: what it does, without a period */
    const char *usage;   /* lines, each begins with the program's name */
    const char *description;
    const struct gt_option *table;
    const struct gt_option_values *values;  /* ended by NULL */
    const struct gt_help_section *sections; /* behind the options; ended by NULL */
    const char *first_screen;               /* behind the common options; NULL: there is no
                                               first screen, --help prints all */
    const char *see_also;                   /* "perf2trace(1), perf(1)" */
    bool runs_commands;                     /* operands are a command and its arguments */
};

/* Append the form that `which` names: NULL (--help alone), "all", "man", "bash", "zsh", "fish".
 * 0; GT_ERR_USAGE: there is no such form; or GT_ERR_MEMORY. */
int gt_help_make(const struct gt_program_help *help, const char *which, struct gt_buf *text,
                 struct gt_error *err);

#endif
