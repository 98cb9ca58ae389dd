/* SPDX-License-Identifier: MIT */
#include "attach/running.h"

#include "base/fs.h"
#include "base/strvec.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STATUS_BYTES = 1 << 16, MAPS_BYTES = 64 << 20, WORDS_BYTES = 1 << 20 };

/* "Name:\tvalue" of /proc/…/status; NULL: it is not there. */
static const char *field(const char *status, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

static int no_process(int pid, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_NOT_FOUND,
                        "there is no process %d (--pid takes the number "
                        "that ps shows)",
                        pid);
}

static int check_status(int pid, struct gt_error *err)
{
    struct gt_buf status;
    const char *state, *group;
    char path[64];
    int rc = 0, leader;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    gt_buf_init(&status);
    if (gt_fs_read(path, &status, STATUS_BYTES, NULL) < 0) {
        gt_buf_release(&status);
        return no_process(pid, err);
    }
    state = field(status.data, "State");
    group = field(status.data, "Tgid");
    leader = group ? (int)strtol(group, NULL, 10) : pid;
    if (leader != pid)
        rc = gt_error_set(err, GT_ERR_UNSUPPORTED,
                          "%d is a thread of process %d: name the process", pid, leader);
    else if (state && strchr("ZX", *state))
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "process %d has ended: it is a zombie, which its parent has not "
                          "waited for yet",
                          pid);
    gt_buf_release(&status);
    return rc;
}

static int find_exe(struct gt_running *running, struct gt_error *err)
{
    char path[64], exe[PATH_MAX];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/%d/exe", running->pid);
    length = readlink(path, exe, sizeof(exe) - 1);
    if (length < 0 && (errno == EACCES || errno == EPERM))
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "process %d belongs to another user, or may not be looked at: run "
                            "giltracer as root",
                            running->pid);
    if (length < 0)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d runs no program: it is the kernel's, or is ending",
                            running->pid);
    exe[length] = '\0';
    running->exe = strdup(exe);
    return running->exe ? 0 : gt_error_memory(err);
}

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   PATH" */
static bool parse_mapping(char *line, struct gt_mapping *mapping)
{
    unsigned long long start, end, offset, inode;
    char modes[8];
    int at = 0;

    if (sscanf(line, "%llx-%llx %7s %llx %*x:%*x %llu %n", &start, &end, modes, &offset, &inode,
               &at) < 5 ||
        at == 0)
        return false;
    *mapping = (struct gt_mapping){
        .start = start,
        .end = end,
        .offset = offset,
        .inode = inode,
        .writable = modes[1] == 'w',
        .executable = modes[2] == 'x',
        .path = line + at,
    };
    return true;
}

static int read_maps(struct gt_running *running, struct gt_error *err)
{
    char path[64], *next;
    size_t lines = 1;

    snprintf(path, sizeof(path), "/proc/%d/maps", running->pid);
    gt_buf_init(&running->maps_text);
    if (gt_fs_read(path, &running->maps_text, MAPS_BYTES, NULL) < 0)
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "process %d belongs to another user, or may not be looked at: run "
                            "giltracer as root",
                            running->pid);
    for (const char *at = running->maps_text.data; *at; at++)
        lines += *at == '\n';
    running->mappings = calloc(lines, sizeof(*running->mappings));
    if (!running->mappings)
        return gt_error_memory(err);
    for (char *line = running->maps_text.data; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        running->mapping_count +=
            parse_mapping(line, &running->mappings[running->mapping_count]);
    }
    return 0;
}

int gt_running_open(struct gt_running *running, int pid, struct gt_error *err)
{
    int rc;

    memset(running, 0, sizeof(*running));
    running->pid = pid;
    running->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    rc = check_status(pid, err);
    if (rc == 0)
        rc = find_exe(running, err);
    if (rc == 0)
        rc = read_maps(running, err);
    /* Its number may have been given to another process meanwhile. */
    if (rc == 0 && running->pidfd >= 0 &&
        syscall(SYS_pidfd_send_signal, running->pidfd, 0, NULL, 0) && errno == ESRCH)
        rc = no_process(pid, err);
    return rc;
}

void gt_running_release(struct gt_running *running)
{
    if (running->pidfd >= 0)
        close(running->pidfd);
    free(running->exe);
    free(running->mappings);
    gt_buf_release(&running->maps_text);
    memset(running, 0, sizeof(*running));
    running->pidfd = -1;
}

