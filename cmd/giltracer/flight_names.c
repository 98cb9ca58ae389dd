/* SPDX-License-Identifier: MIT */
#include "flight_names.h"

#include "base/append.h"
#include "run_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the number goes: before .html, before .json.gz. */
static size_t ending_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(path);
    const char *dot;

    for (int i = 0; i < 2; i++) {
        dot = memrchr(name, '.', (size_t)(path + length - name));
        if (!dot || dot == name)
            break;
        length = (size_t)(dot - path);
        if (strcmp(dot, ".gz") != 0)
            break;
    }
    return length;
}

/* The output's name with the number; NULL without memory. */
static char *numbered(const char *path, unsigned number)
{
    size_t length = ending_of(path);
    char *text;

    return asprintf(&text, "%.*s-%u%s", (int)length, path, number, path + length) < 0 ? NULL
                                                                                      : text;
}

int gt_flight_names_init(struct gt_flight_names *names, const struct gt_run_state *run,
                         unsigned number, struct gt_error *err)
{
    const char *summary = run->cli->summary;

    gt_strvec_init(&names->paths);
    names->summary = NULL;
    for (char *const *output = gt_cli_outputs(run->cli); *output; output++) {
        char *path = numbered(*output, number);
        int failed = !path || gt_strvec_push(&names->paths, path);

        free(path);
        if (failed)
            return gt_error_memory(err);
    }
    if (!summary)
        return 0;
    /* Each report adds a line to a file of lines. */
    names->summary = gt_append_is_lines(summary) ? strdup(summary) : numbered(summary, number);
    return names->summary ? 0 : gt_error_memory(err);
}

void gt_flight_names_release(struct gt_flight_names *names)
{
    gt_strvec_release(&names->paths);
    free(names->summary);
    names->summary = NULL;
}

static int remove_file(const struct gt_run_state *run, const char *path, struct gt_error *err)
{
    struct gt_names known = run->outputs.names;
    struct gt_buf file;
    int rc;

    known.pid = run->result.pid;
    gt_buf_init(&file);
    rc = gt_name_expand(&known, path, &file, err);
    if (rc == 0)
        unlink(file.data);
    gt_buf_release(&file);
    return rc;
}

int gt_flight_names_remove(const struct gt_flight_names *names, const struct gt_run_state *run,
                           struct gt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < names->paths.count && rc == 0; i++)
        rc = remove_file(run, names->paths.items[i], err);
    return rc < 0 || !names->summary || gt_append_is_lines(names->summary)
               ? rc
               : remove_file(run, names->summary, err);
}
