/* SPDX-License-Identifier: MIT */
#include "metrics/windows.h"

#include "base/nstime.h"
#include "event/pyruntime.h"

#include <stdlib.h>
#include <string.h>

/* Of a program that did not change it: sys.getswitchinterval(). Who is silent for so long does
 * not wait. */
#define USUAL_INTERVAL_NS INT64_C(5000000)

/* --- the events at a border --- */

/* The string of an event that the model needs later than now; NULL: it has none. */
static const char **string_of(struct gt_event *event, uint32_t *length)
{
    if (event->kind == GT_EVENT_MMAP) {
        *length = event->mapping.path_length;
        return &event->mapping.path;
    }
    if (event->kind == GT_EVENT_COMM || event->kind == GT_EVENT_EXEC) {
        *length = event->new_name.length;
        return &event->new_name.text;
    }
    return NULL;
}

static void forget_border(struct gt_windows *windows)
{
    uint32_t length;

    for (size_t i = 0; i < windows->border_count; i++) {
        const char **text = string_of(&windows->border[i], &length);

        if (text)
            free((char *)*text);
    }
    windows->border_count = 0;
    windows->border_full = false;
}

static int keep(struct gt_windows *windows, const struct gt_event *event)
{
    struct gt_event copy = *event;
    const char **text;
    uint32_t length;

    if (windows->border_count == GT_BORDER_EVENTS_MAX) {
        windows->border_full = true;
        return gt_lives_note(&windows->lives, event);
    }
    if (windows->border_count == windows->border_capacity) {
        size_t capacity = windows->border_capacity ? windows->border_capacity * 2 : 256;
        struct gt_event *grown = reallocarray(windows->border, capacity, sizeof(*grown));

        if (!grown)
            return -1;
        windows->border = grown;
        windows->border_capacity = capacity;
    }
    copy.comm = copy.name = NULL;
    copy.comm_length = copy.name_length = 0;
    copy.frames = NULL;
    copy.frame_count = 0;
    text = string_of(&copy, &length);
    if (text && length > GT_LIFE_PATH_MAX)
        return 0;
    if (text) {
        *text = strndup(*text, length);
        if (!*text)
            return -1;
    }
    windows->border[windows->border_count++] = copy;
    return 0;
}

/* --- one stretch --- */

static int feed(void *timeline, const struct gt_event *event)
{
    return gt_timeline_feed(timeline, event);
}

/* A timeline of what comes. `known_ns`: it begins then, with what runs; 0: with the program. */
static int begin(struct gt_windows *windows, int64_t known_ns)
{
    const struct gt_windows_options *options = &windows->options;
    struct gt_timeline *timeline = gt_timeline_new(options->single_gil, &windows->error);

    windows->timeline = timeline;
    if (!timeline)
        return GT_ERR_MEMORY;
    windows->known_ns = known_ns;
    gt_timeline_set_runtime(timeline, options->runtime);
    gt_timeline_set_probed(timeline, options->probed);
    gt_timeline_set_realtime(timeline, options->realtime_ns);
    gt_timeline_set_range(timeline, known_ns, windows->until_ns + GT_WINDOW_TAIL_NS,
                          options->interval_ns ? options->interval_ns : USUAL_INTERVAL_NS);
    windows->fed = windows->events = windows->lost_events = 0;
    windows->stopped_ns = 0;
    return gt_lives_tell(&windows->lives, feed, timeline) < 0 ? gt_error_memory(&windows->error)
                                                              : 0;
}

static int take_into(struct gt_windows *windows, const struct gt_event *event)
{
    bool life = gt_event_group(event->kind) == GT_EVENTS_LIFE;

    if (windows->fed >= GT_WINDOW_EVENTS_MAX && !life) {
        if (!windows->stopped_ns)
            windows->stopped_ns = event->time_ns;
        return 0;
    }
    windows->fed++;
    return gt_timeline_feed(windows->timeline, event);
}

