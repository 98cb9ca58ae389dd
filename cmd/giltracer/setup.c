/* SPDX-License-Identifier: MIT */
#include "setup.h"

#include "base/buf.h"
#include "base/fs.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/probes.h"
#include "launch/tools.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static const char paranoid_path[] = "/proc/sys/kernel/perf_event_paranoid";
static const char tracefs_path[] = "/sys/kernel/tracing";
static const char note_folder[] = "/run/giltracer";
static const char note_path[] = "/run/giltracer/before";

/* How the machine was before setup. */
struct before {
    long paranoid;
    unsigned group, mode; /* of tracefs */
};

static int write_text(const char *path, int flags, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
    size_t length = strlen(text);
    bool written;

    if (fd < 0)
        return -1;
    written = write(fd, text, length) == (ssize_t)length;
    return close(fd) == 0 && written ? 0 : -1;
}

static int write_paranoid(long paranoid)
{
    char text[24];

    snprintf(text, sizeof(text), "%ld\n", paranoid);
    return write_text(paranoid_path, 0, text);
}

static int mount_tracefs(void)
{
    char events[64];

    snprintf(events, sizeof(events), "%s/events", tracefs_path);
    if (access(events, F_OK) == 0)
        return 0;
    return mount("nodev", tracefs_path, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static int remount_tracefs(unsigned group, unsigned mode)
{
    char options[64];

    snprintf(options, sizeof(options), "gid=%u,mode=%o", group, mode);
    return mount("nodev", tracefs_path, "tracefs", MS_REMOUNT, options);
}

static int read_numbers(const char *path, struct before *before)
{
    struct gt_buf text;
    int found = 0;

    gt_buf_init(&text);
    if (gt_fs_read(path, &text, 256, NULL) == 0)
        found =
            sscanf(text.data, "%ld %u %o", &before->paranoid, &before->group, &before->mode);
    gt_buf_release(&text);
    return found;
}

static int look(struct before *before)
{
    struct stat st;

    if (mount_tracefs() || stat(tracefs_path, &st) || read_numbers(paranoid_path, before) < 1)
        return -1;
    before->group = st.st_gid;
    before->mode = st.st_mode & 07777;
    return 0;
}

/* Half a note would be worse than none, so remove it; but a note that exists is another
 * setup's. */
static int write_note(const struct before *before)
{
    char text[64];

    snprintf(text, sizeof(text), "%ld %u %o\n", before->paranoid, before->group, before->mode);
    if (mkdir(note_folder, 0755) && errno != EEXIST)
        return -1;
    if (write_text(note_path, O_CREAT | O_EXCL, text) == 0)
        return 0;
    if (errno != EEXIST)
        unlink(note_path);
    return -1;
}

/* When one step fails, the other one is done nevertheless, and the note stays. */
static int restore(const struct before *before)
{
    int failed =
        write_paranoid(before->paranoid) | remount_tracefs(before->group, before->mode);

    if (failed)
        return -1;
    unlink(note_path);
    rmdir(note_folder);
    return 0;
}

/* Neither command may be interrupted half-way. */
static void hold_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
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
    machine->has_loop = gt_loop_init(&machine->loop, err) == 0;
    if (!machine->has_loop)
        return err->code;
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

static int open_system(const struct group *group, struct gt_error *err)
{
    if (write_paranoid(-1))
        return gt_error_errno(err, "cannot set kernel.perf_event_paranoid");
    if (remount_tracefs(group->gr_gid, 0750))
        return gt_error_errno(err, "cannot let group %s read %s", group->gr_name, tracefs_path);
    return 0;
}

/* The first setup notes the machine's settings, and restores them when it fails. */
static int set_up(struct machine *machine, const struct gt_cli *cli, struct gt_error *err)
{
    const struct group *group = getgrnam(cli->setup_group);
    bool first = access(note_path, F_OK) != 0;
    struct before before;
    int rc;

    if (!group)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "there is no group %s (addgroup makes one)",
                            cli->setup_group);
    if (first && (look(&before) || write_note(&before)))
        return gt_error_errno(err, "cannot note in %s how the machine is", note_path);
    rc = open_system(group, err);
    if (rc == 0)
        rc = install_shared(machine, cli->python, err);
    if (rc < 0 && first && restore(&before))
        gt_say("cannot undo what was changed: run giltracer --teardown");
    return rc;
}

int gt_setup(const struct gt_cli *cli)
{
    struct machine machine;
    struct gt_error err;
    int rc;

    if (geteuid() != 0) {
        gt_say("--setup changes the system: run it as root");
        return GT_EXIT_OURS;
    }
    hold_signals();
    rc = open_machine(&machine, &err);
    if (rc == 0)
        rc = set_up(&machine, cli, &err);
    close_machine(&machine);
    if (rc < 0) {
        gt_say("%s", err.message);
        return GT_EXIT_OURS;
    }
    gt_say("members of %s may record now, until giltracer --teardown or the next boot",
           cli->setup_group);
    return 0;
}

int gt_teardown(void)
{
    struct machine machine;
    struct before before;
    struct gt_error err;
    bool failed = false;

    if (geteuid() != 0) {
        gt_say("--teardown changes the system: run it as root");
        return GT_EXIT_OURS;
    }
    if (access(note_path, F_OK)) {
        gt_say("nothing to undo: --setup was not run since boot");
        return 0;
    }
    hold_signals();
    if (open_machine(&machine, &err) < 0 ||
        (machine.caps.shared_probes &&
         !gt_probes_remove(GT_SHARED_GROUP, &machine.caps, &machine.loop))) {
        gt_say("cannot remove the probes (is someone recording?): run perf probe -d '%s:*'",
               GT_SHARED_GROUP);
        failed = true;
    }
    close_machine(&machine);
    /* When the note cannot be read, restore the kernel's defaults, which are the strictest. */
    if (read_numbers(note_path, &before) != 3)
        before = (struct before){.paranoid = 2, .mode = 0700};
    if (restore(&before)) {
        gt_say("cannot undo --setup: %s", strerror(errno));
        return GT_EXIT_OURS;
    }
    gt_say("undone: recording needs privilege again");
    return failed ? GT_EXIT_OURS : 0;
}
