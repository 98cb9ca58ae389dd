/* SPDX-License-Identifier: MIT */
#include "agent/ending.h"

#include "agent/clock.h"
#include "agent/folder.h"
#include "agent/process.h"
#include "agent/python.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_NS = 250000000 };

static int (*detach_by)(void);
static struct stat root; /* of the file system, as it was when the agent was attached */
static int32_t ending;   /* gt_agent_try_lock: there is a thread that detaches, or is to be */
static uint64_t next_ns; /* when to look again */

void gt_agent_ending_begin(int (*detach)(void))
{
    detach_by = detach;
    if (stat("/", &root))
        root.st_ino = 0;
}

/* The path to the control file leads nowhere: because it was removed, or because the process
 * has another root by now? */
static bool has_another_root(void)
{
    struct stat now;

    return !root.st_ino || stat("/", &now) || now.st_dev != root.st_dev ||
           now.st_ino != root.st_ino;
}

/* It has the control file locked for as long as it lives. */
static bool owner_is_gone(void)
{
    int fd = gt_agent_file_open(gt_agent.dir, GT_WIRE_CONTROL_NAME, 0);
    bool gone;

    if (fd < 0)
        return errno == ENOENT && !has_another_root();
    gone = !flock(fd, LOCK_SH | LOCK_NB);
    gt_agent_file_close(fd);
    return gone;
}

static bool is_over(void)
{
    const struct gt_wire_control *control = gt_agent.control;

    return __atomic_load_n(&control->over, __ATOMIC_RELAXED) ||
           (__atomic_load_n(&control->owned, __ATOMIC_RELAXED) && owner_is_gone());
}

/* With the GIL, outside of everything. Another recording may have begun meanwhile. 0, or why
 * the agent cannot be detached. */
static int detach(void)
{
    int (*ensure)(void);
    void (*release)(int);
    int state, rc = 0;

    *(void **)&ensure = gt_agent_python_symbol("PyGILState_Ensure");
    *(void **)&release = gt_agent_python_symbol("PyGILState_Release");
    if (!ensure || !release || !gt_agent_api.Py_IsInitialized())
        return ENOSYS;
    state = ensure();
    if (gt_agent.attached ? is_over() : gt_agent.files_open)
        rc = detach_by();
    release(state);
    return rc == ENOTCONN ? 0 : rc;
}

/* A thread that had no CPU may have been writing to the files: then they are still open. */
static void *end(void *unused)
{
    enum { TRIES = 100 };
    const struct timespec moment = {0, 50000000};
    int rc = detach();

    (void)unused;
    for (int i = 0; rc == 0 && gt_agent.files_open && !gt_agent.attached && i < TRIES; i++) {
        nanosleep(&moment, NULL);
        rc = detach();
    }
    if (rc == 0 || rc == EBUSY) /* else another thread would fare no better */
        gt_agent_unlock(&ending);
    return NULL;
}

static bool make_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    bool made;

    if (pthread_attr_init(&attributes))
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* the program's handlers are not to run there */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    made = !pthread_create(&thread, &attributes, end, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return made;
}

void gt_agent_ending_look(void)
{
    uint64_t now_ns = gt_agent_monotonic_ns();
    int error = errno;

    if (!gt_agent.attached || now_ns < __atomic_load_n(&next_ns, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&next_ns, now_ns + LOOK_NS, __ATOMIC_RELAXED);
    if (is_over() && gt_agent_try_lock(&ending) && !make_thread())
        gt_agent_unlock(&ending);
    errno = error;
}
