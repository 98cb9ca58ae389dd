/* SPDX-License-Identifier: MIT */
#include "launch/conversion.h"

#include "launch/perfscript.h"

static int on_script_data(void *context, const char *data, size_t length)
{
    struct gt_conversion *conversion = context;

    conversion->text_bytes += length;
    return conversion->on_data[conversion->part](conversion->data_context, data, length);
}

static void on_script_done(void *context, struct gt_child *child)
{
    struct gt_conversion *conversion = context;

    conversion->on_done(conversion->context, child);
}

static int start_script(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err)
{
    const struct gt_plan *plan = conversion->plan;
    bool rest = conversion->part == GT_RECORDED_REST;
    struct gt_perfscript script = {
        .data_path = conversion->recorders->paths[conversion->part],
        .stacks = rest && plan->stacks,
        .counters = rest && plan->counters.count > 0,
        .mappings = rest && (plan->futex || gt_probed_is_known(&plan->probed)),
        .on_data = on_script_data,
        .on_done = on_script_done,
        .context = conversion,
    };
    int rc = gt_perfscript_start(&script, conversion->caps, loop, &conversion->script, err);

    conversion->spawned = rc == 0;
    conversion->text_bytes = 0;
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

int gt_conversion_next(struct gt_conversion *conversion, uv_loop_t *loop, struct gt_error *err)
{
    const struct gt_recorders *recorders = conversion->recorders;
    bool first = !conversion->spawned;

    if (conversion->interrupted || (!first && conversion->part == GT_RECORDED_REST))
        return 0;
    gt_conversion_release(conversion);
    conversion->part = first && gt_recorders_has_data(recorders, GT_RECORDED_PROBES)
                           ? GT_RECORDED_PROBES
                           : GT_RECORDED_REST;
    if (conversion->part == GT_RECORDED_REST && recorders->of[GT_RECORDED_REST].spawned &&
        !gt_recorders_has_data(recorders, GT_RECORDED_REST))
        return wrote_nothing(conversion, err);
    return start_script(conversion, loop, err);
}

int gt_conversion_judge(const struct gt_conversion *conversion, struct gt_strvec *warnings,
                        struct gt_error *cut, struct gt_error *err)
{
    struct gt_error why;
    int rc;

    if (conversion->interrupted)
        rc = gt_error_set(
            &why, GT_ERR_CANCELLED,
            "reading the recording was interrupted: the report is of what was read");
    else if (conversion->script.data_error == GT_ERR_FORMAT)
        return 0;
    else if (conversion->script.data_error) /* on_data has told why */
        return conversion->script.data_error;
    else
        rc = gt_perfscript_judge(&conversion->script, "the recording", &why);
    if (rc == 0)
        return 0;
    if (conversion->text_bytes == 0 && conversion->part == GT_RECORDED_REST &&
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
}

void gt_conversion_stop(struct gt_conversion *conversion)
{
    if (conversion->spawned)
        gt_child_stop(&conversion->script, 0);
}

void gt_conversion_release(struct gt_conversion *conversion)
{
    if (conversion->spawned)
        gt_child_release(&conversion->script);
    conversion->spawned = false;
}
