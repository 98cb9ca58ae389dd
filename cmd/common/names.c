/* SPDX-License-Identifier: MIT */
#include "common/names.h"

#include "base/environ.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where launchers of parallel jobs say which process this is: Open MPI, PMIx, PMI (MPICH,
 * Intel), MVAPICH2, Slurm. */
static const char *const rank_variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                             "MV2_COMM_WORLD_RANK", "SLURM_PROCID"};

static bool find_rank(const char *(*get)(const void *context, const char *name),
                      const void *context, char rank[GT_RANK_SIZE])
{
    for (size_t i = 0; i < sizeof(rank_variables) / sizeof(rank_variables[0]); i++) {
        const char *value = get(context, rank_variables[i]);
        size_t length = value ? strspn(value, "0123456789") : 0;

        if (length == 0 || length >= GT_RANK_SIZE || value[length])
            continue;
        memcpy(rank, value, length + 1);
        return true;
    }
    return false;
}

static const char *get_own(const void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

static const char *get_of(const void *context, const char *name)
{
    return gt_environ_find(context, name);
}

bool gt_names_rank_of(int pid, char rank[GT_RANK_SIZE])
{
    struct gt_buf environment;
    bool found;

    gt_buf_init(&environment);
    found = gt_environ_read(pid, &environment) == 0 && find_rank(get_of, &environment, rank);
    gt_buf_release(&environment);
    return found;
}

/* Any text may be set as a host's name. */
static void find_host(char *host, size_t size)
{
    if (gethostname(host, size - 1) || !host[0])
        snprintf(host, size, "localhost");
    host[size - 1] = '\0';
    if (host[0] == '.')
        host[0] = '_';
    for (char *at = host; *at; at++)
        if (*at == '/' || (unsigned char)*at < ' ')
            *at = '_';
}

void gt_names_init(struct gt_names *names)
{
    time_t now = time(NULL);
    struct tm local;

    memset(names, 0, sizeof(*names));
    find_host(names->host, sizeof(names->host));
    if (!localtime_r(&now, &local) ||
        !strftime(names->time, sizeof(names->time), "%Y%m%d-%H%M%S", &local))
        snprintf(names->time, sizeof(names->time), "%lld", (long long)now);
    names->has_rank = find_rank(get_own, NULL, names->rank);
    if (!names->has_rank)
        snprintf(names->rank, sizeof(names->rank), "0");
}

bool gt_name_has(const char *name, char letter)
{
    for (const char *at = strchr(name, '%'); at && at[1]; at = strchr(at + 2, '%'))
        if (at[1] == letter)
            return true;
    return false;
}

static int refuse(const char *name, const char *at, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_USAGE,
                        "%s: %%%.1s is not known in an output's name: %%p (pid), %%h (host), "
                        "%%t (start time), %%n (rank), %%%% (a percent sign)",
                        name, at + 1);
}

/* What one % stands for; 0, -1 without memory, or an error. */
static int expand_one(const struct gt_names *names, const char *name, const char *at,
                      struct gt_buf *expanded, struct gt_error *err)
{
    switch (at[1]) {
    case 'p':
        if (names->pid)
            return gt_buf_addf(expanded, "%d", names->pid);
        if (strchr(at, '/'))
            return gt_error_set(err, GT_ERR_USAGE,
                                "%s: %%p may only be in a file's name, not in a folder's",
                                name);
        return gt_buf_adds(expanded, "%p");
    case 'h':
        return gt_buf_adds(expanded, names->host);
    case 't':
        return gt_buf_adds(expanded, names->time);
    case 'n':
        return gt_buf_adds(expanded, names->rank);
    case '%':
        return gt_buf_adds(expanded, "%");
    default:
        return refuse(name, at, err);
    }
}

int gt_name_expand(const struct gt_names *names, const char *name, struct gt_buf *expanded,
                   struct gt_error *err)
{
    const char *at = name;

    for (;;) {
        size_t length = strcspn(at, "%");
        int rc;

        if (gt_buf_add(expanded, at, length))
            return gt_error_memory(err);
        at += length;
        if (!*at)
            return 0;
        rc = expand_one(names, name, at, expanded, err);
        if (rc < 0)
            return rc == GT_ERR_USAGE ? rc : gt_error_memory(err);
        at += 2;
    }
}
