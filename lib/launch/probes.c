#include "launch/probes.h"

#include "base/fs.h"
#include "base/strvec.h"
#include "launch/elf.h"
#include "launch/insn.h"
#include "launch/tools.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PERF_PROBE_TIMEOUT_MS = 30000, MAX_PROBES = 64, MAX_SWEPT = 32 };

void gt_probe_set_init(struct gt_probe_set *set)
{
    memset(set, 0, sizeof(*set));
}

void gt_probe_set_release(struct gt_probe_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->probes[i].path);
    free(set->probes);
    gt_probe_set_init(set);
}

/* Argument 1, where the calling convention puts it. */
static const char *cond_argument(uint16_t machine)
{
    switch (machine) {
    case EM_X86_64:
        return "cond=%di:x64";
    case EM_AARCH64:
        return "cond=%x0:x64";
    default:
        return NULL;
    }
}

static struct gt_probe *add_probe(struct gt_probe_set *set, const char *path, uint64_t offset,
                                  struct gt_error *err)
{
    struct gt_probe *probes = reallocarray(set->probes, set->count + 1, sizeof(*probes));
    struct gt_probe *probe;

    if (!probes) {
        gt_error_memory(err);
        return NULL;
    }
    set->probes = probes;
    probe = &probes[set->count];
    memset(probe, 0, sizeof(*probe));
    probe->path = strdup(path);
    if (!probe->path) {
        gt_error_memory(err);
        return NULL;
    }
    probe->offset = offset;
    set->count++;
    return probe;
}

static int plan_libc_probe(struct gt_probe_set *set, const struct gt_elf *elf,
                           const char *function, const char *event, struct gt_error *err)
{
    uint8_t code[GT_INSN_WINDOW];
    struct gt_probe *probe;
    uint64_t offset;
    size_t length;
    int rc = gt_elf_find_function(elf, function, &offset, err);

    if (rc < 0)
        return rc;
    length = gt_elf_read(elf, offset, code, sizeof(code));
    offset += gt_insn_cheapest(elf->header.e_machine, code, length);
    probe = add_probe(set, elf->path, offset, err);
    if (!probe)
        return GT_ERR_MEMORY;
    strlcpy(probe->event, event, sizeof(probe->event));
    probe->argument = cond_argument(elf->header.e_machine);
    if (!probe->argument)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "probes are known for x86-64 and aarch64 only, and %s is neither",
                            elf->path);
    return 0;
}

int gt_probes_plan_libc(struct gt_probe_set *set, const char *libc, struct gt_error *err)
{
    struct gt_elf elf;
    int rc = gt_elf_open(&elf, libc, err);

    if (rc < 0)
        return rc;
    rc = plan_libc_probe(set, &elf, "pthread_cond_signal", "signal", err);
    if (rc == 0)
        rc = plan_libc_probe(set, &elf, "pthread_cond_timedwait", "wait", err);
    gt_elf_close(&elf);
    return rc;
}

bool gt_probes_is_clone(const char *symbol, const char *function)
{
    size_t length = strlen(function);

    if (strncmp(symbol, function, length) != 0)
        return false;
    return !symbol[length] || (symbol[length] == '.' && !strstr(symbol + length, ".cold"));
}

struct function_search {
    struct gt_probe_set *set;
    const char *path;
    const char *function;
    unsigned clones;
    struct gt_error *err;
};

static int take_function(void *context, const struct gt_elf_symbol *symbol)
{
    struct function_search *search = context;
    struct gt_probe_set *set = search->set;
    bool returns = strcmp(search->function, "take_gil") == 0;

    if (!gt_probes_is_clone(symbol->name, search->function))
        return 0;
    for (size_t i = 0; i < set->count; i++) /* .symtab and .dynsym may both name it */
        if (set->probes[i].offset == symbol->offset &&
            strcmp(set->probes[i].path, search->path) == 0)
            return 0;
    if (set->count + 2 > MAX_PROBES)
        return gt_error_set(search->err, GT_ERR_FORMAT, "%s has too many clones of %s",
                            search->path, search->function);
    for (int on_return = 0; on_return <= (returns ? 1 : 0); on_return++) {
        struct gt_probe *probe = add_probe(set, search->path, symbol->offset, search->err);

        if (!probe)
            return GT_ERR_MEMORY;
        probe->on_return = on_return;
        strlcpy(probe->event, search->function, sizeof(probe->event));
        if (search->clones > 0)
            snprintf(probe->event, sizeof(probe->event), "%s_%u", search->function,
                     search->clones);
    }
    search->clones++;
    return 0;
}

