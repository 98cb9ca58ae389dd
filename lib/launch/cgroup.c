/* SPDX-License-Identifier: MIT */
#include "launch/cgroup.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/nstime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LIST_BYTES = 1 << 20, /* of /proc/PID/cgroup and mountinfo */
    FILE_BYTES = 4096,
    PERIOD_US = 100000, /* the kernel's default */
    FIELDS_MAX = 64,    /* of a line of mountinfo */
};

/* --- texts --- */

/* Is `name` one of the words between commas? */
static bool has_word(const char *list, size_t length, const char *name)
{
    size_t size = strlen(name);
    const char *end = list + length;

    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma ? comma : end;

        if ((size_t)(stop - list) == size && memcmp(list, name, size) == 0)
            return true;
        list = stop + 1;
    }
    return false;
}

/* Does a component say ".."? Then the group is above those that can be seen from here. */
static bool goes_up(const char *path, size_t length)
{
    for (size_t i = 0; i + 2 < length; i++)
        if (memcmp(path + i, "/..", 3) == 0 && (i + 3 == length || path[i + 3] == '/'))
            return true;
    return false;
}

/* "4:cpu,cpuacct:/path". Where a line names the cpu controller, it belongs to v1, also if there
 * is a v2. */
bool gt_cgroup_parse_place(const char *text, struct gt_cgroup_place *place)
{
    *place = (struct gt_cgroup_place){0};
    while (*text) {
        size_t length = strcspn(text, "\n");
        const char *list = memchr(text, ':', length);
        const char *path =
            list ? memchr(list + 1, ':', (size_t)(text + length - list - 1)) : NULL;

        if (path && path[1] == '/') {
            size_t path_length = (size_t)(text + length - path - 1);
            bool is_v2 = path == list + 1 && list - text == 1 && *text == '0';
            bool is_v1 = has_word(list + 1, (size_t)(path - list - 1), "cpu");

            if (is_v1 || (is_v2 && !place->version))
                *place = (struct gt_cgroup_place){is_v1 ? 1 : 2, path + 1, path_length};
            if (is_v1)
                return true;
        }
        text += length + (text[length] == '\n');
    }
    return place->version != 0;
}

/* "\040" and the like of mountinfo, in place. */
static void unescape(char *text)
{
    char *out = text;

    for (; *text; out++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
            text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
            *out = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
            text += 4;
        } else {
            *out = *text++;
        }
    }
    *out = '\0';
}

struct mount {
    char *root, *point, *type, *options;
};

/* "36 35 98:0 /root /point rw shared:1 - cgroup cgroup rw,cpu"; cuts the line up. */
static bool split_mount(char *line, struct mount *mount)
{
    char *fields[FIELDS_MAX], *save = NULL;
    size_t count = 0, dash = 0;

    for (char *word = strtok_r(line, " ", &save); word && count < FIELDS_MAX;
         word = strtok_r(NULL, " ", &save)) {
        if (!dash && count >= 6 && strcmp(word, "-") == 0)
            dash = count;
        fields[count++] = word;
    }
    if (!dash || dash + 3 >= count)
        return false;
    *mount = (struct mount){fields[3], fields[4], fields[dash + 1], fields[dash + 3]};
    unescape(mount->root);
    unescape(mount->point);
    return true;
}

static bool is_hierarchy(const struct mount *mount, int version)
{
    if (version == 2)
        return strcmp(mount->type, "cgroup2") == 0;
    return strcmp(mount->type, "cgroup") == 0 &&
           has_word(mount->options, strlen(mount->options), "cpu");
}

/* The part of the path below the mount's root: "" when it is the root; NULL when it is not
 * below. */
static const char *below_root(const char *path, const char *root)
{
    size_t length = strlen(root);

    if (strcmp(root, "/") == 0)
        return strcmp(path, "/") == 0 ? "" : path;
    if (strncmp(path, root, length) != 0 || (path[length] && path[length] != '/'))
        return NULL;
    return path + length;
}

