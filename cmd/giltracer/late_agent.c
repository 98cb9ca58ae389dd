/* SPDX-License-Identifier: MIT */
#include "late_agent.h"

#include "agent/wire.h"
#include "attach/remote.h"
#include "base/fs.h"
#include "control.h"
#include "launch/rights.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_openat2 /* glibc before 2.32 */
#define SYS_openat2 __NR_openat2
#endif

enum { STATUS_BYTES = 1 << 16, HEAD_BYTES = 4096 };

void gt_late_agent_init(struct gt_late_agent *agent, int control_fd)
{
    *agent = (struct gt_late_agent){.parent = -1, .folder = -1, .control_fd = control_fd};
}

int gt_late_agent_check(const struct gt_running *running, bool insist, struct gt_error *err)
{
    char path[PATH_MAX];
    int rc = gt_agent_find(path, sizeof(path), err);

    if (rc == 0)
        rc = gt_agent_check_file_limit(err);
    gt_rights_raise();
    if (rc == 0 && running)
        rc = gt_late_check(running, insist, err);
    gt_rights_lower();
    return rc;
}

/* --- where the process sees files --- */

struct owner {
    uid_t uid;
    gid_t gid;
};

/* Whose its files are: its effective ids. */
static int find_owner(const struct gt_running *running, struct owner *owner,
                      struct gt_error *err)
{
    struct gt_buf status;
    const char *uid, *gid;
    char path[64];
    int rc;

    gt_buf_init(&status);
    snprintf(path, sizeof(path), "/proc/%d/status", running->pid);
    rc = gt_fs_read(path, &status, STATUS_BYTES, err);
    uid = rc == 0 ? strstr(status.data, "\nUid:") : NULL;
    gid = rc == 0 ? strstr(status.data, "\nGid:") : NULL;
    if (uid && gid && sscanf(uid, "\nUid: %*u %u", &owner->uid) == 1 &&
        sscanf(gid, "\nGid: %*u %u", &owner->gid) == 1) {
        gt_buf_release(&status);
        return 0;
    }
    gt_buf_release(&status);
    return rc < 0 ? rc
                  : gt_error_set(err, GT_ERR_FORMAT, "cannot read whose process %d is",
                                 running->pid);
}