static int plan_function(struct gt_probe_set *set, const struct gt_interp *interp,
                         const char *function, struct gt_error *err)
{
    const char *paths[] = {interp->executable, interp->libpython};
    struct function_search search = {set, NULL, function, 0, err};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct gt_elf elf;
        int rc;

        if (!paths[i])
            continue;
        search.path = paths[i];
        rc = gt_elf_open(&elf, paths[i], err);
        if (rc < 0)
            return rc;
        rc = gt_elf_each_function(&elf, take_function, &search, err);
        gt_elf_close(&elf);
        if (rc < 0)
            return rc;
    }
    if (search.clones == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "%s has no symbol %s: it is stripped, or the function was inlined "
                            "(--gil-source uprobes needs no symbols)",
                            interp->libpython    ? interp->libpython
                            : interp->executable ? interp->executable
                                                 : interp->command,
                            function);
    return 0;
}

int gt_probes_plan_functions(struct gt_probe_set *set, const struct gt_interp *interp,
                             struct gt_error *err)
{
    int rc = plan_function(set, interp, "take_gil", err);

    return rc < 0 ? rc : plan_function(set, interp, "drop_gil", err);
}

int gt_probe_definition(const struct gt_probe_set *set, const struct gt_probe *probe,
                        struct gt_buf *text)
{
    return gt_buf_addf(text, "%s:%s=0x%llx%s%s%s", set->group, probe->event,
                       (unsigned long long)probe->offset, probe->on_return ? "%return" : "",
                       probe->argument ? " " : "", probe->argument ? probe->argument : "");
}

/* `perf probe -x FILE -a … -a …` for the probes from `first` on that share its file; `next`
 * is the first that does not. */
static int install_command(const struct gt_probe_set *set, const struct gt_caps *caps,
                           size_t first, size_t *next, struct gt_strvec *argv)
{
    const char *path = set->probes[first].path;
    /* -f: perf refuses an event's name that exists in any group, so a run beside ours would
     * be in the way; with it, it takes the next free name, "signal_1". */
    int failed = gt_strvec_push(argv, caps->perf) | gt_strvec_push(argv, "probe") |
                 gt_strvec_push(argv, "-f") | gt_strvec_push(argv, "-x") |
                 gt_strvec_push(argv, path);
    size_t i;

    for (i = first; i < set->count && strcmp(set->probes[i].path, path) == 0; i++) {
        struct gt_buf text;

        gt_buf_init(&text);
        failed |= gt_probe_definition(set, &set->probes[i], &text) |
                  gt_strvec_push(argv, "-a") | gt_strvec_push(argv, text.data);
        gt_buf_release(&text);
    }
    *next = i;
    return failed;
}

static int run_install(char *const *argv, const char *path, uv_loop_t *loop,
                       struct gt_error *err)
{
    struct gt_child child;
    int rc = gt_tool_run(&child, loop, argv, PERF_PROBE_TIMEOUT_MS, err);

    if (rc < 0)
        return rc;
    if (!gt_child_succeeded(&child)) {
        char complaint[256];

        gt_child_complaint(&child, complaint, sizeof(complaint));
        rc = gt_error_set(err, GT_ERR_PERMISSION,
                          "perf probe cannot install probes in %s%s%s (they need root, uprobes "
                          "in the kernel and tracefs; giltracer --doctor tells more)",
                          path, complaint[0] ? ": " : "", complaint);
    }
    gt_child_release(&child);
    return rc;
}

bool gt_probes_remove(const char *group, const struct gt_caps *caps, uv_loop_t *loop)
{
    struct gt_child child;
    bool removed;

    if (gt_probes_start_removal(group, caps, loop, &child, NULL) < 0)
        return false;
    while (!child.done)
        uv_run(loop, UV_RUN_ONCE);
    removed = gt_child_succeeded(&child);
    gt_child_release(&child);
    return removed;
}

int gt_probes_install(const struct gt_probe_set *set, const struct gt_caps *caps,
                      uv_loop_t *loop, struct gt_error *err)
{
    int rc = 0;

    for (size_t next, first = 0; first < set->count && rc == 0; first = next) {
        struct gt_strvec argv;

        gt_strvec_init(&argv);
        if (install_command(set, caps, first, &next, &argv))
            rc = gt_error_memory(err);
        else
            rc = run_install(argv.items, set->probes[first].path, loop, err);
        gt_strvec_release(&argv);
        if (rc < 0) /* perf may have put in some of them */
            gt_probes_remove(set->group, caps, loop);
    }
    return rc;
}

