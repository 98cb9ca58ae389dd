/* SPDX-License-Identifier: MIT */
#include "flight_kept.h"

#include "agent/wire.h"
#include "agentlog/ring.h"
#include "base/nstime.h"
#include "common/console.h"
#include "ingest/perf_ring.h"
#include "run_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SWEEP_MS = 500, SHARE_PERCENT = 75 /* of the bound, as of the agents' log */ };

/* Room that is given back, in a thread of libuv: meanwhile the end of the program is seen. */
struct punching {
    uv_work_t work;
    int log, perf[GT_RECORDED_PARTS]; /* its own; -1: nothing of it */
    struct gt_ring_holes holes;
    struct gt_perf_ring_hole perf_holes[GT_RECORDED_PARTS];
    struct gt_flight_kept *kept; /* NULL: that is gone */
};

struct gt_flight_kept {
    struct gt_run_state *run;
    struct gt_ring *ring; /* of the agents' log; NULL: there is none, or it is over */
    struct gt_perf_ring *perf_rings[GT_RECORDED_PARTS]; /* likewise */
    int perf[GT_RECORDED_PARTS];                        /* what they are of */
    uint64_t room_bytes;                                /* for each of them */
    struct punching *punching;                          /* NULL: nothing is given back now */
    bool failed;                                        /* which was told */
    int64_t swept_ns;
};

int64_t gt_flight_keep_ns(const struct gt_run_state *run)
{
    return (int64_t)run->cli->keep_last_ms * GT_NS_PER_MS;
}

/* --- whose log it is --- */

static bool maps_log(const struct gt_flight_kept *kept, int32_t pid)
{
    char path[64], line[4096];
    struct stat st;
    unsigned long inode;
    bool found = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    if (fstat(kept->run->agent_files.log, &st) || !(maps = fopen(path, "re")))
        return false;
    while (!found && fgets(line, sizeof(line), maps))
        found = sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode == st.st_ino;
    fclose(maps);
    return found;
}

/* Are a process's children in the pid namespace that we are in? */
static bool children_are_ours(int32_t pid)
{
    char path[64], theirs[64] = "", ours[64] = "";

    snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", pid);
    return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
           readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
           strcmp(theirs, ours) == 0;
}

/* One that ended before we looked was its parent's child. */
static bool is_writer(void *context, int32_t pid, int32_t parent_pid)
{
    const struct gt_flight_kept *kept = context;

    if (gt_agent_is_alive(pid))
        return maps_log(kept, pid);
    return children_are_ours(parent_pid) &&
           (parent_pid == getpid() || maps_log(kept, parent_pid));
}

/* --- the files --- */

static const char *path_of(const struct gt_run_state *run, enum gt_recorded_part part)
{
    const char *const paths[GT_RECORDED_PARTS] = {[GT_RECORDED_PROBES] = run->probes_path,
                                                  [GT_RECORDED_REST] = run->data_path,
                                                  [GT_RECORDED_NATIVE] = run->native_path};

    return paths[part];
}

static bool is_recorded(const struct gt_run_state *run, enum gt_recorded_part part)
{
    return gt_plan_events_of(&run->plan, part)->count > 0;
}

static uint64_t most_bytes(const struct gt_run_state *run)
{
    return run->agent.max_bytes ? strtoull(run->agent.max_bytes, NULL, 10)
                                : GT_WIRE_DEFAULT_BYTES;
}

static unsigned parts_of(const struct gt_run_state *run)
{
    unsigned count = 0;

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        count += is_recorded(run, (enum gt_recorded_part)i);
    return count;
}

/* For each file. Others write there, too, and a report is made from a copy. */
static uint64_t room_bytes(const struct gt_run_state *run)
{
    unsigned files = parts_of(run) + (run->agent_files.log >= 0);
    struct statvfs fs;

    return files == 0 || statvfs(run->folder, &fs)
               ? UINT64_MAX
               : (uint64_t)fs.f_bavail * fs.f_frsize / 3 / files;
}

