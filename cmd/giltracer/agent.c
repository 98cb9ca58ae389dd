/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include "agent/wire.h"
#include "base/nstime.h"
#include "launch/elf.h"
#include "launch/tools.h"
#include "process_stat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

extern char **environ;

/* Beside our program, or where it is installed from there. */
int gt_agent_find(char *path, size_t size, struct gt_error *err)
{
    static const char *const places[] = {"", "../lib/giltracer/", "../lib/"};
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    own[length > 0 ? length : 0] = '\0';
    slash = strrchr(own, '/');
    for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
        int written =
            snprintf(path, size, "%.*s/%s" GT_AGENT_NAME, (int)(slash - own), own, places[i]);

        if (written <= 0 || (size_t)written >= size || access(path, R_OK))
            continue;
        if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)) /* by whom the program runs as */
            return gt_error_set(err, GT_ERR_PERMISSION,
                                "%s cannot be read by the user who called sudo (install "
                                "giltracer where every user may go)",
                                path);
        if (strpbrk(path, ": "))
            return gt_error_set(err, GT_ERR_UNSUPPORTED,
                                "%s: the loader cannot preload a path with a space or a colon "
                                "(move giltracer)",
                                path);
        return 0;
    }
    return gt_error_set(
        err, GT_ERR_NOT_FOUND,
        "the agent " GT_AGENT_NAME " is not beside giltracer nor in ../lib/giltracer "
        "(install it, or trace with perf: --gil-source uprobes --no-python-trace)");
}

/* The loader ignores LD_PRELOAD when executing the file gives privilege. */
static bool gives_privilege(const char *path)
{
    struct stat st;

    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return true;
    return stat(path, &st) == 0 && ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
                                    (st.st_mode & S_ISGID && st.st_gid != getegid()));
}

/* What the loader will not preload into. */
static int check_program(const char *path, struct gt_error *err)
{
    char loader[PATH_MAX];
    struct gt_elf elf;
    int rc;

    if (gives_privilege(path))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "%s is set-uid, set-gid or has capabilities: the loader refuses to "
                            "preload the agent into it",
                            path);
    if (gt_elf_open(&elf, path, NULL) < 0)
        return 0;
    rc = gt_elf_interpreter(&elf, loader, sizeof(loader), NULL);
    gt_elf_close(&elf);
    if (rc == GT_ERR_NOT_FOUND)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "%s is linked statically: the agent cannot be preloaded into it",
                            path);
    return 0;
}

/* Of this process: the target finds the files as long as they must be. GT_ERR_IO. */
int gt_agent_check_file_limit(struct gt_error *err)
{
    const uint64_t least = GT_WIRE_CONTROL_BYTES + gt_wire_log_length(0);
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= least)
        return 0;
    return gt_error_set(err, GT_ERR_IO,
                        "no file may be longer than %llu bytes, and its log needs %llu (raise "
                        "ulimit -f)",
                        (unsigned long long)limit.rlim_cur, (unsigned long long)least);
}

int gt_agent_check(const struct gt_interp *interp, struct gt_error *err)
{
    char name[PATH_MAX];
    char *path;
    int rc = gt_agent_find(name, sizeof(name), err);

    if (rc == 0)
        rc = gt_agent_check_file_limit(err);
    if (rc < 0)
        return rc;
    path = interp->executable ? strdup(interp->executable) : gt_tool_find(interp->command);
    rc = path ? check_program(path, err) : 0;
    free(path);
    return rc;
}

static bool is_log(const char *name)
{
    return strcmp(name, GT_WIRE_CONTROL_NAME) == 0 || strcmp(name, GT_WIRE_LOG_NAME) == 0;
}

/* The logs of an earlier run would be taken for this one's. Other files stay. */
static int remove_old_logs(const char *path, struct gt_error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int rc = 0;

    if (!dir)
        return gt_error_errno(err, "cannot read the agent's folder %s", path);
    while (rc == 0 && (entry = readdir(dir)))
        if (is_log(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0))
            rc = gt_error_errno(err, "cannot remove the old %s/%s", path, entry->d_name);
    closedir(dir);
    return rc;
}

/* The agent writes only where nobody else can read, or put a link; see agent/folder.h. */
static int check_private(const char *path, struct gt_error *err)
{
    struct stat st;

    if (strlen(path) >= GT_WIRE_PATH_SIZE)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "%s: too long a path for the agent's logs, which takes %d bytes "
                            "(set TMPDIR, or --keep, to a shorter one)",
                            path, GT_WIRE_PATH_SIZE - 1);
    if (lstat(path, &st))
        return gt_error_errno(err, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "%s is not a folder that is yours alone, as the agent's logs need "
                            "(choose another with --keep)",
                            path);
    return 0;
}

