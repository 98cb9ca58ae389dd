/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "base/output.h"
#include "base/nstime.h"
#include "common/console.h"
#include "counting.h"
#include "metrics/exposition.h"
#include "metrics/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TICK_MS = 500,
    FILE_TICKS = 4, /* between writes of the file */
};

struct gt_metrics {
    uv_loop_t *loop;
    const char *where;
    bool is_file;
    struct gt_server server;
    uv_timer_t timer;
    bool timer_open;
    bool finished, told, write_failed;
    struct gt_registry registry;
    struct gt_counting *list; /* what is being counted */
    struct gt_counting own;   /* of gt_metrics_record: the only one in the list */
    bool follows;             /* processes come and go, and these are told of them: */
    struct gt_metrics_followed followed;
    int64_t gone_perf_ns; /* CPU time of those that have left the list */
    unsigned ticks;
};

/* --- the text --- */

static int64_t own_cpu_ns(void)
{
    struct timespec used;

    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
               ? 0
               : (int64_t)used.tv_sec * GT_NS_PER_S + used.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    size_t bytes;

    return uv_resident_set_memory(&bytes) ? 0 : bytes;
}

static void describe(struct gt_metrics *metrics, struct gt_metrics_self *self)
{
    int64_t until_ns = 0;

    self->perf_cpu_ns = metrics->gone_perf_ns;
    for (struct gt_counting *each = metrics->list; each; each = each->next) {
        self->perf_cpu_ns += gt_counting_perf_ns(each);
        if (each->begun && !each->ended && (!until_ns || each->until_ns < until_ns))
            until_ns = each->until_ns;
    }
    if (metrics->follows) {
        self->recording = !metrics->finished && !metrics->followed.dead;
        self->followed = metrics->followed.now;
        self->unfollowed = metrics->followed.left_out;
        self->perf_restarts = metrics->followed.restarts;
        if (!until_ns && !metrics->finished)
            until_ns = gt_now_ns(); /* there is nothing to count */
    } else {
        self->recording = metrics->own.begun && !metrics->own.ended;
        self->followed = self->recording;
        until_ns = metrics->own.until_ns;
    }
    if (until_ns)
        self->until_unix_ns = gt_realtime_ns() - gt_now_ns() + until_ns;
}

static int add_text(void *context, struct gt_buf *text, bool open_metrics)
{
    struct gt_metrics *metrics = context;
    struct gt_metrics_self self = {
        .own_cpu_ns = own_cpu_ns(),
        .resident_bytes = resident_bytes(),
    };

    describe(metrics, &self);
    return gt_exposition_text(text, &metrics->registry, &self, open_metrics);
}

/* A collector reads the file whenever it likes: it finds all of one moment. */
static int write_file(struct gt_metrics *metrics, struct gt_error *err)
{
    struct gt_output output;
    struct gt_buf text;
    struct gt_error why;
    int rc = gt_output_open(&output, metrics->where, &why);

    if (rc < 0) {
        why.message[strcspn(why.message, "(")] = '\0'; /* its remedy is for reports */
        return gt_error_set(err, rc, "%s(name another file, or an address, with --metrics)",
                            why.message);
    }
    gt_buf_init(&text);
    rc = add_text(metrics, &text, false)
             ? gt_error_memory(err)
             : gt_output_write(&output, text.data, text.length, err);
    gt_buf_release(&text);
    if (rc == 0)
        return gt_output_commit(&output, err);
    gt_output_abandon(&output);
    return rc;
}

static void update_file(struct gt_metrics *metrics)
{
    struct gt_error err;
    int rc = metrics->is_file ? write_file(metrics, &err) : 0;

    if (rc < 0 && !metrics->write_failed)
        gt_say("%s: the metrics there are old from now on, until it can be written",
               err.message);
    metrics->write_failed = rc < 0;
}

/* --- the clock --- */

/* Once, and only where that is not since the program has ended, which is known a bit later. */
static void tell_end(struct gt_metrics *metrics)
{
    const struct gt_counting *own = &metrics->own;

    if (!own->ended || own->end_expected || metrics->told ||
        gt_now_ns() - own->ended_ns < GT_NS_PER_S)
        return;
    gt_say(
        "%s: nothing is counted from here on, giltracer_recording is 0 (the program runs on; "
        "start giltracer anew to count again)",
        own->why);
    metrics->told = true;
}