/* It is never used twice, and what was taken out takes no room. */
static void lengthen(int log)
{
    off_t length = (off_t)UINT32_MAX * GT_WIRE_CHUNK_BYTES;
    struct stat st;

    if (fstat(log, &st))
        return;
    while (length > st.st_size && ftruncate(log, length))
        length = length / 2 / GT_WIRE_CHUNK_BYTES * GT_WIRE_CHUNK_BYTES;
}

static int make_file(const struct gt_run_state *run, struct gt_error *err)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/snapshot", run->folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return gt_error_errno(err, "cannot make a file for the report in %s", run->folder);
    unlink(path);
    return fd;
}

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static struct gt_flight_files no_files(void)
{
    struct gt_flight_files files = {.agent = {-1, -1}};

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        files.perf[i] = -1;
    return files;
}

static void close_agents(struct gt_agentlog_files *files)
{
    close_file(&files->control);
    close_file(&files->log);
}

void gt_flight_files_close(struct gt_flight_files *files)
{
    close_agents(&files->agent);
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        close_file(&files->perf[i]);
}

/* Can parts be taken out of a file there? */
static int check_punching(const struct gt_run_state *run, struct gt_error *err)
{
    const struct gt_perf_ring_hole hole = {0, 4096};
    int fd = make_file(run, err), rc = fd < 0 ? fd : 0;

    if (rc == 0 && (ftruncate(fd, 8192) || gt_perf_ring_punch(fd, &hole)))
        rc = gt_error_errno(err, "nothing can be taken out of a file in this file system, as "
                                 "recording without end needs (set TMPDIR to a folder of "
                                 "another)");
    close_file(&fd);
    return rc;
}

/* --- beginning --- */

static int start_ring(struct gt_flight_kept *kept, struct gt_error *err)
{
    struct gt_run_state *run = kept->run;
    struct gt_ring_options options = {
        .files = run->agent_files,
        .keep_ns = gt_flight_keep_ns(run),
        .max_bytes = most_bytes(run),
        .room_bytes = kept->room_bytes,
        .is_writer = is_writer,
        .is_alive = gt_agent_is_alive,
        .context = kept,
    };

    lengthen(run->agent_files.log);
    kept->ring = gt_ring_new(&options, err);
    return kept->ring ? 0 : err ? err->code : GT_ERR_IO;
}

struct gt_flight_kept *gt_flight_kept_new(struct gt_run_state *run, struct gt_error *err)
{
    struct gt_flight_kept *kept = calloc(1, sizeof(*kept));
    int rc = 0;

    if (!kept) {
        gt_error_memory(err);
        return NULL;
    }
    kept->run = run;
    kept->room_bytes = room_bytes(run);
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        kept->perf[i] = -1;
    if (run->agent_files.log >= 0)
        rc = start_ring(kept, err);
    if (rc == 0 && parts_of(run))
        rc = check_punching(run, err);
    if (rc < 0) {
        gt_flight_kept_free(kept);
        return NULL;
    }
    return kept;
}

static void say_failed(struct gt_flight_kept *kept, const char *why)
{
    if (!kept->failed)
        gt_say("%s: older parts of the recording are not taken out", why);
    kept->failed = true;
}

static int begin_part(struct gt_flight_kept *kept, enum gt_recorded_part part,
                      struct gt_error *err)
{
    struct gt_run_state *run = kept->run;
    uint64_t most = most_bytes(run);
    struct gt_perf_ring_options options = {
        .keep_ns = gt_flight_keep_ns(run),
        .most_bytes = (most < kept->room_bytes ? most : kept->room_bytes) / 100 * SHARE_PERCENT,
        .runtime_path = run->plan.futex ? run->runtime.path : NULL,
    };

