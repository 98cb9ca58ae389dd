#include "setup.h"

#include "base/buf.h"
#include "base/fs.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char paranoid_path[] = "/proc/sys/kernel/perf_event_paranoid";
static const char tracefs_path[] = "/sys/kernel/tracing";
static const char note_folder[] = "/run/giltracer";
static const char note_path[] = "/run/giltracer/perf_event_paranoid";

static int write_number(const char *path, int flags, long number)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
    char text[24];
    int length = snprintf(text, sizeof(text), "%ld\n", number);
    bool written;

    if (fd < 0)
        return -1;
    written = write(fd, text, (size_t)length) == length;
    return close(fd) == 0 && written ? 0 : -1;
}

static int read_number(const char *path, long *number)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = gt_fs_read(path, &text, 64, NULL);
    if (rc == 0)
        *number = strtol(text.data, NULL, 10);
    gt_buf_release(&text);
    return rc;
}

static int remount(unsigned group, unsigned mode)
{
    char options[64];
    struct stat st;

    snprintf(options, sizeof(options), "%s/events", tracefs_path);
    if (stat(options, &st) &&
        mount("nodev", tracefs_path, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
        return -1;
    snprintf(options, sizeof(options), "gid=%u,mode=%o", group, mode);
    return mount("nodev", tracefs_path, "tracefs", MS_REMOUNT, options);
}

/* Only the first setup notes what there was before. */
static int note_paranoid(void)
{
    long before;

    if (access(note_path, F_OK) == 0)
        return 0;
    if (read_number(paranoid_path, &before) < 0)
        return -1;
    if (mkdir(note_folder, 0755) && errno != EEXIST)
        return -1;
    return write_number(note_path, O_CREAT | O_EXCL, before);
}

int gt_setup(const char *group)
{
    const struct group *entry = getgrnam(group);

    if (!entry) {
        gt_say("there is no group %s (addgroup makes one)", group);
        return 125;
    }
    if (geteuid() != 0) {
        gt_say("--setup changes the system: run it as root");
        return 125;
    }
    if (note_paranoid() || write_number(paranoid_path, 0, -1)) {
        gt_say("cannot set kernel.perf_event_paranoid: %s", strerror(errno));
        return 125;
    }
    if (remount(entry->gr_gid, 0750)) {
        gt_say("cannot let group %s read %s: %s", group, tracefs_path, strerror(errno));
        return 125;
    }
    gt_say("members of %s may record now, until giltracer --teardown or the next boot; probes "
           "that exist are used, installing new ones still needs root",
           group);
    return 0;
}

int gt_teardown(void)
{
    long before = 2;

    if (geteuid() != 0) {
        gt_say("--teardown changes the system: run it as root");
        return 125;
    }
    if (access(note_path, F_OK)) {
        gt_say("nothing to undo: --setup was not run since boot");
        return 0;
    }
    if (read_number(note_path, &before) < 0 || write_number(paranoid_path, 0, before) ||
        remount(0, 0700)) {
        gt_say("cannot undo --setup: %s", strerror(errno));
        return 125;
    }
    unlink(note_path);
    rmdir(note_folder);
    gt_say("undone: recording needs privilege again");
    return 0;
}
