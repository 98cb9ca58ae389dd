/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "base/nstime.h"
#include "common/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The controlling terminal of a process; 0: it has none, or it is not known. */
static dev_t controlling_terminal(int pid)
{
    char path[64], text[1024];
    unsigned number = 0;
    const char *fields;
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    fields = strrchr(text, ')'); /* what is before it may hold anything */
    if (!fields || sscanf(fields, ") %*c %*d %*d %*d %u", &number) != 1)
        return 0;
    return makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

/* Is the process on the terminal that our messages go to? */
static bool is_on_our_terminal(int pid)
{
    struct stat ours, theirs;
    char path[64];

    if (fstat(STDERR_FILENO, &ours) || controlling_terminal(pid) == ours.st_rdev)
        return true;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
        if (stat(path, &theirs) == 0 && S_ISCHR(theirs.st_mode) &&
            theirs.st_rdev == ours.st_rdev)
            return true;
    }
    return false;
}

/* What giltracer starts inherits its terminal. */
static bool is_terminal_taken(const struct gt_run_state *run)
{
    if (run->cli->pid)
        return is_on_our_terminal(run->cli->pid);
    return !run->result.ended_ns;
}

static void show_recording(const struct gt_run_state *run)
{
    int64_t elapsed_ns = gt_now_ns() - run->started_ns;
    double all_s = (double)(run->cli->delay_ms + run->cli->duration_ms) / 1e3;
    struct stat st;
    double size = stat(run->data_path, &st) ? 0.0 : (double)st.st_size / 1e6;

    if (run->cli->duration_ms)
        gt_progress("recording, %.0f of %.0f s, %.1f MB", (double)elapsed_ns / 1e9, all_s,
                    size);
    else
        gt_progress("recording, %.0f s, %.1f MB", (double)elapsed_ns / 1e9, size);
}

/* Events come in the order of time: how far they are in the time of the recording is how much
 * of it was read. */
static void show_reading(const struct gt_run_state *run)
{
    int64_t end_ns = run->result.ended_ns ? run->result.ended_ns : run->result.until_ns;
    int64_t start_ns = run->result.since_ns ? run->result.since_ns : run->started_ns;
    int64_t read_ns = gt_ingest_recorded(run->ingest)->timeline->end_ns;
    double percent;

    if (end_ns <= start_ns || read_ns < start_ns) {
        gt_progress("reading the recording");
        return;
    }
    percent = gt_percent(read_ns - start_ns, end_ns - start_ns);
    gt_progress("reading the recording, %.0f%%", percent > 100 ? 100 : percent);
}

void gt_progress_show(const struct gt_run_state *run, enum gt_session_state state)
{
    if (!gt_console_is_terminal() || is_terminal_taken(run))
        return;
    if (state == GT_SESSION_RUNNING)
        show_recording(run);
    else if (state == GT_SESSION_CONVERTING)
        show_reading(run);
}
