/* SPDX-License-Identifier: MIT */
#include "launch/caps.h"

#include "base/fs.h"
#include "launch/cache.h"
#include "launch/child.h"
#include "launch/rights.h"
#include "launch/tools.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAP_BIT_IPC_LOCK = 14, CAP_BIT_SYS_ADMIN = 21, CAP_BIT_PERFMON = 38 };

void gt_caps_init(struct gt_caps *caps)
{
    memset(caps, 0, sizeof(*caps));
    gt_buf_init(&caps->installed);
}

void gt_caps_release(struct gt_caps *caps)
{
    free(caps->perf);
    free(caps->tracefs);
    gt_buf_release(&caps->installed);
    gt_caps_init(caps);
}

static void refuse(char *why, size_t size, const char *text)
{
    if (!why[0])
        snprintf(why, size, "%s", text);
}

void gt_caps_read_perf_version(struct gt_caps *caps, const char *text)
{
    const char *version = strstr(text, "perf version ");
    const char *traceevent = strstr(text, "libtraceevent:");

    if (!version) {
        refuse(caps->record_why, sizeof(caps->record_why),
               "perf does not tell its version (is it the wrapper of another kernel's perf? "
               "Install linux-perf or name a perf program with GILTRACER_PERF)");
        return;
    }
    sscanf(version, "perf version %63[^ \n\t]", caps->perf_version);
    sscanf(caps->perf_version, "%d.%d", &caps->perf_major, &caps->perf_minor);
    if (caps->perf_major < 5 || (caps->perf_major == 5 && caps->perf_minor < 10))
        snprintf(caps->record_why, sizeof(caps->record_why),
                 "perf %s is too old: 5.10 has --control, which is needed (install a newer "
                 "linux-perf or name one with GILTRACER_PERF)",
                 caps->perf_version);
    if (traceevent) {
        const char *off = strcasestr(traceevent, "off");
        const char *end = strchr(traceevent, '\n');

        if (off && (!end || off < end))
            refuse(caps->record_why, sizeof(caps->record_why),
                   "perf was built without libtraceevent and cannot read probes (install your "
                   "distribution's perf or name another with GILTRACER_PERF)");
    }
}

static const char kind_of_answer[] = "perf";

/* Distributions have a script in perf's place, which finds one for the kernel that runs. */
static bool recall_version(struct gt_caps *caps)
{
    struct gt_buf answer;
    bool known;

    gt_buf_init(&answer);
    known = gt_cache_is_binary(caps->perf) && gt_cache_get(kind_of_answer, caps->perf, &answer);
    if (known)
        gt_caps_read_perf_version(caps, answer.data);
    gt_buf_release(&answer);
    return known;
}

static int probe_perf(struct gt_caps *caps, uv_loop_t *loop, struct gt_error *err)
{
    const char *named = getenv("GILTRACER_PERF");
    char *argv[] = {NULL, "version", "--build-options", NULL};
    struct gt_error why;
    struct gt_child child;
    int rc;

    caps->perf = gt_tool_find(named && *named ? named : "perf");
    if (!caps->perf) {
        snprintf(caps->record_why, sizeof(caps->record_why),
                 "%.100s is not installed (apt install linux-perf; or name the program with "
                 "GILTRACER_PERF)",
                 named && *named ? named : "perf");
        return 0;
    }
    if (recall_version(caps))
        return 0;
    argv[0] = caps->perf;
    rc = gt_perf_run(&child, loop, argv, &why);
    if (rc == GT_ERR_MEMORY)
        return gt_error_memory(err);
    if (rc < 0) {
        snprintf(caps->record_why, sizeof(caps->record_why),
                 "%.150s (apt install linux-perf; or name another perf program with "
                 "GILTRACER_PERF)",
                 why.message);
        return 0;
    }
    gt_caps_read_perf_version(caps, child.out_text.data);
    if (gt_child_succeeded(&child) && !caps->record_why[0] && gt_cache_is_binary(caps->perf))
        gt_cache_put(kind_of_answer, caps->perf, NULL, 0, child.out_text.data,
                     child.out_text.length);
    gt_child_release(&child);
    return 0;
}

