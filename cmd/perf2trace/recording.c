/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "report/report.h"
#include "tracejson/tracejson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool recording_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The path of a part, where there is one and it is not empty; else *part stays NULL. */
static int find_part(const char *folder, const char *name, char **part, struct gt_error *err)
{
    struct stat st;

    if (asprintf(part, "%s/%s", folder, name) < 0) {
        *part = NULL;
        return gt_error_memory(err);
    }
    if (stat(*part, &st) == 0 && (S_ISDIR(st.st_mode) || st.st_size > 0))
        return 0;
    free(*part);
    *part = NULL;
    return 0;
}

static void drop(char **part)
{
    free(*part);
    *part = NULL;
}

static int find_parts(struct recording *recording, struct gt_error *err)
{
    const char *folder = recording->path;
    char *control;
    int rc = find_part(folder, GT_WIRE_CONTROL_NAME, &control, err);

    if (rc == 0 && control) { /* it is an agent's log itself */
        free(control);
        recording->agent = strdup(folder);
        return recording->agent ? 0 : gt_error_memory(err);
    }
    if (rc == 0)
        rc = find_part(folder, GT_PERF_FILE, &recording->perf, err);
    if (rc == 0)
        rc = find_part(folder, GT_PROBES_FILE, &recording->probes, err);
    if (rc == 0)
        rc = find_part(folder, GT_NATIVE_FILE, &recording->native, err);
    if (rc == 0)
        rc = find_part(folder, "agent", &recording->agent, err);
    if (rc == 0 && !recording->perf && !recording->agent)
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "%s holds no recording: neither perf.data nor an agent's log (name "
                          "the folder of giltracer --keep)",
                          folder);
    return rc;
}

/* What ran. The clocks are in the agent's log, too, which is there after a giltracer that died,
 * or when the log was copied alone. */
static int find_facts(struct recording *recording, struct gt_error *err)
{
    struct gt_run_file *file = &recording->file;
    struct gt_error why;
    int rc = gt_run_file_read(file, recording->path, &why);

    if (rc < 0 && rc != GT_ERR_NOT_FOUND) {
        *err = why;
        return rc;
    }
    if (rc == 0 && !file->agent)
        drop(&recording->agent); /* of an earlier recording in that folder */
    if (!recording->perf && !recording->agent)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "%s holds no recording: all was left out",
                            recording->path);
    if (file->clocks.first.monotonic_ns || !recording->agent)
        return 0;
    if (gt_agentlog_read_clocks(recording->agent, &file->clocks, NULL) == 0)
        file->info.clocks = &file->clocks;
    return 0;
}

/* The last part of its path that says something. */
static int find_name(struct recording *recording, struct gt_error *err)
{
    char real[4096];
    const char *path = realpath(recording->path, real) ? real : recording->path;
    const char *name = strrchr(path, '/');

    if (name && strcmp(name, "/agent") == 0) {
        real[name - path] = '\0';
        name = strrchr(path, '/');
    }
    recording->name = strdup(name && name[1] ? name + 1 : path);
    return recording->name ? 0 : gt_error_memory(err);
}

int recording_label(struct recording *recording, const struct gt_user_labels *given,
                    struct gt_error *err)
{
    struct gt_run_file *file = &recording->file;
    struct gt_user_labels recorded = file->labels;
    int rc;

    file->labels = (struct gt_user_labels){0};
    rc = gt_user_labels_add_list(&file->labels, given->list, err);
    if (rc == 0)
        rc = gt_user_labels_add_list(&file->labels, recorded.list, err);
    file->info.labels = file->labels.list;
    gt_user_labels_release(&recorded);
    return rc;
}

bool recording_is_report(const char *path)
{
    enum gt_report_format format;

    return strcmp(path, "-") != 0 && gt_report_format_of(path, &format, NULL) == 0 &&
           (format == GT_FORMAT_JSON || format == GT_FORMAT_JSON_GZ);
}

/* Called by its name without the ending. */
static int find_report(struct recording *recording, struct gt_error *err)
{
    json_t *run = gt_tracejson_run(recording->path, err);
    int rc = run ? gt_run_file_take(&recording->file, run, err) : err->code;
    char *ending;

    recording->is_report = true;
    if (rc == 0)
        rc = find_name(recording, err);
    ending = rc == 0 ? strrchr(recording->name, '.') : NULL;
    if (ending && strcmp(ending, ".gz") == 0) {
        *ending = '\0';
        ending = strrchr(recording->name, '.');
    }
    if (ending)
        *ending = '\0';
    return rc;
}

int recording_find(struct recording *recording, const char *path, struct gt_error *err)
{
    int rc;

    recording->path = path;
    if (access(path, F_OK))
        return gt_error_errno(err, "cannot open %s", path);
    if (!recording_is_folder(path) && !recording_is_report(path))
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s does not keep its clocks: several recordings are read from the "
                            "folders of giltracer --keep, agents' logs, and reports (.json, "
                            ".json.gz)",
                            path);
    if (!recording_is_folder(path))
        return find_report(recording, err);
    rc = find_parts(recording, err);
    if (rc == 0)
        rc = find_facts(recording, err);
    return rc == 0 ? find_name(recording, err) : rc;
}

void recording_release(struct recording *recording)
{
    free(recording->name);
    free(recording->perf);
    free(recording->probes);
    free(recording->native);
    free(recording->agent);
    gt_run_file_release(&recording->file);
    *recording = (struct recording){0};
}

/* The clocks were read for the last time as soon as the command had ended, or recording had. */
static int64_t ended_ns(const struct gt_run_file *file)
{
    bool ended = file->info.exit_status >= 0 || file->info.term_signal > 0;

    return ended && file->info.root_pid > 0 ? file->clocks.last.monotonic_ns : 0;
}

void recording_use(const struct recording *recording, struct cli *cli)
{
    const char *source = recording->file.info.gil_source;

    cli->input = recording->perf;
    cli->agent_log = recording->agent;
    cli->probes = recording->agent && recording->perf ? recording->probes : NULL;
    cli->native = recording->native;
    cli->root_pid = recording->file.info.root_pid;
    cli->ended_ns = ended_ns(&recording->file);
    cli->gil_of_agent = recording->agent && (!recording->perf || cli->probes ||
                                             (source && strcmp(source, "agent") == 0));
}

/* Before 3.12, a process has one GIL. */
static bool has_one_gil(const char *version)
{
    int major, minor;

    return version && sscanf(version, "CPython %d.%d", &major, &minor) == 2 && major == 3 &&
           minor < 12;
}

struct gt_ingest_options recording_options(const struct recording *recording, unsigned detect)
{
    const struct gt_run_info *info = &recording->file.info;
    const struct gt_clock_anchor *first = &recording->file.clocks.first;

    return (struct gt_ingest_options){
        /* Without perf, there is no scheduling to be missed. */
        .detect = recording->perf || detect == GT_DETECT_SCHED ? detect : GT_DETECT_GIL,
        .realtime_ns = first->monotonic_ns ? first->realtime_ns - first->monotonic_ns : 0,
        .single_gil = has_one_gil(info->version),
        .no_gil = !info->gil_enabled,
    };
}
