/* SPDX-License-Identifier: MIT */
#include "agent/late.h"

#include "agent/audit.h"
#include "agent/begin.h"
#include "agent/ending.h"
#include "agent/existing.h"
#include "agent/functions.h"
#include "agent/got.h"
#include "agent/interpreters.h"
#include "agent/lock_types.h"
#include "agent/log.h"
#include "agent/measure.h"
#include "agent/python.h"
#include "agent/qualified.h"
#include "agent/sem_slots.h"
#include "agent/settings.h"
#include "agent/start.h"
#include "agent/threads.h"
#include "agent/units.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

/* gt_agent_try_lock: a thread is in one of the two functions. What they do lets go of the GIL.
 */
static int32_t at_work;

#define EXPORT __attribute__((visibility("default")))

/* Nothing is recorded any more: let go of what was recorded to. False: not all yet. */
static bool close_files(void)
{
    gt_agent_record(false);
    gt_agent_qualified_forget();
    if (gt_agent.files_open && gt_agent_threads_close()) {
        gt_agent_units_release();
        gt_agent.files_open = false;
    }
    gt_agent_process_end();
    return !gt_agent.files_open;
}

/* The folder's files, and this thread's log in them. */
static int begin(void)
{
    struct gt_agent_thread *self;
    int rc = gt_agent_begin();

    if (rc)
        return rc;
    gt_agent.files_open = true;
    self = gt_agent_thread_here();
    gt_agent.preparer = self;
    gt_agent_newest.ticks = 0;
    gt_agent_sem_slots_forget();
    gt_agent_lock_types_forget();
    gt_agent_functions_renew();
    return self && gt_agent_log_begin(self, NULL) ? 0 : ENOMEM;
}

/* Between the first hook and the last changed entry of the GOT no Python code runs, so that no
 * other thread gets the GIL unseen. */
static int record(void)
{
    struct gt_agent_thread *self = gt_agent_self;
    bool functions = gt_agent_start_late();
    int rc;

    if (functions)
        gt_agent_qualified_learn();
    if (gt_agent_api.version) {
        gt_agent_interpreter_set_main(gt_agent_interpreter_of(gt_agent_api.thread_state()));
        gt_agent_existing_note(self, functions);
    }
    gt_agent.preparer = NULL;
    gt_agent_record(true);
    rc = gt_agent.late ? gt_agent_got_patch() : 0;
    if (rc) {
        if (functions)
            gt_agent_audit_stop();
        return rc;
    }
    gt_agent_measure_event(gt_agent_use_as_python);
    gt_agent_start_measured();
    return 0;
}

/* By these, the two are this library's, whatever else was loaded. */
extern int own_attach(const char *)
    __attribute__((alias(GT_AGENT_ATTACH), visibility("hidden")));
extern int own_detach(void) __attribute__((alias(GT_AGENT_DETACH), visibility("hidden")));

static int attach_alone(const char *settings)
{
    int rc;

    if (!gt_agent_python_find())
        return ENOENT;
    if (gt_agent.files_open && !close_files())
        return EBUSY;
    gt_agent_api_load(); /* else functions and names are not known, only the GIL */
    rc = gt_agent_settings_use(settings);
    if (rc)
        return rc;
    gt_agent.attached = true;
    gt_agent_ending_begin(own_detach);
    rc = begin();
    if (!rc)
        rc = record();
    gt_agent.preparer = NULL;
    if (rc) {
        if (gt_agent.control)
            close_files();
        gt_agent.attached = false;
    }
    return rc;
}

static int attach(const char *settings)
{
    int rc;

    if (gt_agent.attached || gt_agent.began)
        return EALREADY;
    gt_agent.pid = getpid();
    if (!gt_agent_try_lock(&at_work))
        return EBUSY;
    rc = attach_alone(settings);
    gt_agent_unlock(&at_work);
    return rc;
}

/* Another copy of the agent in this process, which was preloaded. */
static void *elsewhere(const char *name, void *here)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    return found == here ? NULL : found;
}

EXPORT int gt_agent_attach(const char *settings)
{
    int error = errno, rc;
    int (*other)(const char *);
    PyObject *type = NULL, *value = NULL, *traceback = NULL;

    *(void **)&other = elsewhere(GT_AGENT_ATTACH, (void *)own_attach);
    if (other)
        return other(settings);
    if (gt_agent_python_find() && gt_agent_api_load())
        gt_agent_api.PyErr_Fetch(&type, &value, &traceback);
    rc = attach(settings);
    if (gt_agent_api.version) {
        gt_agent_api.PyErr_Clear();
        gt_agent_api.PyErr_Restore(type, value, traceback);
    }
    errno = error;
    return rc;
}

/* Python's side of it. False: this is another interpreter. */
static bool stop_hooks(void)
{
    PyObject *type, *value, *traceback;
    bool done;

    if (!gt_agent_api.version)
        return true;
    gt_agent_api.PyErr_Fetch(&type, &value, &traceback);
    done = gt_agent_audit_stop();
    gt_agent_api.PyErr_Clear();
    gt_agent_api.PyErr_Restore(type, value, traceback);
    return done;
}

static int detach_alone(void)
{
    if (!gt_agent.attached) {
        close_files();
        return ENOTCONN;
    }
    if (!stop_hooks())
        return EXDEV;
    if (gt_agent.late)
        gt_agent_got_restore();
    gt_agent_clock_anchor(gt_agent.control);
    if (!gt_agent.forked) /* its children, which go on, end by themselves */
        __atomic_store_n(&gt_agent.control->over, 1, __ATOMIC_RELAXED);
    close_files();
    gt_agent.attached = gt_agent.stopped = false;
    return 0;
}

EXPORT int gt_agent_detach(void)
{
    int error = errno, rc;
    int (*other)(void);

    *(void **)&other = elsewhere(GT_AGENT_DETACH, (void *)own_detach);
    if (other)
        return other();
    if (!gt_agent.attached && !gt_agent.files_open)
        return ENOTCONN;
    if (!gt_agent_try_lock(&at_work))
        return EBUSY;
    rc = detach_alone();
    gt_agent_unlock(&at_work);
    errno = error;
    return rc;
}
