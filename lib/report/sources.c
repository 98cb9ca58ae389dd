/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"
#include "report/values.h"

#include "base/nstime.h"
#include "model/gil_switch.h"

/* Who saw the GIL's events: the probes, the agent, or both, and how far these agree. */

/* In a run whose probes were taken out both saw but its beginning. */
static const char *until(const struct gt_report *report)
{
    return report->recorded->probes_out_ns ? ", as long as both recorded" : "";
}

static int say_agreement(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_agreement *found = &report->recorded->agreement;
    unsigned long long all = found->both + found->agent_only + found->probes_only;

    if (!found->compared || !all || !gt_any_gil(report->timeline))
        return 0;
    if (!found->differing)
        return gt_findings_add(
            report, text,
            gt_buf_addf(text,
                        "Probes and agent agree: both saw the same %llu acquisitions, releases "
                        "and waits of the GIL, in %u thread%s%s.",
                        all, found->threads, found->threads == 1 ? "" : "s", until(report)));
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "Probes and agent differ in %u of %u thread%s: of %llu acquisitions, "
                    "releases and waits of the GIL the agent alone saw %llu, the probes alone "
                    "%llu%s. What either saw is in the figures.",
                    found->differing, found->threads, found->threads == 1 ? "" : "s", all,
                    (unsigned long long)found->agent_only,
                    (unsigned long long)found->probes_only, until(report)));
}

static int say_taken_out(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_recorded *recorded = report->recorded;
    char duration[32];

    if (!recorded->probes_out_ns)
        return 0;
    gt_duration_text(recorded->probes_out_ns - gt_report_zero_ns(report), duration,
                     sizeof(duration));
    if (recorded->perf_died
            ? gt_buf_addf(text, "perf was ended after %s, before the program", duration)
            : gt_buf_addf(text,
                          "The probes were taken out after %s, since they cost more than "
                          "--overhead-budget allows",
                          duration))
        return -1;
    if (gt_buf_adds(text, "; from there on the agent alone recorded the GIL"))
        return -1;
    if (recorded->unseen &&
        gt_buf_addf(text, ", and nothing is known of the GIL of %u process%s without it",
                    recorded->unseen, recorded->unseen == 1 ? "" : "es"))
        return -1;
    return gt_findings_add(report, text, gt_buf_adds(text, "."));
}

int gt_sources_say(struct gt_report *report, struct gt_buf *text)
{
    int rc = say_taken_out(report, text);

    return rc ? rc : say_agreement(report, text);
}

static json_t *side(const struct gt_agreement_side *side)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "acquisitions", (json_int_t)side->acquisitions,
                     "releases", (json_int_t)side->releases, "hold_ns",
                     (json_int_t)side->hold_ns, "wait_ns", (json_int_t)side->wait_ns);
}

json_t *gt_sources_value(const struct gt_report *report)
{
    const struct gt_recorded *recorded = report->recorded;
    const struct gt_agreement *found = &recorded->agreement;
    int64_t zero_ns = gt_report_zero_ns(report);

    if (!found->compared)
        return json_null();
    return json_pack(
        "{s:b, s:I, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "agree",
        !found->differing, "until_ns", (json_int_t)(found->until_ns - zero_ns), "probes_out_ns",
        recorded->probes_out_ns ? json_integer(recorded->probes_out_ns - zero_ns) : json_null(),
        "perf_died", recorded->perf_died, "unseen_processes", (json_int_t)recorded->unseen,
        "threads", (json_int_t)found->threads, "differing", (json_int_t)found->differing,
        "both", (json_int_t)found->both, "agent_only", (json_int_t)found->agent_only,
        "probes_only", (json_int_t)found->probes_only, "agent", side(&found->agent), "probes",
        side(&found->probes));
}