int gt_cgroup_parse_mount(const char *mountinfo, const struct gt_cgroup_place *place,
                          char **mount, char **below)
{
    char *path = strndup(place->path, place->length);
    int rc = path ? 0 : GT_ERR_MEMORY;

    *mount = *below = NULL;
    while (rc == 0 && *mountinfo && !goes_up(path, place->length)) {
        size_t length = strcspn(mountinfo, "\n");
        char *line = strndup(mountinfo, length);
        struct mount found;
        const char *rest;

        if (!line) {
            rc = GT_ERR_MEMORY;
            break;
        }
        if (split_mount(line, &found) && is_hierarchy(&found, place->version) &&
            found.point[0] == '/' && (rest = below_root(path, found.root))) {
            *mount = strdup(found.point);
            *below = strdup(rest);
            rc = *mount && *below ? 1 : GT_ERR_MEMORY;
        }
        free(line);
        mountinfo += length + (mountinfo[length] == '\n');
    }
    free(path);
    return rc;
}

/* Read a decimal; false when there is none, or it is negative. One that does not fit becomes
 * the greatest number. */
static bool parse_number(const char *text, uint64_t *number, char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, end, 10);
    return true;
}

static double quota_of(uint64_t quota, uint64_t period)
{
    return period ? (double)quota / (double)period : 0;
}

double gt_cgroup_parse_max(const char *text)
{
    uint64_t quota, period = PERIOD_US;
    char *end;

    if (!parse_number(text, &quota, &end) || (*end && !strchr(" \n", *end)))
        return 0;
    if (*end == ' ' && !parse_number(end + 1, &period, &end))
        return 0;
    return quota_of(quota, period);
}

