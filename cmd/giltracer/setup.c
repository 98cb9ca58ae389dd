#include "setup.h"

#include "base/buf.h"
#include "base/fs.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/probes.h"
#include "say.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { EXIT_OURS = 125 };

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
    long before = 2;

    if (access(note_path, F_OK) == 0)
        return 0;
    if (read_number(paranoid_path, &before) < 0)
        return -1;
    if (mkdir(note_folder, 0755) && errno != EEXIST)
        return -1;
    return write_number(note_path, O_CREAT | O_EXCL, before);
}

struct machine {
    struct gt_caps caps;
    struct gt_interp interp;
    struct gt_probe_set probes;
    uv_loop_t loop;
    bool has_loop;
};

static int open_machine(struct machine *machine, struct gt_error *err)
{
    gt_caps_init(&machine->caps);
    gt_interp_init(&machine->interp);
    gt_probe_set_init(&machine->probes);
    machine->has_loop = uv_loop_init(&machine->loop) == 0;
    if (!machine->has_loop)
        return gt_error_memory(err);
    strlcpy(machine->probes.group, GT_SHARED_GROUP, sizeof(machine->probes.group));
    return gt_caps_probe(&machine->caps, &machine->loop, err);
}

static void close_machine(struct machine *machine)
{
    gt_probe_set_release(&machine->probes);
    gt_interp_release(&machine->interp);
    gt_caps_release(&machine->caps);
    if (!machine->has_loop)
        return;
    uv_run(&machine->loop, UV_RUN_DEFAULT);
    uv_loop_close(&machine->loop);
}

static int install_shared(struct machine *machine, const char *python, struct gt_error *err)
{
    int rc;

    if (machine->caps.shared_probes)
        return 0;
    if (!machine->caps.perf)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "%s", machine->caps.record_why);
    rc = gt_interp_find(&machine->interp, &machine->loop, python, err);
    if (rc == 0)
        rc = gt_probes_plan_libc(&machine->probes, machine->interp.libc, err);
    if (rc == 0)
        rc = gt_probes_install(&machine->probes, &machine->caps, &machine->loop, err);
    return rc;
}

static int open_system(const char *group, struct gt_error *err)
{
    const struct group *entry = getgrnam(group);

    if (!entry)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "there is no group %s (addgroup makes one)",
                            group);
    if (note_paranoid() || write_number(paranoid_path, 0, -1))
        return gt_error_errno(err, "cannot set kernel.perf_event_paranoid");
    if (remount(entry->gr_gid, 0750))
        return gt_error_errno(err, "cannot let group %s read %s", group, tracefs_path);
    return 0;
}

int gt_setup(const struct gt_cli *cli)
{
    struct machine machine;
    struct gt_error err;
    int rc;

    if (geteuid() != 0) {
        gt_say("--setup changes the system: run it as root");
        return EXIT_OURS;
    }
    rc = open_machine(&machine, &err);
    if (rc == 0)
        rc = open_system(cli->setup_group, &err);
    if (rc == 0)
        rc = install_shared(&machine, cli->python, &err);
    close_machine(&machine);
    if (rc < 0) {
        gt_say("%s", err.message);
        return EXIT_OURS;
    }
    gt_say("members of %s may record now, until giltracer --teardown or the next boot",
           cli->setup_group);
    return 0;
}

/* Whatever of it fails, the rest is undone. */
int gt_teardown(void)
{
    struct machine machine;
    struct gt_error err;
    bool failed = false;
    long before = 2;

    if (geteuid() != 0) {
        gt_say("--teardown changes the system: run it as root");
        return EXIT_OURS;
    }
    if (access(note_path, F_OK)) {
        gt_say("nothing to undo: --setup was not run since boot");
        return 0;
    }
    if (open_machine(&machine, &err) < 0 ||
        (machine.caps.shared_probes &&
         !gt_probes_remove(GT_SHARED_GROUP, &machine.caps, &machine.loop))) {
        gt_say("cannot remove the probes (is someone recording?): run perf probe -d '%s:*'",
               GT_SHARED_GROUP);
        failed = true;
    }
    close_machine(&machine);
    if (read_number(note_path, &before) < 0 || write_number(paranoid_path, 0, before) ||
        remount(0, 0700)) {
        gt_say("cannot undo --setup: %s", strerror(errno));
        return EXIT_OURS;
    }
    unlink(note_path);
    rmdir(note_folder);
    gt_say("undone: recording needs privilege again");
    return failed ? EXIT_OURS : 0;
}