bool gt_running_read(const struct gt_running *running, uint64_t address, void *data,
                     size_t length)
{
    struct iovec local = {data, length};
    struct iovec remote = {(void *)(uintptr_t)address, length};

    return process_vm_readv(running->pid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

int gt_running_check_memory(const struct gt_running *running, struct gt_error *err)
{
    char byte;

    for (size_t i = 0; i < running->mapping_count; i++) {
        struct iovec local = {&byte, 1};
        struct iovec remote = {(void *)(uintptr_t)running->mappings[i].start, 1};

        if (process_vm_readv(running->pid, &local, 1, &remote, 1, 0) == 1)
            return 0;
        if (errno == EPERM)
            return gt_error_set(err, GT_ERR_PERMISSION,
                                "the memory of process %d may not be read: run giltracer as "
                                "root (kernel.yama.ptrace_scope, or a sandbox, keeps its own "
                                "user from it)",
                                running->pid);
        if (errno == ESRCH)
            return no_process(running->pid, err);
    }
    return gt_error_set(err, GT_ERR_IO, "the memory of process %d cannot be read",
                        running->pid);
}

/* --- threads --- */

/* The last number of "NSpid:" is the one that the process itself knows. */
static int inner_tid_of(const char *status, int tid)
{
    const char *numbers = field(status, "NSpid");
    int inner = tid;
    char *end;

    while (numbers) {
        long number = strtol(numbers, &end, 10);

        if (end == numbers)
            break;
        inner = (int)number;
        numbers = *end == '\n' ? NULL : end;
    }
    return inner;
}

/* "NUMBER ARGUMENTS×6 SP PC", "-1 SP PC", or "running". */
static void parse_call(const char *text, struct gt_running_thread *thread)
{
    unsigned long long a[6], sp, pc;
    long number;
    int got = sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &number, &a[0], &a[1],
                     &a[2], &a[3], &a[4], &a[5], &sp, &pc);

    if (got == 9) {
        thread->call = number;
        for (int i = 0; i < 6; i++)
            thread->arguments[i] = a[i];
        thread->pc = pc;
    } else if (got == 3 && number == -1) {
        thread->call = -1;
        thread->pc = a[1];
    }
}

static bool read_thread(const struct gt_running *running, struct gt_running_thread *thread)
{
    struct gt_buf text;
    const char *name;
    char path[80];
    bool found;

    gt_buf_init(&text);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", running->pid, thread->tid);
    found = gt_fs_read(path, &text, STATUS_BYTES, NULL) == 0;
    if (found) {
        const char *state = field(text.data, "State");

        name = field(text.data, "Name");
        thread->state = state ? *state : '?';
        thread->inner_tid = inner_tid_of(text.data, thread->tid);
        snprintf(thread->comm, sizeof(thread->comm), "%.*s",
                 name ? (int)strcspn(name, "\n") : 0, name ? name : "");
    }
    gt_buf_reset(&text);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", running->pid, thread->tid);
    thread->call = -2;
    if (found && gt_fs_read(path, &text, STATUS_BYTES, NULL) == 0)
        parse_call(text.data, thread);
    gt_buf_release(&text);
    return found;
}

int gt_running_threads(const struct gt_running *running, struct gt_chunks *threads,
                       struct gt_error *err)
{
    struct dirent *entry;
    char path[64];
    DIR *dir;
    int rc = 0;

    snprintf(path, sizeof(path), "/proc/%d/task", running->pid);
    dir = opendir(path);
    while (rc == 0 && dir && (entry = readdir(dir))) {
        struct gt_running_thread thread = {.tid = (int)strtol(entry->d_name, NULL, 10)};
        struct gt_running_thread *kept;

        if (thread.tid <= 0 || !read_thread(running, &thread))
            continue;
        kept = gt_chunks_push(threads);
        if (kept)
            *kept = thread;
        else
            rc = gt_error_memory(err);
    }
    if (dir)
        closedir(dir);
    return rc;
}

/* --- files --- */

static bool is_file(const char *path, uint64_t inode)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_ino == inode;
}

/* The kernel names files as its mount namespace does, and /proc/PID/root is its own root in
 * there: skip that. */
static const char *below_its_root(const struct gt_running *running, const char *path)
{
    char link[64], root[PATH_MAX];
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/%d/root", running->pid);
    length = readlink(link, root, sizeof(root) - 1);
    if (length <= 1 || strncmp(path, root, (size_t)length) != 0 || path[length] != '/')
        return path;
    return path + length;
}

bool gt_running_reach(const struct gt_running *running, const struct gt_mapping *mapping,
                      char *path, size_t size, bool *elsewhere)
{
    int length;

    *elsewhere = false;
    length = snprintf(path, size, "%s", mapping->path);
    if (length > 0 && (size_t)length < size && is_file(path, mapping->inode))
        return true;
    *elsewhere = true;
    length = snprintf(path, size, "/proc/%d/root%s", running->pid,
                      below_its_root(running, mapping->path));
    return length > 0 && (size_t)length < size && is_file(path, mapping->inode);
}

int gt_running_words(const struct gt_running *running, struct gt_strvec *words,
                     struct gt_error *err)
{
    struct gt_buf text;
    char path[64];
    int failed = 0;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", running->pid);
    gt_buf_init(&text);
    if (gt_fs_read(path, &text, WORDS_BYTES, NULL) == 0)
        for (const char *word = text.data; word < text.data + text.length;
             word += strlen(word) + 1)
            failed |= gt_strvec_push(words, word);
    if (!words->count)
        failed |= gt_strvec_push(words, running->exe);
    gt_buf_release(&text);
    return failed ? gt_error_memory(err) : 0;
}