/* End the stretch at `until_ns`, and hand it on. */
static int end(struct gt_windows *windows, int64_t until_ns)
{
    struct gt_window window = {
        .timeline = windows->timeline,
        .since_ns = windows->since_ns,
        .until_ns = until_ns,
        .dropped_ns = windows->skipped_ns,
        .events = windows->events,
        .lost_events = windows->lost_events,
        .lives = &windows->lives,
    };
    int64_t stopped_ns = windows->stopped_ns;
    int rc = gt_timeline_finish(windows->timeline, &windows->error);

    if (stopped_ns && stopped_ns < window.since_ns)
        stopped_ns = window.since_ns;
    if (stopped_ns && stopped_ns < until_ns) {
        window.dropped_ns += until_ns - stopped_ns;
        window.until_ns = stopped_ns;
    }
    if (rc == 0)
        rc = windows->on_window(windows->context, &window, &windows->error);
    gt_timeline_free(windows->timeline);
    windows->timeline = NULL;
    return rc;
}

/* The stretch is over: the next one knows of what lived before its border, and of the events
 * there. Were those too many, it begins behind them. */
static int next(struct gt_windows *windows)
{
    int64_t known_ns = windows->until_ns - GT_WINDOW_LEAD_NS;
    bool full = windows->border_full;
    int rc = end(windows, windows->until_ns);

    if (rc < 0)
        return rc;
    windows->since_ns = windows->until_ns;
    windows->until_ns += GT_WINDOW_NS;
    windows->skipped_ns = full ? GT_WINDOW_TAIL_NS : 0;
    if (full)
        known_ns = windows->since_ns += GT_WINDOW_TAIL_NS;
    rc = begin(windows, known_ns);
    for (size_t i = 0; rc == 0 && i < windows->border_count; i++) {
        const struct gt_event *event = &windows->border[i];

        if ((!full && take_into(windows, event)) || gt_lives_note(&windows->lives, event))
            rc = gt_error_memory(&windows->error);
    }
    forget_border(windows);
    return rc;
}

/* --- the stream --- */

void gt_windows_init(struct gt_windows *windows, const struct gt_windows_options *options,
                     gt_window_fn on_window, void *context)
{
    memset(windows, 0, sizeof(*windows));
    windows->options = *options;
    windows->on_window = on_window;
    windows->context = context;
    gt_lives_init(&windows->lives);
    if (options->runtime)
        windows->lives.runtime_path = options->runtime->path;
}

int gt_windows_begin(struct gt_windows *windows, int64_t since_ns, bool attached)
{
    windows->since_ns = since_ns;
    windows->until_ns = since_ns + GT_WINDOW_NS;
    return begin(windows, attached ? since_ns : 0);
}

void gt_windows_release(struct gt_windows *windows)
{
    gt_timeline_free(windows->timeline);
    windows->timeline = NULL;
    forget_border(windows);
    free(windows->border);
    windows->border = NULL;
    gt_lives_release(&windows->lives);
}

/* Events of the future are none: a time that cannot be would have stretches end without end. */
static bool is_over(const struct gt_windows *windows, int64_t time_ns)
{
    return time_ns > windows->until_ns + GT_WINDOW_TAIL_NS && time_ns < GT_TIME_MOST_NS;
}

int gt_windows_take(struct gt_windows *windows, const struct gt_event *event)
{
    int rc = 0, failed;

    while (rc == 0 && windows->timeline && is_over(windows, event->time_ns))
        rc = next(windows);
    if (rc < 0)
        return rc;
    if (gt_event_group(event->kind) == GT_EVENTS_SYNC)
        return 0; /* not counted, and what they point at is not kept */
    if (!windows->timeline)
        return gt_lives_note(&windows->lives, event) ? gt_error_memory(&windows->error) : 0;
    if (event->kind == GT_EVENT_LOST)
        windows->lost_events += event->lost.events;
    else if (event->time_ns > 0 && event->time_ns < windows->known_ns)
        windows->lost_events++; /* too late, as where perf had no CPU for long */
    windows->events++;
    failed = take_into(windows, event);
    if (event->time_ns < windows->until_ns - GT_WINDOW_LEAD_NS)
        failed |= gt_lives_note(&windows->lives, event);
    else
        failed |= keep(windows, event);
    return failed ? gt_error_memory(&windows->error) : 0;
}

int gt_windows_pass(struct gt_windows *windows, int64_t now_ns)
{
    int rc = 0;

    while (rc == 0 && windows->timeline && is_over(windows, now_ns))
        rc = next(windows);
    return rc;
}

int gt_windows_finish(struct gt_windows *windows, int64_t until_ns)
{
    int rc = gt_windows_pass(windows, until_ns);

    if (rc < 0 || !windows->timeline || until_ns <= windows->since_ns)
        return rc;
    return end(windows, until_ns < windows->until_ns ? until_ns : windows->until_ns);
}
