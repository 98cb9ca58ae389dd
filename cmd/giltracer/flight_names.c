/* SPDX-License-Identifier: MIT */
#include "flight_names.h"

#include "base/append.h"
#include "flight.h"
#include "run_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void gt_flight_names_init(struct gt_flight_names *names)
{
    memset(names, 0, sizeof(*names));
    gt_strvec_init(&names->paths);
    for (int i = 0; i < GT_FLIGHT_REPORTS; i++)
        gt_strvec_init(&names->files[i]);
}

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

/* The file's name, which is to be removed some day. */
static int note_file(struct gt_flight_names *names, const struct gt_run_state *run,
                     const char *path, struct gt_error *err)
{
    struct gt_names known = run->outputs.names;
    struct gt_buf file;
    int rc;

    known.pid = run->result.pid;
    gt_buf_init(&file);
    rc = gt_name_expand(&known, path, &file, err);
    if (rc == 0 && gt_strvec_push(&names->files[names->number % GT_FLIGHT_REPORTS], file.data))
        rc = gt_error_memory(err);
    gt_buf_release(&file);
    return rc;
}

/* The output's name with the number; NULL without memory. */
static char *numbered(const struct gt_flight_names *names, const char *path)
{
    size_t length = ending_of(path);
    char *text;

    if (asprintf(&text, "%.*s-%u%s", (int)length, path, names->number, path + length) < 0)
        return NULL;
    return text;
}

static int next_path(struct gt_flight_names *names, const struct gt_run_state *run,
                     const char *output, struct gt_error *err)
{
    char *path = numbered(names, output);
    int rc = path && gt_strvec_push(&names->paths, path) == 0 ? note_file(names, run, path, err)
                                                              : gt_error_memory(err);

    free(path);
    return rc;
}

/* Each report adds a line to a file of lines. */
static int next_summary(struct gt_flight_names *names, const struct gt_run_state *run,
                        struct gt_error *err)
{
    const char *summary = run->cli->summary;
    bool lines = gt_append_is_lines(summary);

    names->summary = lines ? strdup(summary) : numbered(names, summary);
    if (!names->summary)
        return gt_error_memory(err);
    return lines ? 0 : note_file(names, run, names->summary, err);
}

static void forget(struct gt_flight_names *names)
{
    gt_strvec_release(&names->paths);
    free(names->summary);
    names->summary = NULL;
}

void gt_flight_names_release(struct gt_flight_names *names)
{
    forget(names);
    for (int i = 0; i < GT_FLIGHT_REPORTS; i++)
        gt_strvec_release(&names->files[i]);
}

int gt_flight_names_next(struct gt_flight_names *names, const struct gt_run_state *run,
                         struct gt_error *err)
{
    struct gt_strvec *oldest = &names->files[++names->number % GT_FLIGHT_REPORTS];
    int rc = 0;

    for (size_t i = 0; i < oldest->count; i++)
        unlink(oldest->items[i]);
    gt_strvec_release(oldest);
    forget(names);
    for (char *const *output = gt_cli_outputs(run->cli); *output && rc == 0; output++)
        rc = next_path(names, run, *output, err);
    return rc == 0 && run->cli->summary ? next_summary(names, run, err) : rc;
}