    options.file = open(path_of(run, part), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (options.file < 0)
        return gt_error_errno(err, "cannot open %s", path_of(run, part));
    kept->perf[part] = options.file;
    kept->perf_rings[part] = gt_perf_ring_new(&options, err);
    return kept->perf_rings[part] ? 0 : GT_ERR_MEMORY;
}

void gt_flight_kept_begin(struct gt_flight_kept *kept)
{
    struct gt_error err;

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (is_recorded(kept->run, (enum gt_recorded_part)i) &&
            begin_part(kept, (enum gt_recorded_part)i, &err) < 0)
            say_failed(kept, err.message);
}

/* --- room that is given back --- */

static void punch(uv_work_t *work)
{
    struct punching *punching = work->data;

    gt_ring_punch(punching->log, &punching->holes);
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (punching->perf_holes[i].length)
            gt_perf_ring_punch(punching->perf[i], &punching->perf_holes[i]);
}

static void close_punching(struct punching *punching)
{
    close_file(&punching->log);
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        close_file(&punching->perf[i]);
}

static void on_punched(uv_work_t *work, int status)
{
    struct punching *punching = work->data;

    (void)status;
    if (punching->kept)
        punching->kept->punching = NULL;
    close_punching(punching);
    free(punching);
}

static int own_copy(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* True: there is something to give back. */
static bool take_holes(struct gt_flight_kept *kept, struct punching *punching)
{
    bool any;

    *punching = (struct punching){.log = -1, .kept = kept};
    if (kept->ring)
        punching->holes = gt_ring_take_holes(kept->ring);
    any = punching->holes.count > 0;
    punching->log = any ? own_copy(kept->run->agent_files.log) : -1;
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        punching->perf[i] = -1;
        if (kept->perf_rings[i])
            punching->perf_holes[i] = gt_perf_ring_take_hole(kept->perf_rings[i]);
        if (punching->perf_holes[i].length) {
            punching->perf[i] = own_copy(kept->perf[i]);
            any = true;
        }
    }
    return any;
}

/* Where there is no thread for it, it is done here. */
static void give_back(struct gt_flight_kept *kept)
{
    struct punching *punching = malloc(sizeof(*punching));

    if (!punching)
        return; /* the next time */
    if (take_holes(kept, punching)) {
        punching->work.data = punching;
        kept->punching = punching;
        if (uv_queue_work(&kept->run->loop, &punching->work, punch, on_punched) == 0)
            return;
        punch(&punching->work);
        kept->punching = NULL;
    }
    close_punching(punching);
    free(punching);
}

static bool is_large(const struct gt_flight_kept *kept)
{
    bool large = kept->ring && gt_ring_is_large(kept->ring);

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        large |= kept->perf_rings[i] && gt_perf_ring_is_large(kept->perf_rings[i]);
    return large;
}

static void sweep(struct gt_flight_kept *kept, int64_t now_ns)
{
    struct gt_error err;

    kept->swept_ns = now_ns;
    if (kept->ring && gt_ring_sweep(kept->ring, now_ns, &err) < 0)
        say_failed(kept, err.message);
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (kept->perf_rings[i] && gt_perf_ring_sweep(kept->perf_rings[i], now_ns, &err) < 0)
            say_failed(kept, err.message);
}

void gt_flight_kept_sweep(struct gt_flight_kept *kept, int64_t now_ns)
{
    if (kept->punching ||
        (now_ns - kept->swept_ns < (int64_t)SWEEP_MS * GT_NS_PER_MS && !is_large(kept)))
        return;
    sweep(kept, now_ns);
    give_back(kept);
}

/* --- copies --- */

void gt_flight_kept_expect_copy(struct gt_flight_kept *kept)
{
    if (kept->ring)
        gt_ring_want_clocks(kept->ring);
}

static int copy_agents(struct gt_flight_kept *kept, struct gt_agentlog_files *files,
                       int64_t until_ns, struct gt_error *err)
{
    int rc = files->control = make_file(kept->run, err);

    if (rc >= 0)
        rc = files->log = make_file(kept->run, err);
    return rc < 0
               ? rc
               : gt_ring_copy(kept->ring, files, gt_ring_since_ns(kept->ring, until_ns), err);
}

int gt_flight_kept_copy(struct gt_flight_kept *kept, struct gt_flight_files *files,
                        int64_t until_ns, struct gt_error *err)
{
    int rc = 0;

    *files = no_files();
    sweep(kept, gt_now_ns());
    if (kept->ring)
        rc = copy_agents(kept, &files->agent, until_ns, err);
    for (int i = 0; rc >= 0 && i < GT_RECORDED_PARTS; i++) {
        if (!kept->perf_rings[i])
            continue;
        rc = files->perf[i] = make_file(kept->run, err);
        if (rc >= 0)
            rc = gt_perf_ring_copy(kept->perf_rings[i], rc, err);
    }
    if (rc < 0)
        gt_flight_files_close(files);
    return rc < 0 ? rc : 0;
}

int64_t gt_flight_kept_since_ns(const struct gt_flight_kept *kept, int64_t until_ns)
{
    int64_t since_ns = until_ns - gt_flight_keep_ns(kept->run);

    if (kept->ring && gt_ring_since_ns(kept->ring, until_ns) > since_ns)
        since_ns = gt_ring_since_ns(kept->ring, until_ns);
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        const struct gt_perf_ring *ring = kept->perf_rings[i];

        if (ring && gt_perf_ring_since_ns(ring, until_ns) > since_ns)
            since_ns = gt_perf_ring_since_ns(ring, until_ns);
    }
    return since_ns > kept->run->clocks.first.monotonic_ns ? since_ns
                                                           : kept->run->result.since_ns;
}

