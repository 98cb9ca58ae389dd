/* SPDX-License-Identifier: MIT */
#include "launch/cleanup.h"

#include "agent/wire.h"
#include "base/buf.h"
#include "base/environ.h"
#include "base/fs.h"
#include "base/nstime.h"
#include "launch/owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 50,
    POLITE_MS = 2000, /* tools are asked to end, then killed */
    GIVE_UP_MS = 5000,
    PROBES_LIMIT = 4 << 20,
};

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static int64_t ms_since(int64_t start_ns)
{
    return (gt_now_ns() - start_ns) / 1000000;
}

/* --- tools --- */

/* Does it have the variable, as giltracer set it? */
static bool is_tool(pid_t pid, const char *owner)
{
    struct gt_buf entries;
    const char *value = NULL;
    bool found;

    gt_buf_init(&entries);
    if (gt_environ_read(pid, &entries) == 0)
        value = gt_environ_find(&entries, GT_OWNER_VARIABLE);
    found = value && strcmp(value, owner) == 0;
    gt_buf_release(&entries);
    return found;
}

/* The descriptor is that of the process which is looked at: its number may be another's soon.
 */
static bool signal_if_tool(pid_t pid, const char *owner, int number)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool is_one = is_tool(pid, owner);

    if (is_one && fd >= 0)
        syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
    else if (is_one) /* before Linux 5.3 */
        kill(pid, number);
    if (fd >= 0)
        close(fd);
    return is_one;
}

static bool signal_tools(const char *owner, int number)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    bool any = false;

    while (dir && (entry = readdir(dir))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && pid != getpid())
            any |= signal_if_tool(pid, owner, number);
    }
    if (dir)
        closedir(dir);
    return any;
}

/* perf uses the probes until it has ended. */
static void end_tools(const char *owner)
{
    int64_t start_ns = gt_now_ns();

    while (signal_tools(owner, ms_since(start_ns) < POLITE_MS ? SIGTERM : SIGKILL) &&
           ms_since(start_ns) < GIVE_UP_MS)
        pause_ms(LOOK_MS);
}

/* --- probes --- */

/* Remove the probe of a line "p:GROUP/EVENT FILE:OFFSET …", if it is the owner's. */
static bool remove_probe(int events, const char *line, const char *owner)
{
    char group[GT_OWNER_SIZE], event[128], command[256];
    int length;

    if (sscanf(line, "%*c:%63[^/ ]/%127[^ ]", group, event) != 2 || strcmp(group, owner) != 0)
        return false;
    length = snprintf(command, sizeof(command), "-:%s/%s\n", group, event);
    (void)!write(events, command, (size_t)length); /* fails while somebody uses it */
    return true;
}

static bool remove_probes_of(const char *path, const char *owner)
{
    /* The kernel removes every probe when the file is truncated. */
    int events = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    struct gt_buf text;
    bool any = false;

    if (events < 0)
        return false;
    gt_buf_init(&text);
    if (gt_fs_read(path, &text, PROBES_LIMIT, NULL) == 0)
        for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n"))
            any |= remove_probe(events, line, owner);
    gt_buf_release(&text);
    close(events);
    return any;
}

static void remove_probes(const char *owner)
{
    static const char *const places[] = {"/sys/kernel/tracing/uprobe_events",
                                         "/sys/kernel/debug/tracing/uprobe_events"};
    int64_t start_ns = gt_now_ns();

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        while (remove_probes_of(places[i], owner) && ms_since(start_ns) < GIVE_UP_MS)
            pause_ms(LOOK_MS);
}

/* --- the folder --- */

/* A program that runs on has the log mapped, which takes room until the program ends: have it
 * take no more of it. Its units stay as they are; no further one is given out. */
static void stop_agents(int folder)
{
    int agent = openat(folder, "agent", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int fd = agent < 0 ? -1
                       : openat(agent, GT_WIRE_CONTROL_NAME,
                                O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct gt_wire_control *control = MAP_FAILED;
    struct stat st, own;

    /* Under sudo the folder is the user's, and this process is root: a file of anybody else's,
     * under a second name, is not written. */
    if (fd >= 0 && fstat(fd, &st) == 0 && fstat(folder, &own) == 0 && S_ISREG(st.st_mode) &&
        st.st_uid == own.st_uid && st.st_nlink == 1 && st.st_size >= (off_t)sizeof(*control))
        control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control != MAP_FAILED) {
        __atomic_fetch_add(&control->units, UINT32_MAX, __ATOMIC_ACQ_REL);
        munmap(control, sizeof(*control));
    }
    if (fd >= 0)
        close(fd);
    if (agent >= 0)
        close(agent);
}

void gt_cleanup(const char *owner, struct gt_claim *claim)
{
    struct gt_owner parsed;

    if (gt_owner_parse(owner, &parsed)) {
        end_tools(owner);
        remove_probes(owner);
    }
    if (claim->folder < 0)
        return;
    stop_agents(claim->folder);
    gt_claim_remove(claim, NULL);
}