/* Do its paths lead where ours do? */
static bool sees_our_files(const struct gt_running *running)
{
    char path[64], ours[64] = "", its[64] = "";
    struct stat root, its_root;

    snprintf(path, sizeof(path), "/proc/%d/ns/mnt", running->pid);
    if (readlink("/proc/self/ns/mnt", ours, sizeof(ours) - 1) < 0 ||
        readlink(path, its, sizeof(its) - 1) < 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/root/.", running->pid);
    return strcmp(ours, its) == 0 && stat("/", &root) == 0 && stat(path, &its_root) == 0 &&
           root.st_dev == its_root.st_dev && root.st_ino == its_root.st_ino;
}

/* A folder of the process's own tree, whatever its links say: -1. */
static int open_inside(const struct gt_running *running, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    char name[64];
    int root, fd;

    snprintf(name, sizeof(name), "/proc/%d/root", running->pid);
    root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (root >= 0)
        close(root);
    return fd;
}

/* A private folder of the owner's in `place`; `forbidden`: ST_RDONLY, and perhaps ST_NOEXEC.
 * False: not there. */
static bool make_inside(struct gt_late_agent *agent, const struct gt_running *running,
                        const char *place, unsigned long forbidden, const struct owner *owner)
{
    struct statvfs fs;
    int parent = open_inside(running, place);

    if (parent < 0)
        return false;
    snprintf(agent->name, sizeof(agent->name), "giltracer-%08x%08x", arc4random(),
             arc4random());
    if (fstatvfs(parent, &fs) == 0 && !(fs.f_flag & forbidden) &&
        mkdirat(parent, agent->name, 0700) == 0) {
        agent->folder =
            openat(parent, agent->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (agent->folder >= 0 && fchown(agent->folder, owner->uid, owner->gid) == 0) {
            agent->parent = parent;
            snprintf(agent->inside, sizeof(agent->inside), "%s/%s", place, agent->name);
            return true;
        }
        if (agent->folder >= 0)
            close(agent->folder);
        agent->folder = -1;
        unlinkat(parent, agent->name, AT_REMOVEDIR);
    }
    close(parent);
    return false;
}

/* --- the library --- */

static bool copy_file(int from, int to)
{
    ssize_t got;

    do
        got = sendfile(to, from, NULL, 1 << 20);
    while (got > 0);
    return got == 0;
}

/* Into the folder that was made for the process. */
static int copy_library(struct gt_late_agent *agent, const char *library,
                        const struct owner *owner, struct gt_error *err)
{
    int from = open(library, O_RDONLY | O_CLOEXEC);
    int to = openat(agent->folder, GT_AGENT_NAME,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = 0;

    if (from < 0 || to < 0 || !copy_file(from, to) || fchown(to, owner->uid, owner->gid))
        rc = gt_error_errno(err, "cannot copy %s for the process", library);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return rc;
}

static bool read_head(const char *path, unsigned char head[HEAD_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool all = fd >= 0 && read(fd, head, HEAD_BYTES) == HEAD_BYTES;

    if (fd >= 0)
        close(fd);
    return all;
}

static bool is_same_head(const struct gt_running *running, const struct gt_mapping *mapping,
                         const unsigned char ours[HEAD_BYTES])
{
    unsigned char its[HEAD_BYTES];

    return gt_running_read(running, mapping->start, its, HEAD_BYTES) &&
           memcmp(ours, its, HEAD_BYTES) == 0;
}

/* The beginning of an agent that was loaded from memory, where its DT_SONAME is its only name.
 */
static bool is_in_memory(const struct gt_mapping *mapping)
{
    static const char name[] = "/memfd:" GT_AGENT_NAME;

    return !mapping->offset && strncmp(mapping->path, name, sizeof(name) - 1) == 0;
}

/* An agent that an earlier recording loaded is used again, if it is the same: the file's first
 * page, which has its build id, says so. The loader goes by the name. */
static bool find_loaded(struct gt_late_agent *agent, const struct gt_running *running,
                        const char *library)
{
    static const char gone[] = " (deleted)";
    unsigned char ours[HEAD_BYTES];
    unsigned in_memory = 0;

    if (!read_head(library, ours))
        return false;
    for (size_t i = 0; i < running->mapping_count; i++) {
        const struct gt_mapping *mapping = &running->mappings[i];
        const char *name = strstr(mapping->path, "/" GT_AGENT_NAME);
        size_t length = strlen(mapping->path), tail = sizeof(gone) - 1;

        if (is_in_memory(mapping))
            in_memory += is_same_head(running, mapping, ours) ? 1 : 2;
        if (!name || mapping->offset || !is_same_head(running, mapping, ours))
            continue;
        if (length > tail && strcmp(mapping->path + length - tail, gone) == 0)
            length -= tail;
        snprintf(agent->library, sizeof(agent->library), "%.*s", (int)length, mapping->path);
        return true;
    }
    if (in_memory == 1) /* where there are several, another might answer to the name */
        snprintf(agent->library, sizeof(agent->library), GT_AGENT_NAME);
    return in_memory == 1;
}

/* Is there another file loaded by this name, as after an upgrade? */
static bool is_taken(const struct gt_running *running, const char *library)
{
    for (size_t i = 0; i < running->mapping_count; i++)
        if (strncmp(running->mappings[i].path, library, strlen(library)) == 0)
            return true;
    return false;
}

/* --- all of it --- */

static int prepare_inside(struct gt_late_agent *agent, const struct gt_running *running,
                          const char *library, const struct owner *owner, struct gt_error *err)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run"};
    const size_t count = sizeof(places) / sizeof(places[0]);
    struct statvfs fs;
    int rc = 0;

    for (size_t i = 0; i < 2 * count && agent->folder < 0; i++)
        make_inside(agent, running, places[i % count],
                    i < count ? ST_RDONLY | ST_NOEXEC : ST_RDONLY, owner);
    if (agent->folder < 0)
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "no folder of process %d can be written (/tmp, /var/tmp, /dev/shm, "
                            "/run)",
                            running->pid);
    if (agent->library[0]) /* loaded already */
        return 0;
    agent->in_memory = fstatvfs(agent->folder, &fs) != 0 || fs.f_flag & ST_NOEXEC;
    rc = copy_library(agent, library, owner, err);
    snprintf(agent->library, sizeof(agent->library), "%.*s/%s", PATH_MAX / 2, agent->inside,
             GT_AGENT_NAME);
    return rc;
}

static int make_log(struct gt_late_agent *agent, const struct owner *owner,
                    const char *max_bytes, struct gt_agentlog_files *files,
                    struct gt_error *err)
{
    int rc = gt_agent_files(agent->folder, agent->inside, max_bytes, files, err);

    if (rc == 0 && (fchown(files->control, owner->uid, owner->gid) ||
                    fchown(files->log, owner->uid, owner->gid)))
        rc = gt_error_errno(err, "cannot give the agent's files to the process's user");
    return rc;
}

static int prepare(struct gt_late_agent *agent, const struct gt_running *running,
                   const char *library, const char *folder, const char *max_bytes, char **path,
                   struct gt_agentlog_files *files, struct gt_error *err)
{
    struct owner owner;
    bool ours;
    int rc = find_owner(running, &owner, err);

    if (rc < 0)
        return rc;
    gt_rights_raise(); /* to look at the process */
    ours = sees_our_files(running);
    if (!find_loaded(agent, running, library) && ours && !is_taken(running, library))
        snprintf(agent->library, sizeof(agent->library), "%s", library);
    gt_rights_lower();
    if (ours && agent->library[0] && owner.uid == geteuid()) {
        rc = gt_agent_folder(folder, max_bytes, path, files, err);
        if (rc == 0)
            snprintf(agent->inside, sizeof(agent->inside), "%s", *path);
        return rc;
    }
    gt_rights_raise();
    rc = prepare_inside(agent, running, library, &owner, err);
    if (rc == 0)
        rc = make_log(agent, &owner, max_bytes, files, err);
    gt_rights_lower();
    *path = strdup(agent->inside);
    return rc == 0 && !*path ? gt_error_memory(err) : rc;
}

/* The file is locked as long as this process lives: is_abandoned, and agent/ending.c. */
static void own(int control)
{
    const uint32_t yes = 1;

    if (flock(control, LOCK_EX | LOCK_NB) == 0)
        (void)!pwrite(control, &yes, sizeof(yes), offsetof(struct gt_wire_control, owned));
}

int gt_late_agent_prepare(struct gt_late_agent *agent, const struct gt_running *running,
                          const char *folder, const char *max_bytes, char **path,
                          struct gt_agentlog_files *files, struct gt_error *err)
{
    char found[PATH_MAX], library[PATH_MAX];
    int rc = gt_agent_find(found, sizeof(found), err);

    *path = NULL;
    if (rc == 0 && !realpath(found, library))
        rc = gt_error_errno(err, "cannot resolve %s", found);
    if (rc == 0)
        rc = prepare(agent, running, library, folder, max_bytes, path, files, err);
    if (rc == 0)
        own(files->control);
    return rc;
}

/* --- beginning and end --- */

/* The file of the recording that the process's agent is in: does its giltracer live? */
static bool is_abandoned(const struct gt_running *running, const struct gt_mapping *control)
{
    char folder[PATH_MAX];
    int dir, fd;
    bool locked;

    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(control->path, '/') - control->path),
             control->path);
    dir = open_inside(running, folder);
    fd = dir < 0 ? -1
                 : openat(dir, GT_WIRE_CONTROL_NAME,
                          O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return !locked; /* or it was removed */
}

static bool was_left_behind(const struct gt_running *running)
{
    struct gt_running now = {.pidfd = -1};
    bool abandoned = false;

    if (gt_running_open(&now, running->pid, NULL) == 0)
        for (size_t i = 0; i < now.mapping_count && !abandoned; i++)
            abandoned = now.mappings[i].writable &&
                        strstr(now.mappings[i].path, "/" GT_WIRE_CONTROL_NAME) &&
                        is_abandoned(&now, &now.mappings[i]);
    gt_running_release(&now);
    return abandoned;
}

/* Both ways failed, and the first one has something to say. */
static int combine(const struct gt_error *first, struct gt_error *err)
{
    const struct gt_error second = *err;

    return gt_error_set(err, second.code, "%s; %s", second.message, first->message);
}

/* By the interpreter's own protocol, or else by ptrace. */
static int inject(const struct gt_late_agent *agent, const struct gt_late_call *wanted,
                  const struct gt_running *running, const struct gt_python *python,
                  struct gt_late_told *told, struct gt_error *err)
{
    int folder = gt_remote_is_there(python) && !wanted->in_memory
                     ? open_inside(running, agent->inside)
                     : -1;
    int rc = GT_ERR_UNSUPPORTED;
    struct gt_error why = {0};

    if (folder >= 0) {
        rc = gt_remote_do(told, wanted, folder, agent->inside, running, python, &why);
        close(folder);
    }
    if (rc == 0)
        return 0;
    rc = gt_late_do(told, wanted, running, python, err);
    return rc < 0 && why.code && err ? combine(&why, err) : rc;
}

static int call(struct gt_late_agent *agent, const char *symbol, const char *settings,
                const struct gt_running *running, const struct gt_python *python, int *result,
                struct gt_error *err)
{
    const struct gt_late_call wanted = {agent->library, symbol, settings, agent->in_memory};
    struct gt_late_told told = {0};
    int rc;

    if (agent->control_fd)
        return gt_control_call(agent->control_fd, symbol, agent->library, settings, result,
                               err);
    rc = inject(agent, &wanted, running, python, &told, err);
    *result = told.result;
    if (rc == 0 && agent->in_memory) { /* from now on it is there */
        agent->in_memory = false;
        snprintf(agent->library, sizeof(agent->library), GT_AGENT_NAME);
    }
    return rc;
}

/* Where it is busy there for a moment, as with what a giltracer began that was killed: again.
 */
static int call_until_done(struct gt_late_agent *agent, const char *symbol,
                           const char *settings, const struct gt_running *running,
                           const struct gt_python *python, int *result, struct gt_error *err)
{
    enum { TRIES = 10 };
    const struct timespec moment = {0, 100000000};
    int rc = call(agent, symbol, settings, running, python, result, err);

    for (int i = 0; i < TRIES && rc == 0 && *result == EBUSY; i++) {
        nanosleep(&moment, NULL);
        rc = call(agent, symbol, settings, running, python, result, err);
    }
    return rc;
}

static int refused(const struct gt_running *running, int result, struct gt_error *err)
{
    if (result == EALREADY)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "another giltracer records process %d already", running->pid);
    if (result == EBUSY)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d cannot be recorded by the agent now: another tool has "
                            "replaced the same functions, or an earlier recording is still "
                            "ending there",
                            running->pid);
    return gt_error_set(err, GT_ERR_CHILD, "the agent does not begin in process %d: %s",
                        running->pid, strerror(result));
}

