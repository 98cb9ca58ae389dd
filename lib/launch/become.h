/* SPDX-License-Identifier: MIT */
/*
 * Giving root up for good, in a child that is about to become another program. Like the gate,
 * of which it is a part, it needs nothing but libc.
 *
 * Whom to become is text, since it is an argument of the gate: "UID:GID:GROUP,GROUP,…", all
 * decimal, the supplementary groups possibly none. The names behind them are looked up by
 * giltracer (sudo.h): a static program cannot.
 */
#ifndef GT_LAUNCH_BECOME_H
#define GT_LAUNCH_BECOME_H

/* argv[0] of the helper that becomes a user and then a program:
 * GT_BECOME_NAME IDENTITY FILE ARGV… */
#define GT_BECOME_NAME "giltracer-become"
/* An IDENTITY: the same user, but CAP_SYSLOG is given up, so that the kernel does not tell
 * where its functions are. perf record would read them all, three times (60 ms), to name what
 * is not recorded. Where it cannot be given up, the program is executed all the same. */
#define GT_BECOME_WITHOUT_SYSLOG "without-syslog"
enum { GT_BECOME_FIXED_ARGS = 3 };

/*
 * Real, effective and saved ids and the supplementary groups become those of `identity`; all
 * capabilities go, ambient and inheritable ones too. All of it is read back: 0 only when
 * nothing of root is left and root cannot be had back. Else an errno: the process must end
 * then.
 */
int gt_become(const char *identity);

/* The helper's main: returns the exit status when the program was not executed, having said why
 * on stderr. */
int gt_become_main(char **argv);

#endif
