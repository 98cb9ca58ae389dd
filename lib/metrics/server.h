/* SPDX-License-Identifier: MIT */
/*
 * Serves /metrics over HTTP on a libuv loop. Whoever connects is hostile: there are at most
 * GT_SERVER_CONNECTIONS_MAX at a time (further ones are closed at once), each has
 * GT_SERVER_TIMEOUT_MS for all of it, and sends GT_HTTP_REQUEST_MAX bytes at most.
 */
#ifndef GT_METRICS_SERVER_H
#define GT_METRICS_SERVER_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <uv.h>

enum { GT_SERVER_CONNECTIONS_MAX = 16, GT_SERVER_TIMEOUT_MS = 5000 };

/* Append what is served. 0, or -1: no memory. */
typedef int (*gt_server_text_fn)(void *context, struct gt_buf *text, bool open_metrics);

struct gt_server {
    uv_tcp_t listener;
    int open_handles; /* of the listener and all connections */
    int connections;
    bool started;
    bool closing;
    struct gt_connection *first; /* those that are open */
    gt_server_text_fn text;
    void *context;
};

/* "127.0.0.1:9464", "[::1]:9464", ":9464" (127.0.0.1), or a port alone; "PORT" 0: any that is
 * free. False: it is no address, but a file's name. */
bool gt_server_is_address(const char *word);

/* Listen. 0; GT_ERR_USAGE: it is no address that can be; or another error. What is left behind
 * then is closed by _stop. */
int gt_server_start(struct gt_server *server, uv_loop_t *loop, const char *address,
                    gt_server_text_fn text, void *context, struct gt_error *err);

/* The port that it listens on. */
int gt_server_port(const struct gt_server *server);

/* Close everything, by `loop`. Harmless when it was not started. */
void gt_server_stop(struct gt_server *server, uv_loop_t *loop);

#endif