static int begin(struct gt_late_agent *agent, const char *settings,
                 const struct gt_running *running, const struct gt_python *python,
                 struct gt_error *err)
{
    int result, ended,
        rc = call_until_done(agent, GT_AGENT_ATTACH, settings, running, python, &result, err);

    /* A giltracer that was killed could not end its recording. */
    if (rc == 0 && result == EALREADY && was_left_behind(running)) {
        rc = call_until_done(agent, GT_AGENT_DETACH, "", running, python, &ended, err);
        if (rc == 0)
            rc = call_until_done(agent, GT_AGENT_ATTACH, settings, running, python, &result,
                                 err);
    }
    if (rc == 0 && result)
        rc = refused(running, result, err);
    return rc;
}

int gt_late_agent_begin(struct gt_late_agent *agent, const struct gt_agent_request *request,
                        const struct gt_running *running, const struct gt_python *python,
                        struct gt_error *err)
{
    struct gt_buf settings;
    int rc;

    gt_buf_init(&settings);
    rc = gt_agent_settings(request, agent->inside, &settings) ? gt_error_memory(err) : 0;
    gt_rights_raise();
    if (rc == 0)
        rc = begin(agent, settings.data, running, python, err);
    gt_rights_lower();
    gt_buf_release(&settings);
    agent->loaded = rc == 0;
    return rc;
}

int gt_late_agent_end(struct gt_late_agent *agent, const struct gt_running *running,
                      const struct gt_python *python, struct gt_error *err)
{
    int result = 0, rc;

    if (!agent->loaded)
        return 0;
    agent->loaded = false;
    if (agent->control_fd) /* it has done so itself */
        return 0;
    gt_rights_raise();
    rc = call_until_done(agent, GT_AGENT_DETACH, "", running, python, &result, err);
    gt_rights_lower();
    if (rc == 0 && result && result != ENOTCONN)
        rc = gt_error_set(err, GT_ERR_CHILD, "the agent does not end in process %d: %s",
                          running->pid, strerror(result));
    return rc;
}

void gt_late_agent_release(struct gt_late_agent *agent)
{
    if (agent->folder >= 0) {
        gt_rights_raise();
        (void)gt_fs_remove_folder(agent->parent, agent->name, agent->folder, NULL);
        gt_rights_lower();
        close(agent->parent);
    }
    gt_late_agent_init(agent, agent->control_fd);
}
