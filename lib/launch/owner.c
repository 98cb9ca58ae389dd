/* SPDX-License-Identifier: MIT */
#include "launch/owner.h"

#include "base/buf.h"

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Base 36 keeps the name short: perf and the kernel allow 64 bytes. */
static int add_base36(struct gt_buf *text, uint64_t value)
{
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
        value /= 36;
    } while (value);
    return gt_buf_add(text, digits + at, sizeof(digits) - at);
}

int gt_owner_format(const struct gt_owner *owner, char *name, size_t size)
{
    struct gt_buf text;
    int failed;

    gt_buf_init(&text);
    failed = gt_buf_adds(&text, "gt_") | add_base36(&text, owner->pid_namespace) |
             gt_buf_adds(&text, "_") | add_base36(&text, owner->pid) | gt_buf_adds(&text, "_") |
             add_base36(&text, owner->start_time);
    if (!failed)
        failed = strlcpy(name, text.data, size) >= size;
    gt_buf_release(&text);
    return failed ? -1 : 0;
}

static bool parse_base36(const char **at, char end, uint64_t *value)
{
    char *stop;

    if (!isalnum((unsigned char)**at))
        return false;
    errno = 0;
    *value = strtoull(*at, &stop, 36);
    if (errno || *stop != end)
        return false;
    *at = stop + (end != '\0');
    return true;
}

bool gt_owner_parse(const char *name, struct gt_owner *owner)
{
    if (strncmp(name, "gt_", 3) != 0)
        return false;
    name += 3;
    return parse_base36(&name, '_', &owner->pid_namespace) &&
           parse_base36(&name, '_', &owner->pid) &&
           parse_base36(&name, '\0', &owner->start_time);
}

static uint64_t pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* Read /proc/PID/stat. 1, 0 when there is no such process, or -1 when that cannot be told. */
static int read_stat(uint64_t pid, char *text, size_t size)
{
    char path[64];
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    got = read(fd, text, size - 1);
    if (got < 0)
        got = errno == ESRCH ? 0 : -1;
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got < 0 ? -1 : got > 0;
}

/* The start time of a process that runs; 0: it does not, -1: not known. A zombie has ended. */
static int64_t start_time_of(uint64_t pid)
{
    enum { STATE = 3, START_TIME = 22 }; /* fields, from 1 */
    char text[1024];
    int rc = read_stat(pid, text, sizeof(text));
    /* The command's name, in parentheses, may hold anything: fields count from the last ')'. */
    char *at = rc > 0 ? strrchr(text, ')') : NULL;

    if (rc <= 0 || !at || !at[1])
        return rc == 0 ? 0 : -1;
    at += 2;
    if (*at == 'Z' || *at == 'X')
        return 0;
    for (int field = STATE; field < START_TIME && at; field++) {
        at = strchr(at, ' ');
        at += at != NULL;
    }
    return at ? strtoll(at, NULL, 10) : -1;
}

int gt_owner_self(char *name, size_t size, struct gt_error *err)
{
    int64_t start_time = start_time_of((uint64_t)getpid());
    struct gt_owner owner = {pid_namespace(), (uint64_t)getpid(), (uint64_t)start_time};

    if (!owner.pid_namespace || start_time <= 0)
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "/proc is not mounted, or not readable");
    if (gt_owner_format(&owner, name, size))
        return gt_error_memory(err);
    return 0;
}

bool gt_owner_is_gone(const char *name)
{
    struct gt_owner owner;
    int64_t start_time;

    if (!gt_owner_parse(name, &owner) || owner.pid_namespace != pid_namespace())
        return false;
    start_time = start_time_of(owner.pid);
    return start_time >= 0 && (uint64_t)start_time != owner.start_time;
}
