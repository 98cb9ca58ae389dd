/* SPDX-License-Identifier: MIT */
#include "launch/tools.h"

#include "launch/limits.h"

#include "launch/owner.h"
#include "launch/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static bool is_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
        return true;
    if (errno != EIO && errno != ENOMEM && errno != ESTALE && errno != ETIMEDOUT)
        errno = ENOENT; /* nor is what may not be executed: a shell goes on, too */
    return false;
}

/* What is found, or NULL and errno. */
static char *search(const char *name, const char *path)
{
    int error = ENOENT;

    while (true) {
        size_t length = strcspn(path, ":");
        char *candidate = NULL;

        if (asprintf(&candidate, "%.*s%s%s", (int)length, path, length ? "/" : "./", name) < 0)
            return NULL;
        if (is_program(candidate))
            return candidate;
        error = errno == ENOENT ? error : errno;
        free(candidate);
        if (!path[length])
            break;
        path += length + 1;
    }
    errno = error;
    return NULL;
}

char *gt_tool_find(const char *name)
{
    const char *path = getenv("PATH");

    errno = ENOENT;
    if (!*name)
        return NULL;
    if (strchr(name, '/'))
        return is_program(name) ? strdup(name) : NULL;
    return search(name, path ? path : "/usr/local/bin:/usr/bin:/bin");
}

static bool is_replaced(const char *variable, const char *const *plain)
{
    for (; *plain; plain++) {
        size_t name = strcspn(*plain, "=") + 1;

        if (strncmp(variable, *plain, name) == 0)
            return true;
    }
    return strncmp(variable, "LC_", 3) == 0 || strncmp(variable, "LANGUAGE=", 9) == 0 ||
           strncmp(variable, GT_OWNER_VARIABLE "=", sizeof(GT_OWNER_VARIABLE)) == 0;
}

int gt_tool_environment(bool privileged, struct gt_strvec *env)
{
    const char *home = privileged ? gt_rights_home() : NULL;
    static const char *const plain[] = {"LC_ALL=C",         "PERF_PAGER=cat",
                                        "PAGER=cat",        "PERF_CONFIG=/dev/null",
                                        "DEBUGINFOD_URLS=", NULL};
    char owner[GT_OWNER_SIZE];

    for (char **variable = environ; variable && *variable; variable++)
        if (!is_replaced(*variable, plain) && !(home && strncmp(*variable, "HOME=", 5) == 0) &&
            gt_strvec_push(env, *variable))
            return -1;
    if (home && gt_strvec_pushf(env, "HOME=%s", home))
        return -1;
    for (size_t i = 0; plain[i]; i++)
        if (gt_strvec_push(env, plain[i]))
            return -1;
    if (gt_owner_self(owner, sizeof(owner), NULL) == 0)
        return gt_strvec_pushf(env, GT_OWNER_VARIABLE "=%s", owner);
    return 0;
}

/* It was stopped: say why. */
static int give_up(const struct gt_child *child, char *const *argv, uint64_t timeout_ms,
                   struct gt_error *err)
{
    const char *word = argv[1] ? argv[1] : "";

    if (child->interrupted)
        return gt_error_set(err, GT_ERR_CANCELLED,
                            "%s %s was ended by a signal to this program", argv[0], word);
    if (child->flooded)
        return gt_error_set(err, GT_ERR_CHILD, "%s %s did not stop writing: it was ended",
                            argv[0], word);
    return gt_error_set(err, GT_ERR_CHILD, "%s %s did not end within %llu s", argv[0], word,
                        (unsigned long long)timeout_ms / 1000);
}

static int run(struct gt_child *child, uv_loop_t *loop, char *const *argv, bool privileged,
               uint64_t timeout_ms, struct gt_error *err)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    struct gt_child_spec spec = {
        .file = argv[0],
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .privileged = privileged,
        .own_session = true,
        .timeout_ms = timeout_ms,
    };
    struct gt_strvec env;
    int rc;

    gt_strvec_init(&env);
    if (gt_tool_environment(privileged, &env)) {
        gt_strvec_release(&env);
        return gt_error_memory(err);
    }
    spec.env = env.items;
    rc = gt_child_run(child, loop, &spec, err);
    gt_strvec_release(&env);
    if (rc == 0 && (child->timed_out || child->flooded || child->interrupted)) {
        gt_child_release(child);
        return give_up(child, argv, timeout_ms, err);
    }
    return rc;
}

int gt_tool_run(struct gt_child *child, uv_loop_t *loop, char *const *argv, uint64_t timeout_ms,
                struct gt_error *err)
{
    return run(child, loop, argv, false, timeout_ms, err);
}

uint64_t gt_perf_timeout_ms(void)
{
    enum { DEFAULT_S = 30, MAX_S = 3600 };
    const char *text = getenv("GILTRACER_PERF_TIMEOUT");
    long seconds = text ? strtol(text, NULL, 10) : 0;

    return (uint64_t)(seconds > 0 && seconds <= MAX_S ? seconds : DEFAULT_S) * 1000;
}

int gt_perf_run(struct gt_child *child, uv_loop_t *loop, char *const *argv,
                struct gt_error *err)
{
    return run(child, loop, argv, true, gt_perf_timeout_ms(), err);
}

int gt_loop_init(uv_loop_t *loop, struct gt_error *err)
{
    /* Measured; where it is fewer, libuv may abort the process. */
    enum { OPEN_WITH_A_TOOL = 15 };
    int rc =
        gt_limits_check_open(gt_limits_count_open() + OPEN_WITH_A_TOOL, "running perf", err);

    if (rc == 0 && uv_loop_init(loop))
        rc = gt_error_memory(err);
    return rc;
}
