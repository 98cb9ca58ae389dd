/* SPDX-License-Identifier: MIT */
#include "launch/claim.h"

#include "base/fs.h"
#include "launch/owner.h"
#include "launch/roots.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char owner_file[] = "owner";

enum {
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    MAX_SWEPT = 32, /* by one run, which has its own work */
};

void gt_claim_init(struct gt_claim *claim)
{
    claim->folder = claim->parent = -1;
    claim->name[0] = '\0';
}

void gt_claim_close(struct gt_claim *claim)
{
    if (claim->folder >= 0)
        close(claim->folder);
    if (claim->parent >= 0)
        close(claim->parent);
    gt_claim_init(claim);
}

static int open_both(struct gt_claim *claim, const char *path)
{
    char copy[PATH_MAX];
    char *slash;

    if (strlcpy(copy, path, sizeof(copy)) >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    slash = strrchr(copy, '/');
    if (!slash || strlcpy(claim->name, slash + 1, sizeof(claim->name)) >= sizeof(claim->name)) {
        errno = EINVAL;
        return -1;
    }
    slash[slash == copy] = '\0';
    claim->parent = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    claim->folder = claim->parent < 0 ? -1 : openat(claim->parent, claim->name, FOLDER_FLAGS);
    return claim->folder < 0 ? -1 : 0;
}

/* After the lock: a folder with this file and without a lock is abandoned. */
static int write_owner(const struct gt_claim *claim, struct gt_error *err)
{
    char name[GT_OWNER_SIZE];
    ssize_t length, written;
    int fd, rc = gt_owner_self(name, sizeof(name), err);

    if (rc < 0)
        return rc;
    fd = openat(claim->folder, owner_file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return gt_error_errno(err, "cannot write into the folder of the recording, %s",
                              claim->name);
    length = (ssize_t)strlen(name);
    written = write(fd, name, (size_t)length);
    if (close(fd) || written != length)
        return gt_error_errno(err, "cannot write into the folder of the recording, %s",
                              claim->name);
    return 0;
}

int gt_claim_take(struct gt_claim *claim, const char *path, struct gt_error *err)
{
    int rc;

    if (open_both(claim, path))
        rc = gt_error_errno(err, "cannot open the folder of the recording, %s", path);
    else if (flock(claim->folder, LOCK_EX))
        rc = gt_error_errno(err, "cannot lock the folder of the recording, %s", path);
    else
        rc = write_owner(claim, err);
    if (rc < 0)
        gt_claim_close(claim);
    return rc;
}

int gt_claim_remove(struct gt_claim *claim, struct gt_error *err)
{
    int rc = 0;

    if (claim->folder >= 0)
        gt_roots_remove(claim->folder);
    if (claim->folder >= 0)
        rc = gt_fs_remove_folder(claim->parent, claim->name, claim->folder, err);
    gt_claim_close(claim);
    return rc;
}

void gt_claim_give_up(struct gt_claim *claim)
{
    if (claim->folder >= 0)
        unlinkat(claim->folder, owner_file, 0);
    gt_claim_close(claim);
}

/* --- what others left --- */

static bool is_ours(int fd, mode_t type)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* A lock tells for owners of other pid namespaces; one of this namespace is looked up as well,
 * since not every file system has locks. */
static bool is_abandoned(int folder)
{
    char name[GT_OWNER_SIZE] = "", self[GT_OWNER_SIZE];
    struct gt_owner owner, own;
    bool read_it;
    int fd;

    if (!is_ours(folder, S_IFDIR) || flock(folder, LOCK_EX | LOCK_NB))
        return false;
    fd = openat(folder, owner_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    read_it = is_ours(fd, S_IFREG) && read(fd, name, sizeof(name) - 1) > 0;
    close(fd);
    if (!read_it || !gt_owner_parse(name, &owner) || gt_owner_self(self, sizeof(self), NULL) ||
        !gt_owner_parse(self, &own))
        return false;
    return owner.pid_namespace != own.pid_namespace || gt_owner_is_gone(name);
}

static bool sweep_one(int parent, const char *name)
{
    struct gt_claim claim;
    bool abandoned = false;

    gt_claim_init(&claim);
    strlcpy(claim.name, name, sizeof(claim.name));
    claim.folder = openat(parent, name, FOLDER_FLAGS | O_NONBLOCK);
    claim.parent = claim.folder < 0 ? -1 : dup(parent);
    if (claim.parent >= 0)
        abandoned = is_abandoned(claim.folder);
    if (abandoned)
        gt_claim_remove(&claim, NULL);
    gt_claim_close(&claim);
    return abandoned;
}

static void sweep_in(const char *parent)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;
    int swept = 0;

    if (!dir)
        return;
    while (swept < MAX_SWEPT && (entry = readdir(dir)))
        if (gt_fs_is_private_name(entry->d_name))
            swept += sweep_one(dirfd(dir), entry->d_name);
    closedir(dir);
}

void gt_claim_sweep(void)
{
    const char *parent = getenv("TMPDIR");

    if (parent && parent[0] == '/')
        sweep_in(parent);
    sweep_in("/tmp");
    sweep_in("/dev/shm");
}