int gt_probes_start_removal(const char *group, const struct gt_caps *caps, uv_loop_t *loop,
                            struct gt_child *child, struct gt_error *err)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char pattern[GT_PROBE_GROUP_SIZE + 2];
    char *argv[] = {caps->perf, "probe", "-q", "-d", pattern, NULL};
    struct gt_child_spec spec = {
        .file = caps->perf,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .own_session = true,
        .timeout_ms = PERF_PROBE_TIMEOUT_MS,
    };
    struct gt_strvec env;
    int rc;

    snprintf(pattern, sizeof(pattern), "%s:*", group);
    gt_strvec_init(&env);
    rc = gt_tool_environment(&env) ? gt_error_memory(err) : 0;
    spec.env = env.items;
    if (rc == 0)
        rc = gt_child_spawn(child, loop, &spec, err);
    gt_strvec_release(&env);
    return rc;
}

/* Base 36 keeps the name short: perf and the kernel allow 64 bytes. */
static int add_base36(struct gt_buf *text, uint64_t value)
{
    char digits[16];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
        value /= 36;
    } while (value);
    return gt_buf_add(text, digits + at, sizeof(digits) - at);
}

int gt_probes_format_group(const struct gt_group_owner *owner, char *group, size_t size)
{
    struct gt_buf text;
    int failed;

    gt_buf_init(&text);
    failed = gt_buf_adds(&text, "gt_") | add_base36(&text, owner->pid_namespace) |
             gt_buf_adds(&text, "_") | add_base36(&text, owner->pid) | gt_buf_adds(&text, "_") |
             add_base36(&text, owner->start_time);
    if (!failed)
        failed = strlcpy(group, text.data, size) >= size;
    gt_buf_release(&text);
    return failed ? -1 : 0;
}

static bool parse_base36(const char **at, char end, uint64_t *value)
{
    char *stop;

    if (!isalnum((unsigned char)**at))
        return false;
    errno = 0;
    *value = strtoull(*at, &stop, 36);
    if (errno || *stop != end)
        return false;
    *at = stop + (end != '\0');
    return true;
}

bool gt_probes_parse_group(const char *group, struct gt_group_owner *owner)
{
    if (strncmp(group, "gt_", 3) != 0)
        return false;
    group += 3;
    return parse_base36(&group, '_', &owner->pid_namespace) &&
           parse_base36(&group, '_', &owner->pid) &&
           parse_base36(&group, '\0', &owner->start_time);
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
static uint64_t start_time_of(uint64_t pid)
{
    char path[64];
    struct gt_buf text;
    uint64_t start = 0;
    char *at;

    snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
    gt_buf_init(&text);
    /* The command's name, in parentheses, may hold anything: fields count from the last ')'. */
    if (gt_fs_read(path, &text, 4096, NULL) == 0 && (at = strrchr(text.data, ')'))) {
        for (int field = 2; field < 22 && at; field++)
            at = strchr(at + 1, ' ');
        if (at)
            start = strtoull(at + 1, NULL, 10);
    }
    gt_buf_release(&text);
    return start;
}

static uint64_t pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

int gt_probes_own_group(char *group, size_t size, struct gt_error *err)
{
    struct gt_group_owner owner = {pid_namespace(), (uint64_t)getpid(), 0};

    owner.start_time = start_time_of(owner.pid);
    if (!owner.pid_namespace || !owner.start_time)
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "/proc is not mounted, or not readable");
    if (gt_probes_format_group(&owner, group, size))
        return gt_error_memory(err);
    return 0;
}

static bool is_abandoned(const char *group, uint64_t our_namespace)
{
    struct gt_group_owner owner;

    return gt_probes_parse_group(group, &owner) && owner.pid_namespace == our_namespace &&
           start_time_of(owner.pid) != owner.start_time;
}

void gt_probes_sweep(const struct gt_caps *caps, uv_loop_t *loop)
{
    uint64_t our_namespace = pid_namespace();
    char path[128], last[GT_PROBE_GROUP_SIZE] = "";
    struct gt_buf text;
    int swept = 0;

    if (!caps->tracefs || !our_namespace)
        return;
    snprintf(path, sizeof(path), "%s/uprobe_events", caps->tracefs);
    gt_buf_init(&text);
    if (gt_fs_read(path, &text, 4 << 20, NULL) < 0)
        text.length = 0;
    /* Lines are "p:GROUP/EVENT FILE:OFFSET …". */
    for (char *line = text.data; line && *line && swept < MAX_SWEPT;) {
        char group[GT_PROBE_GROUP_SIZE];
        char *next = strchr(line, '\n');

        if (sscanf(line, "%*c:%63[^/ ]/", group) == 1 && strcmp(group, last) != 0 &&
            is_abandoned(group, our_namespace)) {
            gt_probes_remove(group, caps, loop);
            strlcpy(last, group, sizeof(last));
            swept++;
        }
        line = next ? next + 1 : NULL;
    }
    gt_buf_release(&text);
}
