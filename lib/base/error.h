/* SPDX-License-Identifier: MIT */
/*
 * Errors as values: lib/ never prints and never exits.
 *
 * A function that can fail returns 0 or a positive result on success and a negative
 * `enum gt_err` on failure; its last argument is a `struct gt_error *`, untouched on
 * success and filled on failure with one line that names what happened, to what, and the
 * remedy. The argument may be NULL where the caller does not need the text.
 */
#ifndef GT_BASE_ERROR_H
#define GT_BASE_ERROR_H

enum gt_err {
    GT_ERR_IO = -1,          /* a read, write, open or rename failed (errno in the text) */
    GT_ERR_MEMORY = -2,      /* an allocation failed */
    GT_ERR_USAGE = -3,       /* the command line asks for something impossible */
    GT_ERR_NOT_FOUND = -4,   /* a file, program, symbol or event that was named is missing */
    GT_ERR_PERMISSION = -5,  /* the kernel refuses for lack of privilege */
    GT_ERR_FORMAT = -6,      /* input is not of the format it should have */
    GT_ERR_UNSUPPORTED = -7, /* this machine, tool version or interpreter cannot do it */
    GT_ERR_CHILD = -8,       /* a child process failed or could not be started */
    GT_ERR_CANCELLED = -9,   /* the user asked to stop */
};

struct gt_error {
    enum gt_err code;
    char message[1024]; /* one line of visible text, no trailing newline */
};

/* Fill `err` (if not NULL) and return `code`, so that `return gt_error_set(...)` reads well. */
int gt_error_set(struct gt_error *err, enum gt_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": <strerror(errno)>" appended; picks PERMISSION for EACCES/EPERM,
 * NOT_FOUND for ENOENT, MEMORY for ENOMEM, and IO otherwise. */
int gt_error_errno(struct gt_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* GT_ERR_MEMORY with its standard text. */
int gt_error_memory(struct gt_error *err);

#endif