/* What is too long for the file system, or a limit, is tried shorter. */
static int give_lengths(const struct gt_agentlog_files *files, const char *max_bytes)
{
    uint64_t length =
        gt_wire_log_length(max_bytes ? strtoull(max_bytes, NULL, 10) : GT_WIRE_DEFAULT_BYTES);

    if (ftruncate(files->control, GT_WIRE_CONTROL_BYTES))
        return -1;
    while (ftruncate(files->log, (off_t)(length - length % GT_WIRE_CHUNK_BYTES))) {
        length /= 2;
        if ((errno != EFBIG && errno != EINVAL) || length < GT_WIRE_CHUNK_BYTES)
            return -1;
    }
    return 0;
}

int gt_agent_files(int dir, const char *path, const char *max_bytes,
                   struct gt_agentlog_files *files, struct gt_error *err)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int rc = 0;

    files->control = openat(dir, GT_WIRE_CONTROL_NAME, flags, 0600);
    files->log = openat(dir, GT_WIRE_LOG_NAME, flags, 0600);
    if (files->control < 0 || files->log < 0)
        rc = gt_error_errno(err, "cannot make the agent's files in %s", path);
    else if (give_lengths(files, max_bytes))
        rc = gt_agent_check_file_limit(err) < 0
                 ? err->code
                 : gt_error_errno(err, "cannot make the agent's files in %s so long", path);
    return rc;
}

static int make_files(const char *path, const char *max_bytes, struct gt_agentlog_files *files,
                      struct gt_error *err)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = gt_agent_files(dir, path, max_bytes, files, err);

    if (dir >= 0)
        close(dir);
    return rc;
}

/* Agents find it by an absolute path, whatever folder they work in. */
int gt_agent_folder(const char *folder, const char *max_bytes, char **path,
                    struct gt_agentlog_files *files, struct gt_error *err)
{
    char absolute[PATH_MAX];
    bool old = false;
    int rc;

    *path = NULL;
    if (!realpath(folder, absolute))
        return gt_error_errno(err, "cannot resolve the folder %s", folder);
    if (asprintf(path, "%s/agent", absolute) < 0) {
        *path = NULL;
        return gt_error_memory(err);
    }
    if (mkdir(*path, 0700)) {
        if (errno != EEXIST)
            return gt_error_errno(err, "cannot make the agent's folder %s", *path);
        old = true;
    }
    rc = check_private(*path, err);
    if (rc == 0 && old)
        rc = remove_old_logs(*path, err);
    return rc < 0 ? rc : make_files(*path, max_bytes, files, err);
}

void gt_agent_note_probes_out(const struct gt_agentlog_files *files, int64_t time_ns,
                              bool rest_out, bool rest_lost, bool perf_died)
{
    const uint64_t note[] = {(uint64_t)time_ns, (rest_out ? GT_WIRE_REST_OUT : 0) |
                                                    (rest_lost ? GT_WIRE_REST_LOST : 0) |
                                                    (perf_died ? GT_WIRE_PERF_DIED : 0)};
    ssize_t written;

    _Static_assert(offsetof(struct gt_wire_control, perf_out) ==
                       offsetof(struct gt_wire_control, probes_out_ns) + sizeof(note[0]),
                   "both are written at once");
    written = pwrite(files->control, note, sizeof(note),
                     offsetof(struct gt_wire_control, probes_out_ns));
    (void)written; /* this run knows */
}

static struct gt_wire_wall wall_of(const struct gt_clock_anchor *anchor)
{
    return (struct gt_wire_wall){anchor->monotonic_ns, anchor->realtime_ns, anchor->within_ns,
                                 anchor->error_ns};
}

void gt_agent_note_clocks(const struct gt_agentlog_files *files, const struct gt_clocks *clocks)
{
    enum { FROM = offsetof(struct gt_wire_control, walls) };
    struct gt_wire_control *control;

    if (files->control < 0 || !(control = calloc(1, sizeof(*control))))
        return; /* DIR/run.json tells, too */
    control->walls[0] = wall_of(&clocks->first);
    control->walls[1] = wall_of(&clocks->last);
    control->shift_ns = gt_monotonic_shift_ns();
    memcpy(control->boot_id, clocks->boot_id, sizeof(control->boot_id));
    (void)!pwrite(files->control, (char *)control + FROM,
                  offsetof(struct gt_wire_control, pad0) - FROM, FROM);
    free(control);
}