/* The number after "NAME " at the beginning of a line. */
static bool find_number(const char *text, const char *name, uint64_t *number)
{
    size_t length = strlen(name);
    char *end;

    while (*text) {
        if (strncmp(text, name, length) == 0 && text[length] == ' ')
            return parse_number(text + length + 1, number, &end);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return false;
}

bool gt_cgroup_parse_stat(const char *text, uint64_t *throttled, int64_t *throttled_ns)
{
    uint64_t time;
    int64_t unit_ns = 1;

    if (!find_number(text, "nr_throttled", throttled))
        return false;
    if (!find_number(text, "throttled_time", &time)) {
        if (!find_number(text, "throttled_usec", &time))
            return false;
        unit_ns = GT_NS_PER_US;
    }
    *throttled_ns = gt_times_ns(unit_ns, time);
    return true;
}

/* --- files --- */

/* A whole small file's text. 1, 0 when it cannot be read, GT_ERR_MEMORY. */
static int read_file(const char *folder, const char *name, size_t limit, struct gt_buf *text)
{
    struct gt_error err;
    char *path;
    int rc;

    gt_buf_reset(text);
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return GT_ERR_MEMORY;
    rc = gt_fs_read(path, text, limit, &err);
    free(path);
    if (rc == 0)
        rc = gt_buf_add(text, "", 0) ? GT_ERR_MEMORY : 1;
    return rc > 0 ? 1 : rc == GT_ERR_MEMORY ? rc : 0;
}

/* -1: there is none, or it is no file. */
static int open_stat(const char *folder)
{
    struct stat st;
    char *path;
    int fd;

    if (asprintf(&path, "%s/cpu.stat", folder) < 0)
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    free(path);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool read_stat(int fd, uint64_t *throttled, int64_t *throttled_ns)
{
    char text[FILE_BYTES];
    ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (length <= 0)
        return false;
    text[length] = '\0';
    return gt_cgroup_parse_stat(text, throttled, throttled_ns);
}

/* 1 and the quota (0: none), 0 when it cannot be read, GT_ERR_MEMORY. */
static int read_quota(int version, const char *folder, struct gt_buf *text, double *cpus)
{
    uint64_t quota, period;
    char *end;
    int rc;

    *cpus = 0;
    if (version == 2) {
        rc = read_file(folder, "cpu.max", FILE_BYTES, text);
        if (rc > 0)
            *cpus = gt_cgroup_parse_max(text->data);
        return rc;
    }
    rc = read_file(folder, "cpu.cfs_quota_us", FILE_BYTES, text);
    if (rc <= 0 || !parse_number(text->data, &quota, &end)) /* -1: none */
        return rc;
    rc = read_file(folder, "cpu.cfs_period_us", FILE_BYTES, text);
    if (rc > 0 && parse_number(text->data, &period, &end))
        *cpus = quota_of(quota, period);
    return rc;
}

/* --- levels --- */

static void release_levels(struct gt_cgroup *cgroup)
{
    for (size_t i = 0; i < cgroup->count; i++) {
        free(cgroup->levels[i].path);
        free(cgroup->levels[i].folder);
        if (cgroup->levels[i].stat >= 0)
            close(cgroup->levels[i].stat);
    }
    cgroup->count = 0;
}

static int look_at_level(const struct gt_cgroup *cgroup, struct gt_cgroup_level *level,
                         bool first)
{
    uint64_t throttled;
    int64_t throttled_ns;
    struct gt_buf text;
    double cpus;
    int rc;

    gt_buf_init(&text);
    rc = read_quota(cgroup->version, level->folder, &text, &cpus);
    gt_buf_release(&text);
    if (rc > 0) { /* else the group is gone, and keeps its last reading */
        level->quota_changed |= !first && cpus != level->quota_cpus;
        if (first || (cpus > 0 && (level->quota_cpus <= 0 || cpus < level->quota_cpus)))
            level->quota_cpus = cpus;
    }
    if (read_stat(level->stat, &throttled, &throttled_ns)) {
        if (!level->known) {
            level->first_throttled = throttled;
            level->first_throttled_ns = throttled_ns;
            level->known = true;
        }
        if (throttled >= level->first_throttled && throttled_ns >= level->first_throttled_ns) {
            level->throttled = throttled - level->first_throttled;
            level->throttled_ns = throttled_ns - level->first_throttled_ns;
        }
    }
    return rc < 0 ? rc : 0;
}

static int add_level(struct gt_cgroup *cgroup, const char *mount, const char *below)
{
    struct gt_cgroup_level *level = &cgroup->levels[cgroup->count];

    *level = (struct gt_cgroup_level){.stat = -1};
    level->path = strdup(*below ? below : "/");
    if (asprintf(&level->folder, "%s%s%s", cgroup->root ? cgroup->root : "", mount, below) < 0)
        level->folder = NULL;
    if (!level->path || !level->folder) {
        free(level->path);
        free(level->folder);
        return GT_ERR_MEMORY;
    }
    cgroup->count++;
    level->stat = open_stat(level->folder);
    return look_at_level(cgroup, level, true);
}

/* The group and all above it. Consumes `below`. */
static int add_levels(struct gt_cgroup *cgroup, const char *mount, char *below)
{
    size_t length = strlen(below);
    int rc = 0;

    while (rc == 0 && cgroup->count < GT_CGROUP_LEVELS) {
        while (length > 0 && below[length - 1] == '/')
            length--;
        below[length] = '\0';
        rc = add_level(cgroup, mount, below);
        if (length == 0)
            break;
        while (length > 0 && below[length - 1] != '/')
            length--;
    }
    return rc;
}

/* Where is the process now? 1, 0 not known, GT_ERR_MEMORY. */
static int find(const struct gt_cgroup *cgroup, int *version, char **mount, char **below)
{
    struct gt_cgroup_place place;
    struct gt_buf groups, mounts;
    char folder[64];
    char *self = NULL;
    int rc;

    *mount = *below = NULL;
    gt_buf_init(&groups);
    gt_buf_init(&mounts);
    snprintf(folder, sizeof(folder), "/proc/%d", cgroup->pid);
    if (asprintf(&self, "%s/proc/self", cgroup->root ? cgroup->root : "") < 0) {
        self = NULL;
        rc = GT_ERR_MEMORY;
        goto out;
    }
    rc = read_file(cgroup->root ? self : folder, "cgroup", LIST_BYTES, &groups);
    if (rc > 0)
        rc = gt_cgroup_parse_place(groups.data, &place);
    if (rc > 0)
        rc = read_file(self, "mountinfo", LIST_BYTES, &mounts);
    if (rc > 0)
        rc = gt_cgroup_parse_mount(mounts.data, &place, mount, below);
    *version = rc > 0 ? place.version : 0;
out:
    free(self);
    gt_buf_release(&groups);
    gt_buf_release(&mounts);
    return rc;
}

/* Is the process ending, or gone? Then the kernel names "/" as its group in version 1
 * (proc_cgroup_show, PF_EXITING). Never so with a test's folder of files. */
static bool is_ending(const struct gt_cgroup *cgroup)
{
    enum { EXITING = 4, FIELDS_BEFORE = 7 }; /* flags, and after the name: state to tpgid */
    struct gt_buf text;
    char folder[64];
    const char *at;
    bool ending = true;

    if (cgroup->root)
        return false;
    snprintf(folder, sizeof(folder), "/proc/%d", cgroup->pid);
    gt_buf_init(&text);
    if (read_file(folder, "stat", FILE_BYTES, &text) > 0 && (at = strrchr(text.data, ')'))) {
        for (int i = 0; at && i < FIELDS_BEFORE; i++)
            at = strchr(at + 1, ' ');
        ending = !at || strtoul(at, NULL, 10) & EXITING;
    }
    gt_buf_release(&text);
    return ending;
}

static int enter(struct gt_cgroup *cgroup, struct gt_error *err)
{
    char *mount, *below;
    int version = 0;
    int rc = find(cgroup, &version, &mount, &below);

    if (rc > 0) {
        const struct gt_cgroup_level *own = cgroup->count ? &cgroup->levels[0] : NULL;
        bool same =
            own && version == cgroup->version && strcmp(own->path, *below ? below : "/") == 0;

        if (!same && own && is_ending(cgroup))
            rc = 0;
        else if (!same) {
            cgroup->moved |= own != NULL;
            release_levels(cgroup);
            cgroup->version = version;
            rc = add_levels(cgroup, mount, below);
        }
        rc = rc < 0 ? rc : same;
    }
    free(mount);
    free(below);
    return rc < 0 ? gt_error_memory(err) : rc;
}

int gt_cgroup_open(struct gt_cgroup *cgroup, int pid, const char *root, struct gt_error *err)
{
    int rc;

    memset(cgroup, 0, sizeof(*cgroup));
    cgroup->pid = pid;
    if (root && !(cgroup->root = strdup(root)))
        return gt_error_memory(err);
    rc = enter(cgroup, err);
    return rc < 0 ? rc : 0;
}

int gt_cgroup_look(struct gt_cgroup *cgroup, bool alive, struct gt_error *err)
{
    int rc = alive ? enter(cgroup, err) : 0;

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < cgroup->count; i++)
        if (look_at_level(cgroup, &cgroup->levels[i], false) < 0)
            return gt_error_memory(err);
    return 0;
}

void gt_cgroup_close(struct gt_cgroup *cgroup)
{
    release_levels(cgroup);
    free(cgroup->root);
    cgroup->root = NULL;
    cgroup->version = 0;
}

const struct gt_cgroup_level *gt_cgroup_tightest(const struct gt_cgroup *cgroup)
{
    const struct gt_cgroup_level *tightest = NULL;

    for (size_t i = 0; i < cgroup->count; i++) {
        const struct gt_cgroup_level *level = &cgroup->levels[i];

        if (level->quota_cpus > 0 && (!tightest || level->quota_cpus < tightest->quota_cpus))
            tightest = level;
    }
    return tightest;
}
