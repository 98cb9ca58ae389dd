/* SPDX-License-Identifier: MIT */
#include "agent/root.h"

#include "agent/folder.h"
#include "agent/process.h"
#include "agent/settings.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *own_path(void)
{
    Dl_info info;

    return dladdr((const void *)(uintptr_t)gt_agent_root_before, &info) ? info.dli_fname : NULL;
}

void gt_agent_root_before(struct gt_agent_root *root, const char *path)
{
    const char *library = own_path();
    int error = errno;

    root->library = library ? open(library, O_RDONLY | O_CLOEXEC) : -1;
    root->control = gt_agent_file_open(gt_agent.dir, GT_WIRE_CONTROL_NAME, 0);
    root->log = gt_agent_file_open(gt_agent.dir, GT_WIRE_LOG_NAME, 0);
    root->roots = gt_agent_file_open(gt_agent.dir, GT_WIRE_ROOTS_NAME, O_CREAT | O_APPEND);
    if (!realpath(path, root->path))
        root->path[0] = '\0';
    errno = error;
}

static void close_all(const struct gt_agent_root *root)
{
    const int all[] = {root->library, root->control, root->log, root->roots};

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] >= 0)
            close(all[i]);
}

static bool is_same(int fd, const char *path)
{
    struct stat one, two;

    return fd >= 0 && fstat(fd, &one) == 0 && stat(path, &two) == 0 &&
           one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

static bool copy(int from, const char *path)
{
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t got;

    if (to < 0)
        return false;
    lseek(from, 0, SEEK_SET);
    do
        got = sendfile(to, from, NULL, 1 << 20);
    while (got > 0 || (got < 0 && errno == EINTR));
    return close(to) == 0 && got == 0;
}

/* A further name of an open file: with the capability that chroot's caller has, or by /proc. */
static bool give_name(int fd, const char *path)
{
    char name[32];

    if (!linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH))
        return true;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return !linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* `text` with our entry of LD_PRELOAD replaced, or left out for NULL: "a:ours:b" → "a:new:b".
 */
static void preload(const char *ours, const char *instead)
{
    const char *text = getenv("LD_PRELOAD");
    char changed[PATH_MAX] = "";
    size_t length = 0;

    while (text && *text) {
        size_t size = strcspn(text, " :");
        bool is_ours = ours && size == strlen(ours) && !memcmp(text, ours, size);
        const char *entry = is_ours ? instead : text;

        if (entry && size && length + PATH_MAX / 8 < sizeof(changed))
            length += (size_t)snprintf(changed + length, sizeof(changed) - length, "%s%.*s",
                                       length ? ":" : "", (int)(is_ours ? strlen(entry) : size),
                                       entry);
        text += size + (text[size] != '\0');
    }
    if (changed[0])
        setenv("LD_PRELOAD", changed, 1);
    else
        unsetenv("LD_PRELOAD");
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {GT_WIRE_LIBRARY_NAME, GT_WIRE_CONTROL_NAME,
                                        GT_WIRE_LOG_NAME};
    char path[PATH_MAX];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static bool fill(const struct gt_agent_root *root, const char *folder, char library[PATH_MAX])
{
    char control[PATH_MAX], log[PATH_MAX], line[PATH_MAX + sizeof(root->path)];
    int length = snprintf(line, sizeof(line), "%s%s\n",
                          strcmp(root->path, "/") ? root->path : "", folder);

    snprintf(library, PATH_MAX, "%s/" GT_WIRE_LIBRARY_NAME, folder);
    snprintf(control, sizeof(control), "%s/" GT_WIRE_CONTROL_NAME, folder);
    snprintf(log, sizeof(log), "%s/" GT_WIRE_LOG_NAME, folder);
    return give_name(root->control, control) && give_name(root->log, log) &&
           copy(root->library, library) && write(root->roots, line, (size_t)length) == length;
}

static bool bring_along(const struct gt_agent_root *root, const char *ours)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run"};
    char folder[64], library[PATH_MAX];

    if (root->library < 0 || root->control < 0 || root->log < 0 || root->roots < 0)
        return false;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(folder, sizeof(folder), "%s/giltracer-XXXXXX", places[i]);
        if (!mkdtemp(folder))
            continue;
        if (fill(root, folder, library)) {
            preload(ours, library);
            setenv(GT_AGENT_ENV_DIR, folder, 1);
            strcpy(gt_agent.dir, folder);
            return true;
        }
        remove_folder(folder);
    }
    return false;
}

void gt_agent_root_after(struct gt_agent_root *root, bool changed)
{
    char control[GT_WIRE_PATH_SIZE + 16];
    const char *ours = own_path();
    int error = errno;

    snprintf(control, sizeof(control), "%s/" GT_WIRE_CONTROL_NAME, gt_agent.dir);
    if (changed && getenv(GT_AGENT_ENV_DIR) &&
        !(is_same(root->control, control) && ours && is_same(root->library, ours)) &&
        !bring_along(root, ours)) {
        preload(ours, NULL);
        unsetenv(GT_AGENT_ENV_DIR);
    }
    close_all(root);
    errno = error;
}
