/* Private to report/: what a finished report consists of. */
#ifndef GT_REPORT_INTERNAL_H
#define GT_REPORT_INTERNAL_H

#include "analysis/analysis.h"
#include "analysis/judgement.h"
#include "whatif/estimate.h"
#include "base/strvec.h"
#include "model/recorded.h"
#include "report/labels.h"
#include "report/report.h"

#include <jansson.h>

struct gt_report {
    /* Constants, all of them the caller's. */
    const struct gt_recorded *recorded;
    const struct gt_timeline *timeline; /* recorded's */
    const struct gt_analysis *analysis;
    const struct gt_whatif *whatif; /* without estimates where none are shown */
    const struct gt_run_info *info;
    struct gt_report_options options;
    const struct gt_metrics *metrics; /* of several runs; NULL: none were taken */

    struct gt_strvec findings; /* sentences, valid UTF-8, safe for a terminal */
};

/* Were thread states recorded, and asked for? Otherwise they only serve to judge holders of the
 * GIL, and no output shows them. */
static inline bool gt_report_shows_states(const struct gt_report *report)
{
    return report->timeline->saw_sched && report->recorded->detect & GT_DETECT_SCHED;
}

/* findings.c: fill report->findings. 0 or -1 (memory). */
int gt_findings_make(struct gt_report *report);
/* Add the sentence to them, unless making it failed, and empty it. 0 or -1. */
static inline int gt_findings_add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

/* verdict.c: the most important of them. 0 or -1. */
int gt_verdict_say(struct gt_report *report);

/* cost.c: what recording cost, where that is much; where it is so much that the verdict and the
 * estimates are another run's than the program's own, that is said, with what costs less. 0 or
 * -1. And for the summary. */
int gt_cost_say_dear(struct gt_report *report);
int gt_cost_say(struct gt_report *report);
json_t *gt_cost_value(const struct gt_report *report);

/* machine.c: append what the machine did to the program, where that matters, to the findings:
 * of the waiting for the GIL, then of the program as a whole. 0 or -1. And for the summary. */
int gt_machine_say_of_waiting(struct gt_report *report);
int gt_machine_say(struct gt_report *report);
json_t *gt_machine_value(const struct gt_report *report);

/* holes.c: what is not known of single processes. Append sentences, 0 or -1; `lost` of the
 * summary, NULL: no memory. */
int gt_holes_say(struct gt_report *report);
json_t *gt_lost_value(const struct gt_report *report);

/* unseen.c: what may have happened and was not recorded. Append sentences, 0 or -1. */
int gt_unseen_say(struct gt_report *report);
/* The programs that run Python and were not seen, for the summary; NULL: no memory. */
json_t *gt_unseen_value(const struct gt_report *report);

/* functions.c: what was recorded of functions, and what not. Append sentences to the findings,
 * 0 or -1; a JSON object for the summary, null when nothing was recorded, NULL: no memory. */
int gt_functions_say(struct gt_report *report);
json_t *gt_functions_value(const struct gt_report *report);
/* blocker_text.c: a blocker in words. All text is valid UTF-8 and safe for a terminal. */
struct gt_blocker_text {
    struct gt_buf function; /* "time.sleep", "C.method", "import in f" */
    struct gt_buf name;     /* the same for machines: of a thread never its tid */
    struct gt_buf file;     /* where to look: of a C function, its caller's; may be empty */
    struct gt_buf caller;   /* may be empty */
    struct gt_buf sentence; /* what happened, and the remedy */
    uint32_t line;          /* 0: not known */
    const char *kind;       /* "python", "c", "gc", "native" */
    const char *cause; /* why it kept the GIL: "call", "loop", "gc", "import", "operation"; NULL
                          when it did not */
    struct gt_judgement judgement;
};

int gt_blocker_text_init(struct gt_blocker_text *text, const struct gt_report *report,
                         const struct gt_blocker *row);
void gt_blocker_text_release(struct gt_blocker_text *text);

/* A line is short: of installed code the module's file, of one's own what is below the working
 * directory. */
const char *gt_blocker_text_short_file(const struct gt_report *report, const char *file);

/* condition.c: is it what the glob names? "name", or "module.name". */
bool gt_blocker_text_matches(const struct gt_blocker_text *text, const char *glob);

/* Append the printed block. 0 or -1. */
int gt_blocker_text_print(const struct gt_report *report, struct gt_buf *text);

/* whatif.c: append a sentence on what is worth most, 1, or nothing, 0; or -1. */
int gt_whatif_say(const struct gt_report *report, struct gt_buf *text);
/* Append the printed table, if anything would help. 0 or -1. */
int gt_whatif_print(const struct gt_report *report, struct gt_buf *text);
json_t *gt_whatif_value(const struct gt_report *report);

/* convoy.c: append a sentence on the convoy, where there is one. 0 or -1. */
int gt_convoy_say(const struct gt_report *report, uint32_t gil, struct gt_buf *text);

/* One thread's part in a counter: what it counted neither holding nor waiting, and how often
 * per second of each. */
struct gt_counter_rates {
    uint64_t free;
    double holding_per_s, waiting_per_s, free_per_s;
};

void gt_counter_rates(const struct gt_timeline *timeline, const struct gt_counter_sum *sum,
                      struct gt_counter_rates *rates);

/* Append a table per counter. 0 or -1. */
int gt_counters_print(const struct gt_report *report, struct gt_buf *text);

/* Time zero of every output. */
static inline int64_t gt_report_zero_ns(const struct gt_report *report)
{
    return report->timeline->start_ns > 0 ? report->timeline->start_ns : 0;
}

#endif
