/* SPDX-License-Identifier: MIT */
#include "launch/gate.h"

#include "launch/become.h"
#include "launch/gatekeeper.h"
#include "launch/hitplace.h"
#include "launch/limits.h"
#include "launch/rights.h"
#include "launch/sentry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNALS = 64 };

void gt_inherited_capture(struct gt_inherited *inherited)
{
    sigset_t set;

    memset(inherited, 0, sizeof(*inherited));
    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int number = 1; number <= SIGNALS; number++) {
        struct sigaction action;

        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            inherited->ignored |= UINT64_C(1) << (number - 1);
        if (sigismember(&set, number) == 1)
            inherited->blocked |= UINT64_C(1) << (number - 1);
    }
    for (int fd = 0; fd < 3; fd++) {
        inherited->stdio_flags[fd] = fcntl(fd, F_GETFL);
        /* The lowest free number is this one, since those below are open by now. */
        if (inherited->stdio_flags[fd] < 0) {
            inherited->stdio_flags[fd] = GT_GATE_CLOSED;
            (void)!open("/dev/null", O_RDWR | O_CLOEXEC);
        }
    }
    inherited->open_count = gt_limits_count_open();
    inherited->open_files = gt_limits_raise_open_files();
    inherited->file_bytes = gt_limits_raise_file_bytes();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int gt_gate_command(const struct gt_inherited *inherited, int go, int report,
                    const struct gt_hit_place *hit, char *const *target, struct gt_strvec *argv)
{
    int failed = gt_strvec_push(argv, GT_GATE_NAME) | gt_strvec_pushf(argv, "%d", go) |
                 gt_strvec_pushf(argv, "%d", report) |
                 gt_strvec_pushf(argv, "%llx", (unsigned long long)inherited->ignored) |
                 gt_strvec_pushf(argv, "%llx", (unsigned long long)inherited->blocked);

    for (int fd = 0; fd < 3; fd++)
        failed |= gt_strvec_pushf(argv, "%d", inherited->stdio_flags[fd]);
    failed |= gt_strvec_pushf(argv, "%d", hit ? (int)hit->function : GT_HIT_NONE) |
              gt_strvec_pushf(argv, "%llx", hit ? (unsigned long long)hit->offset : 0) |
              gt_strvec_push(argv, hit ? hit->path : "") |
              gt_strvec_push(argv, hit && hit->switches ? "1" : "0") |
              gt_strvec_push(argv, gt_rights_identity() ? gt_rights_identity() : "") |
              gt_strvec_pushf(argv, "%llu", (unsigned long long)inherited->open_files) |
              gt_strvec_pushf(argv, "%llu", (unsigned long long)inherited->file_bytes) |
              gt_strvec_push_all(argv, target);
    return failed ? -1 : 0;
}

void gt_gate_find(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (size_t)(slash + 2 - path) + strlen(GT_GATE_NAME) > size)
        path[0] = '\0';
    else
        strcpy(slash + 1, GT_GATE_NAME);
    if (access(path, X_OK))
        strcpy(path, "/proc/self/exe");
}

bool gt_helper_main(int argc, char **argv, int *status)
{
    if (argc > GT_GATE_FIXED_ARGS && strcmp(argv[0], GT_GATE_NAME) == 0) {
        *status = gt_gatekeeper_main(argv);
        return true;
    }
    if (argc > GT_BECOME_FIXED_ARGS && strcmp(argv[0], GT_BECOME_NAME) == 0) {
        *status = gt_become_main(argv);
        return true;
    }
    if (argc == 2 && strcmp(argv[0], GT_SENTRY_NAME) == 0) {
        *status = gt_sentry_main(argv[1]);
        return true;
    }
    return false;
}
