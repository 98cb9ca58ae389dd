/* SPDX-License-Identifier: MIT */
/*
 * The end of a recording that nobody ends in this process: a child that was forked while its
 * parent was attached to, when the parent is detached from; any process, when the giltracer
 * that attached the agent was killed. Such a process detaches by itself, in a thread that is
 * made for that, at its next uses of the GIL. Where it makes none it records nothing either.
 */
#ifndef GT_AGENT_ENDING_H
#define GT_AGENT_ENDING_H

/* The agent is attached; `detach` is to be called in the end, with the GIL. */
void gt_agent_ending_begin(int (*detach)(void));

/* Look whether the recording is over, at most a few times a second. Called once in many events,
 * by a thread that is not inside malloc, and has run for longer than the parts of os.fork()
 * that put the interpreter in order. */
void gt_agent_ending_look(void);

#endif