static void on_tick(uv_timer_t *timer)
{
    struct gt_metrics *metrics = timer->data;

    for (struct gt_counting *each = metrics->list; each; each = each->next)
        gt_counting_tick(each);
    gt_registry_expire(&metrics->registry, gt_now_ns());
    tell_end(metrics);
    if (++metrics->ticks % FILE_TICKS == 0)
        update_file(metrics);
}

/* --- from start to end --- */

static int start(struct gt_metrics *metrics, struct gt_error *err)
{
    int rc;

    uv_timer_init(metrics->loop, &metrics->timer);
    metrics->timer.data = metrics;
    metrics->timer_open = true;
    if (metrics->is_file)
        rc = write_file(metrics, err);
    else
        rc = gt_server_start(&metrics->server, metrics->loop, metrics->where, add_text, metrics,
                             err);
    if (rc == 0)
        uv_timer_start(&metrics->timer, on_tick, TICK_MS, TICK_MS);
    return rc;
}

static void say_where(const struct gt_metrics *metrics)
{
    int host = (int)(strrchr(metrics->where, ':') - metrics->where);

    gt_say("metrics at http://%.*s:%d/metrics", host ? host : 9,
           host ? metrics->where : "127.0.0.1", gt_server_port(&metrics->server));
}

struct gt_metrics *gt_metrics_start(uv_loop_t *loop, const char *where, bool quiet,
                                    struct gt_error *err)
{
    struct gt_metrics *metrics = calloc(1, sizeof(*metrics));

    if (!metrics) {
        gt_error_memory(err);
        return NULL;
    }
    metrics->loop = loop;
    metrics->where = where;
    metrics->is_file = !gt_server_is_address(where);
    gt_registry_init(&metrics->registry);
    if (start(metrics, err) < 0) {
        gt_metrics_stop(metrics);
        return NULL;
    }
    if (!quiet && !metrics->is_file)
        say_where(metrics);
    return metrics;
}

/* --- one program --- */

int gt_metrics_record(struct gt_metrics *metrics, const struct gt_windows_options *options,
                      struct gt_error *err)
{
    return gt_metrics_count(metrics, &metrics->own, options, err);
}

const int *gt_metrics_stream(const struct gt_metrics *metrics)
{
    return metrics ? &metrics->own.stream : NULL;
}

void gt_metrics_begin(struct gt_metrics *metrics, int pid, int perf_pid, bool attached)
{
    gt_counting_begin(&metrics->own, pid, perf_pid, attached);
}

void gt_metrics_expect_end(struct gt_metrics *metrics)
{
    gt_counting_expect_end(&metrics->own);
}

void gt_metrics_finish(struct gt_metrics *metrics)
{
    if (!metrics || metrics->finished || (!metrics->follows && !metrics->own.begun))
        return;
    metrics->finished = true;
    if (!metrics->follows)
        gt_counting_finish(&metrics->own);
    update_file(metrics);
}

/* --- many --- */

int gt_metrics_count(struct gt_metrics *metrics, struct gt_counting *counting,
                     const struct gt_windows_options *options, struct gt_error *err)
{
    int rc = gt_counting_start(counting, metrics->loop, &metrics->registry, options, err);

    counting->next = metrics->list;
    metrics->list = counting;
    return rc;
}

void gt_metrics_drop(struct gt_metrics *metrics, struct gt_counting *counting)
{
    struct gt_counting **link = &metrics->list;

    while (*link && *link != counting)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = counting->next;
    metrics->gone_perf_ns += gt_counting_perf_ns(counting);
    gt_counting_release(counting);
}

void gt_metrics_follow(struct gt_metrics *metrics, const struct gt_metrics_followed *followed)
{
    metrics->follows = true;
    metrics->followed = *followed;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct gt_metrics *)handle->data)->timer_open = false;
}

void gt_metrics_stop(struct gt_metrics *metrics)
{
    if (!metrics)
        return;
    gt_server_stop(&metrics->server, metrics->loop);
    while (metrics->list)
        gt_metrics_drop(metrics, metrics->list);
    uv_close((uv_handle_t *)&metrics->timer, on_closed);
    while (metrics->timer_open)
        uv_run(metrics->loop, UV_RUN_ONCE);
    free(metrics);
}