/* The first number of a /proc file, or `missing`. */
static long read_number(const char *path, long missing)
{
    struct gt_buf text;
    long value = missing;

    gt_buf_init(&text);
    if (gt_fs_read(path, &text, 4096, NULL) == 0 && text.length)
        value = strtol(text.data, NULL, 10);
    gt_buf_release(&text);
    return value;
}

/* How much memory is free, or would be at once. Kernels before 3.14 do not tell: then a quarter
 * of all counts as free. */
static uint64_t available_bytes(void)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long long kib = 0;
    struct gt_buf text;
    const char *line;

    gt_buf_init(&text);
    if (gt_fs_read("/proc/meminfo", &text, 65536, NULL) == 0 &&
        (line = strstr(text.data, "MemAvailable:")))
        kib = strtoull(line + strlen("MemAvailable:"), NULL, 10);
    gt_buf_release(&text);
    return kib ? (uint64_t)kib * 1024 : pages / 4 * page;
}

static void probe_locking(struct gt_caps *caps)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_MEMLOCK, &limit);
    caps->memlock_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    caps->mlock_kb = read_number("/proc/sys/kernel/perf_event_mlock_kb", 516);
    caps->available_bytes = available_bytes();
}

static void probe_privilege(struct gt_caps *caps)
{
    struct gt_buf text;
    unsigned long long effective = 0;
    const char *line;

    gt_buf_init(&text);
    if (gt_fs_read("/proc/self/status", &text, 65536, NULL) == 0) {
        line = strstr(text.data, "\nCapEff:");
        if (line)
            effective = strtoull(line + 8, NULL, 16);
    }
    gt_buf_release(&text);
    caps->sys_admin = effective >> CAP_BIT_SYS_ADMIN & 1;
    caps->perfmon = caps->sys_admin || (effective >> CAP_BIT_PERFMON & 1);
    caps->ipc_lock = effective >> CAP_BIT_IPC_LOCK & 1;
    caps->perf_event_paranoid = (int)read_number("/proc/sys/kernel/perf_event_paranoid", 4);
    caps->cpu_count = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* No version number tells: distributions backport. */
static void probe_sample_read(struct gt_caps *caps)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_DUMMY,
        .sample_period = 1,
        .sample_type = PERF_SAMPLE_READ | PERF_SAMPLE_TID,
        .disabled = 1,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

    caps->sample_read = fd >= 0;
    if (fd >= 0)
        close(fd);
}

static int find_tracefs(struct gt_caps *caps, struct gt_error *err)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/events", places[i]);
        if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS))
            continue;
        caps->tracefs = strdup(places[i]);
        return caps->tracefs ? 0 : gt_error_memory(err);
    }
    return 0;
}

static size_t skip_number(const char *text)
{
    size_t length = 1;

    if (text[0] != '_' || !isdigit((unsigned char)text[1]))
        return 0;
    while (isdigit((unsigned char)text[length]))
        length++;
    return length;
}

bool gt_caps_is_gil_probe(const char *name)
{
    static const char *const functions[] = {"take_gil", "drop_gil"};
    static const char suffix[] = "__return";

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        const char *rest = name + strlen(functions[i]);

        if (strncmp(name, functions[i], strlen(functions[i])) != 0)
            continue;
        rest += skip_number(rest);
        if (strncmp(rest, suffix, sizeof(suffix) - 1) == 0)
            rest += sizeof(suffix) - 1;
        rest += skip_number(rest);
        return !*rest;
    }
    return false;
}

static void find_shared(struct gt_caps *caps)
{
    bool signals = false, waits = false;
    struct dirent *entry;
    char path[128];
    DIR *folder;

    if (!caps->tracefs)
        return;
    snprintf(path, sizeof(path), "%s/events/%s", caps->tracefs, GT_SHARED_GROUP);
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        signals |= strncmp(entry->d_name, "signal", 6) == 0;
        waits |= strncmp(entry->d_name, "wait", 4) == 0;
    }
    if (folder)
        closedir(folder);
    caps->shared_probes = signals && waits;
}

