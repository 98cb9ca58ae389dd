/* SPDX-License-Identifier: MIT */
#include "launch/cache.h"

#include "launch/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line of each file. What an answer means may change with the version. */
static const char head[] = "giltracer " GT_VERSION "\n";

enum { FILES_MAX = 8, NAME_BYTES = 64 };

static bool is_ours(int fd, mode_t type)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The folder, made where it is missing and `make`; -1: there is none that can be trusted. */
static int open_folder(bool make)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && cache[0] == '/';
    char path[PATH_MAX];
    int fd;

    if (gt_rights_identity() || (!own && (!home || home[0] != '/')))
        return -1;
    if (snprintf(path, sizeof(path), "%s%s", own ? cache : home, own ? "" : "/.cache") >=
        (int)sizeof(path) - 16)
        return -1;
    if (make)
        mkdir(path, 0700);
    strcat(path, "/giltracer");
    if (make)
        mkdir(path, 0700);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !is_ours(fd, S_IFDIR)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A file per program: FNV-1a of its path. That another one has the same shows in its content.
 */
static void name_of(const char *kind, const char *path, char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
    snprintf(name, NAME_BYTES, "%.32s-%016" PRIx64, kind, hash);
}

/* "DEVICE INODE SIZE MODIFIED CHANGED PATH\n". 0 or -1. */
static int add_identity(struct gt_buf *text, const char *path)
{
    struct stat st;

    if (path[0] != '/' || strchr(path, '\n') || stat(path, &st) || !S_ISREG(st.st_mode))
        return -1;
    return gt_buf_addf(text, "%ju %ju %jd %jd.%09ld %jd.%09ld %s\n", (uintmax_t)st.st_dev,
                       (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                       st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec,
                       path);
}

bool gt_cache_is_binary(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char magic[4] = "";
    bool binary = fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
                  memcmp(magic,
                         "\x7f"
                         "ELF",
                         sizeof(magic)) == 0;

    if (fd >= 0)
        close(fd);
    return binary;
}

/* All of a file of ours. False: there is none, or it is not to be trusted. */
static bool read_file(const char *name, struct gt_buf *text)
{
    int folder = open_folder(false);
    int fd =
        folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool good =
        fd >= 0 && is_ours(fd, S_IFREG) && gt_buf_reserve(text, 2 * GT_CACHE_ANSWER_MAX) == 0;
    ssize_t got = good ? read(fd, text->data, 2 * GT_CACHE_ANSWER_MAX) : -1;

    if (got > 0) {
        text->length = (size_t)got;
        text->data[got] = '\0';
    }
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return got > 0 && got < 2 * GT_CACHE_ANSWER_MAX;
}

/* Are the files as the lines say? The answer follows an empty line; NULL: they are not. */
static const char *check_files(const struct gt_buf *text, const char *path)
{
    const char *at = text->data + sizeof(head) - 1;
    bool first = true;

    for (int i = 0; i <= FILES_MAX && *at && *at != '\n'; i++) {
        const char *stop = strchr(at, '\n'), *named = at;
        struct gt_buf now;
        bool same;

        for (int field = 0; named && field < 5; field++)
            named = strchr(named, ' ') ? strchr(named, ' ') + 1 : NULL;
        if (!stop || !named || named > stop)
            return NULL;
        gt_buf_init(&now);
        same = gt_buf_add(&now, named, (size_t)(stop - named)) == 0 &&
               (!first || strcmp(now.data, path) == 0);
        if (same) {
            char *name = now.data;

            gt_buf_init(&now);
            same = add_identity(&now, name) == 0 && now.length == (size_t)(stop + 1 - at) &&
                   memcmp(now.data, at, now.length) == 0;
            free(name);
        }
        gt_buf_release(&now);
        if (!same)
            return NULL;
        first = false;
        at = stop + 1;
    }
    return !first && *at == '\n' ? at + 1 : NULL;
}

bool gt_cache_get(const char *kind, const char *path, struct gt_buf *answer)
{
    const char *found = NULL;
    char name[NAME_BYTES];
    struct gt_buf text;
    bool good;

    name_of(kind, path, name);
    gt_buf_init(&text);
    if (read_file(name, &text) && strncmp(text.data, head, sizeof(head) - 1) == 0)
        found = check_files(&text, path);
    good = found && gt_buf_add(answer, found, text.length - (size_t)(found - text.data)) == 0;
    gt_buf_release(&text);
    return good;
}

/* Under a name of its own first, so that nobody reads half of it. */
static void write_file(const char *name, const struct gt_buf *text)
{
    int folder = open_folder(true), fd;
    char temporary[NAME_BYTES + 24];
    bool good;

    if (folder < 0)
        return;
    snprintf(temporary, sizeof(temporary), "%s.%d", name, (int)getpid());
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    good = fd >= 0 && write(fd, text->data, text->length) == (ssize_t)text->length;
    if (fd >= 0)
        close(fd);
    if (good)
        renameat(folder, temporary, folder, name);
    else if (fd >= 0)
        unlinkat(folder, temporary, 0);
    close(folder);
}

void gt_cache_put(const char *kind, const char *path, const char *const *files, size_t count,
                  const char *answer, size_t length)
{
    char name[NAME_BYTES];
    struct gt_buf text;
    int failed;

    gt_buf_init(&text);
    failed = length > GT_CACHE_ANSWER_MAX || count > FILES_MAX || gt_buf_adds(&text, head) ||
             add_identity(&text, path);
    for (size_t i = 0; !failed && i < count; i++)
        failed = files[i] && add_identity(&text, files[i]);
    failed = failed || gt_buf_adds(&text, "\n") || gt_buf_add(&text, answer, length);
    name_of(kind, path, name);
    if (!failed)
        write_file(name, &text);
    gt_buf_release(&text);
}
