/* SPDX-License-Identifier: MIT */
#include "launch/conversion.h"

#include "launch/perfscript.h"

#include <string.h>

static int on_data(void *context, const char *data, size_t length)
{
    struct gt_conversion *conversion = context;

    conversion->bytes += length;
    return conversion->on_data[conversion->part](conversion->data_context, data, length);
}

static void on_script_done(void *context, struct gt_child *child)
{
    struct gt_conversion *conversion = context;

    (void)child;
    conversion->on_done(conversion->context);
}

static int start_script(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err)
{
    const struct gt_plan *plan = conversion->plan;
    bool rest = conversion->part == GT_RECORDED_REST;
    bool native = conversion->part == GT_RECORDED_NATIVE;
    struct gt_perfscript script = {
        .data_path = conversion->recorders->paths[conversion->part],
        .stacks = native || (rest && (plan->stacks || plan->counter_stacks)),
        .counters = native || (rest && plan->counters.count > 0),
        .not_inlined = native || (rest && plan->not_inlined),
        .mappings = rest,
        .on_data = on_data,
        .on_done = on_script_done,
        .context = conversion,
    };
    int rc = gt_perfscript_start(&script, conversion->caps, loop, &conversion->script, err);

    conversion->spawned = rc == 0;
    return rc < 0 ? rc : 1;
}

static int start_part(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err)
{
    const char *path = conversion->recorders->paths[conversion->part];
    int rc;

    conversion->bytes = 0;
    conversion->begun = true;
    /* Only perf unwinds stacks. */
    if (conversion->part == GT_RECORDED_NATIVE ||
        !conversion->is_readable(conversion->data_context, path))
        return start_script(conversion, loop, err);
    conversion->file = (struct gt_filefeed){.on_data = on_data,
                                            .on_done = conversion->on_done,
                                            .data_context = conversion,
                                            .context = conversion->context};
    rc = gt_filefeed_start(&conversion->file, loop, path, err);
    conversion->opened = rc == 0;
    return rc < 0 ? rc : 1;
}

static int wrote_nothing(const struct gt_conversion *conversion, struct gt_error *err)
{
    char complaint[256];

    gt_child_complaint(&conversion->recorders->of[GT_RECORDED_REST].child, complaint,
                       sizeof(complaint));
    return gt_error_set(err, GT_ERR_CHILD, "perf record wrote nothing%s%s",
                        complaint[0] ? ": " : "", complaint);
}

/* Is there such a part to read? Of one that is missing and should not be, that is told. */
static bool is_there(const struct gt_recorders *recorders, enum gt_recorded_part part)
{
    return part == GT_RECORDED_REST ? recorders->of[part].spawned
                                    : gt_recorders_has_data(recorders, part);
}

int gt_conversion_next(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err)
{
    const struct gt_recorders *recorders = conversion->recorders;
    enum gt_recorded_part part = GT_RECORDED_PROBES;

    if (conversion->interrupted)
        return 0;
    if (conversion->begun)
        part = (enum gt_recorded_part)(conversion->part + 1);
    while (part < GT_RECORDED_PARTS && !is_there(recorders, part))
        part = (enum gt_recorded_part)(part + 1);
    if (part == GT_RECORDED_PARTS)
        return 0;
    /* It takes perf to unwind stacks: what can be read without it has none. */
    if (part == GT_RECORDED_NATIVE &&
        conversion->is_readable(conversion->data_context, recorders->paths[part]))
        return conversion->on_data[part](conversion->data_context, "", 0);
    gt_conversion_release(conversion);
    conversion->part = part;
    if (!gt_recorders_has_data(recorders, part))
        return wrote_nothing(conversion, err);
    return start_part(conversion, loop, err);
}

/* Was all of the part read? */
static int judge_part(const struct gt_conversion *conversion, struct gt_error *why)
{
    if (conversion->spawned)
        return gt_perfscript_judge(&conversion->script,
                                   conversion->part == GT_RECORDED_NATIVE ? "the native stacks"
                                                                          : "the recording",
                                   why);
    if (!conversion->file.read_errno)
        return 0;
    return gt_error_set(why, GT_ERR_IO, "cannot read all of the recording: %s",
                        strerror(conversion->file.read_errno));
}

int gt_conversion_judge(const struct gt_conversion *conversion, struct gt_strvec *warnings,
                        struct gt_error *cut, struct gt_error *err)
{
    int rc, data_error = conversion->spawned ? conversion->script.data_error
                                             : conversion->file.data_error;
    struct gt_error why;

    if (conversion->interrupted)
        rc = gt_error_set(
            &why, GT_ERR_CANCELLED,
            "reading the recording was interrupted: the report is of what was read");
    else if (data_error == GT_ERR_FORMAT)
        return 0;
    else if (data_error) /* on_data has told why */
        return data_error;
    else
        rc = judge_part(conversion, &why);
    if (rc == 0)
        return 0;
    if (conversion->part == GT_RECORDED_NATIVE) /* the rest of the report does without */
        return gt_strvec_push(warnings, why.message) ? gt_error_memory(err) : 0;
    if (conversion->bytes == 0 && conversion->part == GT_RECORDED_REST &&
        !conversion->interrupted)
        return gt_error_set(err, why.code, "%s", why.message);
    if (!cut->code)
        *cut = why;
    return gt_strvec_push(warnings, why.message) ? gt_error_memory(err) : 0;
}

void gt_conversion_interrupt(struct gt_conversion *conversion)
{
    enum { GRACE_MS = 2000 };

    conversion->interrupted = true;
    if (conversion->spawned)
        gt_child_stop(&conversion->script, GRACE_MS);
    if (conversion->opened)
        gt_filefeed_stop(&conversion->file);
}

void gt_conversion_stop(struct gt_conversion *conversion)
{
    if (conversion->spawned)
        gt_child_stop(&conversion->script, 0);
    if (conversion->opened)
        gt_filefeed_stop(&conversion->file);
}

void gt_conversion_release(struct gt_conversion *conversion)
{
    if (conversion->spawned)
        gt_child_release(&conversion->script);
    if (conversion->opened)
        gt_filefeed_release(&conversion->file);
    conversion->spawned = conversion->opened = false;
}