static int find_installed(struct gt_caps *caps, struct gt_error *err)
{
    bool take = false, taken = false, drop = false;
    struct dirent *entry;
    char path[128];
    DIR *folder;

    if (!caps->tracefs)
        return 0;
    snprintf(path, sizeof(path), "%s/events/python", caps->tracefs);
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        if (!gt_caps_is_gil_probe(entry->d_name))
            continue;
        if (gt_buf_addf(&caps->installed, "python:%s\n", entry->d_name)) {
            closedir(folder);
            return gt_error_memory(err);
        }
        if (strncmp(entry->d_name, "drop", 4) == 0)
            drop = true;
        else if (strstr(entry->d_name, "__return"))
            taken = true;
        else
            take = true;
    }
    if (folder)
        closedir(folder);
    caps->installed_probes = take && taken && drop;
    return 0;
}

/* perf mounts tracefs itself when it may, where there is a place for it. In a root without /sys
 * there is none. */
static bool has_place_for_tracefs(void)
{
    return access("/sys/kernel/tracing", F_OK) == 0 || access("/sys/kernel/debug", F_OK) == 0;
}

static void judge(struct gt_caps *caps)
{
    char path[128];

    if (faccessat(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", F_OK, AT_EACCESS))
        refuse(caps->record_why, sizeof(caps->record_why),
               "this kernel has no perf events (CONFIG_PERF_EVENTS)");
    if (!caps->tracefs && !has_place_for_tracefs())
        refuse(caps->trace_why, sizeof(caps->trace_why),
               "tracefs is not mounted, and there is no /sys/kernel/tracing to mount it on "
               "(mount -t sysfs sysfs /sys)");
    else if (!caps->tracefs && !caps->sys_admin)
        snprintf(caps->trace_why, sizeof(caps->trace_why),
                 "tracefs (/sys/kernel/tracing) cannot be read without privilege (run as root, "
                 "or have root run: giltracer --setup GROUP)");
    else if (!caps->perfmon && caps->perf_event_paranoid > -1)
        snprintf(caps->trace_why, sizeof(caps->trace_why),
                 "kernel.perf_event_paranoid is %d, and probes need -1 or privilege (run as "
                 "root, or have root run: giltracer --setup GROUP)",
                 caps->perf_event_paranoid);
    if (!caps->tracefs) {
        if (caps->trace_why[0])
            refuse(caps->install_why, sizeof(caps->install_why), caps->trace_why);
        return;
    }
    snprintf(path, sizeof(path), "%s/uprobe_events", caps->tracefs);
    if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS))
        snprintf(caps->install_why, sizeof(caps->install_why),
                 "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)");
    else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS))
        snprintf(caps->install_why, sizeof(caps->install_why),
                 "%s cannot be written: %s (installing probes needs root)", path,
                 strerror(errno));
    else if (!caps->sys_admin && geteuid() != 0)
        refuse(caps->install_why, sizeof(caps->install_why),
               "installing probes needs privilege (run as root)");
}

static int probe_all(struct gt_caps *caps, uv_loop_t *loop, struct gt_error *err)
{
    int rc = probe_perf(caps, loop, err);

    if (rc < 0)
        return rc;
    probe_privilege(caps);
    probe_locking(caps);
    probe_sample_read(caps);
    rc = find_tracefs(caps, err);
    if (rc < 0)
        return rc;
    find_shared(caps);
    rc = find_installed(caps, err);
    if (rc < 0)
        return rc;
    judge(caps);
    return 0;
}

int gt_caps_probe(struct gt_caps *caps, uv_loop_t *loop, struct gt_error *err)
{
    int rc;

    gt_rights_raise();
    rc = probe_all(caps, loop, err);
    gt_rights_lower();
    return rc;
}

uint32_t gt_caps_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) ? 0 : (uint32_t)CPU_COUNT(&set);
}
