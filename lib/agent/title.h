/* SPDX-License-Identifier: MIT */
/*
 * What this process is: its command line, which programs change to tell what they do
 * (setproctitle), and the name that multiprocessing gave it.
 */
#ifndef GT_AGENT_TITLE_H
#define GT_AGENT_TITLE_H

#include "agent/python.h"
#include "agent/thread.h"

/* To tell texts apart; never 0. */
uint64_t gt_agent_text_hash(const char *text, size_t length);

/* Find where this program's command line is, before it can forbid itself to open files.
 * Preserves errno. */
void gt_agent_title_init(void);

/* Note the command line, where it is another one than before. It is read from memory. The
 * thread is between gt_agent_enter and _leave. */
void gt_agent_title_look(struct gt_agent_thread *self);

/* The same for the name that multiprocessing gave this process. The GIL is held besides, and
 * an exception may be set, and lost. */
void gt_agent_role_look(struct gt_agent_thread *self);

#endif
