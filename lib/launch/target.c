/* SPDX-License-Identifier: MIT */
#include "launch/target.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    FDS_FROM = 64, /* descriptors below are the user's to pass on */
    FDS_TO = 250,
    FDS_SPARE = 8, /* libuv needs some above ours to put them in their places */
};

void gt_target_init(struct gt_target *target)
{
    target->spawned = target->told = false;
    target->done = true;
    target->attached = 0;
    target->open_handles = 0;
    target->gate = target->report = -1;
    target->costs = (struct gt_gate_report){.hit_ns = -1, .switch_ns = -1};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void on_closed(uv_handle_t *handle)
{
    struct gt_target *target = handle->data;

    target->open_handles--;
}

static void stop_watching(struct gt_target *target)
{
    if (target->open_handles && !uv_is_closing((uv_handle_t *)&target->ended))
        uv_close((uv_handle_t *)&target->ended, on_closed);
}

void gt_target_release(struct gt_target *target, uv_loop_t *loop)
{
    close_fd(&target->gate);
    close_fd(&target->report);
    stop_watching(target);
    while (target->open_handles)
        uv_run(loop, UV_RUN_ONCE);
    if (target->spawned)
        gt_child_release(&target->child);
    target->spawned = false;
}

/* Numbers that no descriptor of giltracer's has, since the target's descriptors must keep
 * theirs. */
static int free_fd(int from)
{
    while (from < FDS_TO && fcntl(from, F_GETFD) >= 0)
        from++;
    return from;
}

/* Where few files may be open, the number is lower. */
static int first_fd(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FDS_FROM + FDS_SPARE)
        return FDS_FROM;
    return limit.rlim_cur > FDS_SPARE + 3 ? (int)limit.rlim_cur - FDS_SPARE : 3;
}

static int spawn(struct gt_target *target, uv_loop_t *loop, struct gt_child_spec *spec,
                 char *const *argv, const struct gt_inherited *inherited,
                 const struct gt_hit_place *hit, int go, int report, struct gt_error *err)
{
    int go_at = free_fd(first_fd()), report_at = free_fd(go_at + 1);
    int stdio[FDS_TO + 2];
    struct gt_strvec words;
    int rc;

    for (int fd = 0; fd < report_at; fd++)
        stdio[fd] = GT_CHILD_NULL;
    for (int fd = 0; fd < 3; fd++)
        if (inherited->stdio_flags[fd] != GT_GATE_CLOSED)
            stdio[fd] = fd;
    stdio[go_at] = go;
    stdio[report_at] = report;
    spec->stdio = stdio;
    spec->stdio_count = report_at + 1;
    gt_strvec_init(&words);
    rc = gt_gate_command(inherited, go_at, report_at, hit, argv, &words) ? gt_error_memory(err)
                                                                         : 0;
    spec->argv = words.items;
    if (rc == 0)
        rc = gt_child_spawn(&target->child, loop, spec, err);
    gt_strvec_release(&words);
    return rc;
}

static void on_child_done(void *context, struct gt_child *child)
{
    struct gt_target *target = context;

    target->done = true;
    if (target->on_done)
        target->on_done(target->context, child);
}

int gt_target_start(struct gt_target *target, uv_loop_t *loop, char *const *argv,
                    char *const *env, const struct gt_inherited *inherited,
                    const struct gt_hit_place *hit, gt_child_done_fn on_done, void *context,
                    struct gt_error *err)
{
    char path[PATH_MAX];
    struct gt_child_spec spec = {
        .file = path,
        .env = env,
        .privileged = true, /* the gate gives it up */
        .on_done = on_child_done,
        .context = target,
    };
    int go[2], report[2], rc;

    if (pipe2(go, O_CLOEXEC))
        return gt_error_errno(err, "cannot make a pipe");
    if (pipe2(report, O_CLOEXEC)) {
        close(go[0]);
        close(go[1]);
        return gt_error_errno(err, "cannot make a pipe");
    }
    fcntl(report[0], F_SETFL, O_NONBLOCK);
    gt_gate_find(path, sizeof(path));
    target->on_done = on_done;
    target->context = context;
    rc = spawn(target, loop, &spec, argv, inherited, hit, go[0], report[1], err);
    close(go[0]);
    close(report[1]);
    target->gate = go[1];
    target->report = report[0];
    target->spawned = rc == 0;
    target->done = rc < 0;
    return rc;
}

/* A pidfd can be read from when its process has ended. */
static void on_ended(uv_poll_t *poll, int status, int events)
{
    struct gt_target *target = poll->data;

    (void)status;
    (void)events;
    stop_watching(target);
    target->done = true;
    target->on_done(target->context, NULL);
}

int gt_target_attach(struct gt_target *target, uv_loop_t *loop, int pid, int pidfd,
                     gt_child_done_fn on_done, void *context, struct gt_error *err)
{
    int rc = 0;

    target->attached = pid;
    target->done = false;
    target->on_done = on_done;
    target->context = context;
    if (pidfd < 0)
        return 0;
    target->ended.data = target;
    if (uv_poll_init(loop, &target->ended, pidfd))
        return gt_error_set(err, GT_ERR_IO, "cannot watch process %d", pid);
    target->open_handles = 1;
    rc = uv_poll_start(&target->ended, UV_READABLE, on_ended);
    if (rc)
        return gt_error_set(err, GT_ERR_IO, "cannot watch process %d: %s", pid,
                            uv_strerror(rc));
    return 0;
}

int gt_target_pid(const struct gt_target *target)
{
    if (target->attached)
        return target->done ? 0 : target->attached;
    return target->spawned ? target->child.pid : 0;
}

bool gt_target_let_go(struct gt_target *target)
{
    char byte = 'g';
    bool told;

    if (target->attached)
        return true;
    told = write(target->gate, &byte, 1) == 1;
    close_fd(&target->gate);
    return told;
}

void gt_target_give_up(struct gt_target *target)
{
    close_fd(&target->gate);
}

struct gt_gate_report gt_target_costs(struct gt_target *target)
{
    struct gt_gate_report report;

    if (!target->told && read(target->report, &report, sizeof(report)) == sizeof(report)) {
        target->told = true;
        target->costs = report;
    }
    return target->costs;
}

int gt_target_exec_error(struct gt_target *target)
{
    int number = 0;

    gt_target_costs(target);
    if (!target->told) /* it ended at the gate */
        return 0;
    return read(target->report, &number, sizeof(number)) == (ssize_t)sizeof(number) ? number
                                                                                    : 0;
}
