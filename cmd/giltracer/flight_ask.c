/* SPDX-License-Identifier: MIT */
/* --snapshot: which giltracer is asked, and asking it. */
#include "base/buf.h"
#include "base/fs.h"
#include "cli.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "flight.h"
#include "process_stat.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, ANCESTORS_MAX = 64 };

/* Of /proc/PID/NAME, as text that ends with NUL; false: it cannot be read. */
static bool read_of(int pid, const char *name, struct gt_buf *text)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    gt_buf_init(text);
    if (gt_fs_read(path, text, TEXT_MAX, NULL) == 0 && text->length)
        return true;
    gt_buf_release(text);
    return false;
}

/* The signal by which it is asked would end a process that does not expect it. */
static bool expects_signal(int pid)
{
    unsigned long long caught = 0;
    struct gt_buf text;
    const char *at;

    if (!read_of(pid, "status", &text))
        return false;
    at = strstr(text.data, "\nSigCgt:");
    if (at)
        caught = strtoull(at + sizeof("\nSigCgt:") - 1, NULL, 16);
    gt_buf_release(&text);
    return caught >> (SIGUSR2 - 1) & 1;
}

/* giltracer takes the option from its command line alone. */
static bool is_recorder(int pid)
{
    static const char option[] = "--keep-last";
    struct gt_buf words;
    const char *slash;
    bool named, found = false;

    if (!read_of(pid, "cmdline", &words))
        return false;
    slash = strrchr(words.data, '/');
    named = strcmp(slash ? slash + 1 : words.data, "giltracer") == 0;
    for (size_t at = 0; named && !found && at < words.length; at += strlen(words.data + at) + 1)
        found = strncmp(words.data + at, option, sizeof(option) - 1) == 0;
    gt_buf_release(&words);
    return found && expects_signal(pid);
}

/* Does its command line say that it records that process? */
static bool names_process(int recorder, int pid)
{
    static const char option[] = "--pid";
    const size_t length = sizeof(option) - 1;
    struct gt_buf words;
    bool found = false, next = false;

    if (!read_of(recorder, "cmdline", &words))
        return false;
    for (size_t at = 0; !found && at < words.length; at += strlen(words.data + at) + 1) {
        const char *word = words.data + at;

        found = next && atoi(word) == pid;
        next = strcmp(word, option) == 0;
        found |= strncmp(word, option, length) == 0 && word[length] == '=' &&
                 atoi(word + length + 1) == pid;
    }
    gt_buf_release(&words);
    return found;
}

/* Who records a process that ran before; 0: nobody. */
static int find_recorder(int pid)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    int found = 0;

    while (processes && !found && (entry = readdir(processes)) != NULL) {
        int other = atoi(entry->d_name);

        if (other > 0 && is_recorder(other) && names_process(other, pid))
            found = other;
    }
    if (processes)
        closedir(processes);
    return found;
}

/* The giltracer that records the process, which started it or one of its ancestors, or records
 * one of these, or is it; 0: none. */
static int recorder_of(int pid)
{
    struct gt_process_stat stat;

    for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
        int recorder = is_recorder(pid) ? pid : find_recorder(pid);

        if (recorder)
            return recorder;
        pid = gt_process_look(pid, &stat) ? stat.parent : 0;
    }
    return 0;
}

int gt_flight_ask(const struct gt_cli *cli)
{
    int pid = recorder_of(cli->snapshot_pid);

    if (!pid) {
        gt_say("process %d is not recorded by a giltracer --keep-last, nor is it one",
               cli->snapshot_pid);
        return GT_EXIT_OURS;
    }
    if (kill(pid, SIGUSR2)) {
        gt_say("cannot ask giltracer, process %d, for a report: %s", pid, strerror(errno));
        return GT_EXIT_OURS;
    }
    return 0;
}
