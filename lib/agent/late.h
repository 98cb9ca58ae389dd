/* SPDX-License-Identifier: MIT */
/*
 * The agent that is loaded into a program that runs already, and its end there. Whoever loads
 * it (giltracer's injection, the remote-debugging protocol, the package of scripts/python)
 * calls these two by their names, GT_AGENT_ATTACH and GT_AGENT_DETACH of wire.h.
 *
 * Each is called by a thread that is attached to the interpreter and holds the GIL, outside of
 * malloc and the dynamic linker. They take some ms, call no Python code of the program's, and
 * leave errno, the pending exception, sys.settrace and sys.setprofile as they were. The library
 * must have been loaded by a path with a slash, and is never unloaded.
 *
 * Recorded are: the GIL and CPython's locks in all threads, functions in the interpreter of the
 * calling thread where they are wanted, and children that are forked from then on. Calls that
 * are open at that moment are recorded as calls that begin then, but for those of functions of
 * C. What a thread waits for already is seen once it waits again, for the GIL at its next
 * switch interval.
 */
#ifndef GT_AGENT_LATE_H
#define GT_AGENT_LATE_H

/*
 * Begin to record. `settings` are lines "KEY=VALUE\n" with the keys that the environment of a
 * preloaded agent has (GT_AGENT_ENV_* in wire.h); a value of several lines has its key before
 * each of them. 0, or an errno, and then nothing has changed:
 *
 *     EALREADY  the agent is attached here, or was preloaded and records
 *     EBUSY     another tool has replaced the functions by which the GIL is seen, what an
 *               earlier recording left behind is still in use, or another thread is in one of
 *               these functions: try again
 *     EINVAL    a setting is unknown, or the folder is not one of this user's alone
 *     ENOENT    no CPython is here whose calls could be seen
 *
 * and what opening and mapping the files of the folder gives.
 */
int gt_agent_attach(const char *settings);

/* End that: the entries that were changed lead where they led before, hooks, callbacks and the
 * tool id of sys.monitoring are gone, and the files are closed, but for those to which a thread
 * was just writing that has no CPU: the next call closes them. 0; ENOTCONN: it was not
 * attached; EBUSY: another thread is attaching it, or detaching it: try again; EXDEV: this
 * thread is in another interpreter than that which attached it. */
int gt_agent_detach(void);

#endif