static void trim(const struct gt_agentlog_files *files)
{
    struct gt_wire_control *control;
    struct stat st;
    uint64_t units;
    int failed = 0;

    if (fstat(files->control, &st) || st.st_size < (off_t)sizeof(*control))
        return;
    control =
        mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, files->control, 0);
    if (control == MAP_FAILED)
        return;
    /* From now on nobody can take a unit, so those beyond these stay unused. */
    control->kept_units = __atomic_fetch_add(&control->units, UINT32_MAX, __ATOMIC_ACQ_REL);
    units = control->kept_units + 1;
    if (fstat(files->log, &st) == 0 && units < (uint64_t)st.st_size / GT_WIRE_CHUNK_BYTES)
        failed = ftruncate(files->log, (off_t)(units * GT_WIRE_CHUNK_BYTES));
    (void)failed; /* then the log is longer than needed */
    munmap(control, sizeof(*control));
}

/* Like a log that is full: an agent stops when it needs another unit. */
void gt_agent_stop_all(const struct gt_agentlog_files *files)
{
    const uint64_t full = UINT64_MAX / 2;

    if (files->control >= 0)
        (void)!pwrite(files->control, &full, sizeof(full),
                      offsetof(struct gt_wire_control, used_bytes));
}

void gt_agent_close(struct gt_agentlog_files *files, bool keep)
{
    if (keep && files->control >= 0 && files->log >= 0)
        trim(files);
    if (files->control >= 0)
        close(files->control);
    if (files->log >= 0)
        close(files->log);
    *files = (struct gt_agentlog_files){-1, -1};
}

/* A zombie, for which its parent has not waited yet, is not alive. */
bool gt_agent_is_alive(int32_t pid)
{
    struct gt_process_stat stat;

    return gt_process_look(pid, &stat);
}

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* What the user preloads already stays, and comes after ours. */
static int add_preload(struct gt_strvec *env, const char *agent)
{
    const char *old = getenv("LD_PRELOAD");

    return gt_strvec_pushf(env, "LD_PRELOAD=%s%s%s", agent, old && *old ? ":" : "",
                           old ? old : "");
}

/* What the agent is told: a variable, or a line, "NAME=VALUE" for each of these. */
static int each_setting(const struct gt_agent_request *request, const char *folder,
                        int (*add)(void *to, const char *name, const char *value), void *to)
{
    const struct {
        const char *name, *value;
    } settings[] = {
        {GT_AGENT_ENV_DIR, folder},
        {GT_AGENT_ENV_MAX_BYTES, request->max_bytes},
        {GT_AGENT_ENV_PYTHON, "1"}, /* what follows is of functions */
        {GT_AGENT_ENV_MAX_DEPTH, request->max_depth},
        {GT_AGENT_ENV_MIN_NS, request->min_ns},
        {GT_AGENT_ENV_INCLUDE, request->include},
        {GT_AGENT_ENV_EXCLUDE, request->exclude},
        {GT_AGENT_ENV_C_CALLS, request->c_calls ? "1" : "0"},
        {GT_AGENT_ENV_BUDGET, request->budget},
        {GT_AGENT_ENV_IMPORT, request->imports},
    };
    size_t count = request->python_trace ? sizeof(settings) / sizeof(settings[0]) : 2;
    int failed = 0;

    for (size_t i = 0; i < count; i++)
        if (settings[i].value)
            failed |= add(to, settings[i].name, settings[i].value);
    return failed;
}

static int add_variable(void *to, const char *name, const char *value)
{
    return gt_strvec_pushf(to, "%s=%s", name, value);
}

/* A value of several lines has its name before each. */
static int add_lines(void *to, const char *name, const char *value)
{
    int failed = 0;

    for (size_t length; *value; value += length + (value[length] == '\n')) {
        length = strcspn(value, "\n");
        failed |= gt_buf_addf(to, "%s=%.*s\n", name, (int)length, value);
    }
    return failed;
}

int gt_agent_settings(const struct gt_agent_request *request, const char *folder,
                      struct gt_buf *text)
{
    return each_setting(request, folder, add_lines, text);
}

int gt_agent_environment(const struct gt_agent_request *request, const char *folder,
                         struct gt_strvec *env, struct gt_error *err)
{
    char agent[PATH_MAX];
    int rc = gt_agent_find(agent, sizeof(agent), err);
    int failed = 0;

    if (rc < 0)
        return rc;
    for (char **entry = environ; *entry; entry++)
        if (!is_variable(*entry, "LD_PRELOAD") && strncmp(*entry, "GILTRACER_AGENT_", 16) != 0)
            failed |= gt_strvec_push(env, *entry);
    failed |= add_preload(env, agent) | each_setting(request, folder, add_variable, env);
    return failed ? gt_error_memory(err) : 0;
}