/* --- the end --- */

void gt_flight_kept_end_agents(struct gt_flight_kept *kept, int64_t ended_ns)
{
    struct gt_agentlog_files *own = &kept->run->agent_files, files = {-1, -1};
    struct gt_error err;
    int rc;

    if (!kept->ring)
        return;
    rc = gt_ring_sweep(kept->ring, gt_now_ns(), &err);
    if (rc == 0)
        rc = copy_agents(kept, &files, ended_ns, &err);
    if (rc == 0)
        gt_agent_stop_all(own);
    else
        gt_say("%s: the report is of what could be read of the log", err.message);
    if (rc == 0)
        close_agents(own);
    else
        close_agents(&files);
    if (rc == 0)
        *own = files;
    gt_ring_free(kept->ring);
    kept->ring = NULL;
}

/* In the place of the one with holes, which perf does not write any more. */
static int make_anew(const char *path, struct gt_error *err)
{
    int fd = unlink(path) ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? gt_error_errno(err, "cannot make %s anew", path) : fd;
}

static void end_part(struct gt_flight_kept *kept, enum gt_recorded_part part)
{
    struct gt_error err;
    int fd = make_anew(path_of(kept->run, part), &err);
    int rc = fd < 0 ? fd : gt_perf_ring_copy(kept->perf_rings[part], fd, &err);

    if (rc < 0)
        gt_say("%s: the report is without what perf recorded", err.message);
    close_file(&fd);
}

void gt_flight_kept_end_perf(struct gt_flight_kept *kept)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        if (kept->perf_rings[i])
            end_part(kept, (enum gt_recorded_part)i);
        gt_perf_ring_free(kept->perf_rings[i]);
        kept->perf_rings[i] = NULL;
        close_file(&kept->perf[i]);
    }
}

void gt_flight_kept_free(struct gt_flight_kept *kept)
{
    if (!kept)
        return;
    if (kept->punching)
        kept->punching->kept = NULL;
    gt_ring_free(kept->ring);
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        gt_perf_ring_free(kept->perf_rings[i]);
        close_file(&kept->perf[i]);
    }
    free(kept);
}
