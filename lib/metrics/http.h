/* SPDX-License-Identifier: MIT */
/*
 * As much of HTTP/1.1 as serves one page to a scraper: a request is judged by its first line
 * and its Accept header, and each connection has one. Pure: no I/O.
 */
#ifndef GT_METRICS_HTTP_H
#define GT_METRICS_HTTP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { GT_HTTP_REQUEST_MAX = 8192 };

struct gt_http_request {
    int status;        /* of the answer: 200, 400, 404, 405, 431 */
    bool head;         /* without a body */
    bool open_metrics; /* Accept names that form */
};

/* Judge what has come so far. False: the request is not whole yet. */
bool gt_http_judge(const char *bytes, size_t length, struct gt_http_request *request);

/* Append the answer. `body` is that of status 200; others have a line of their own. 0 or -1. */
int gt_http_answer(struct gt_buf *text, const struct gt_http_request *request,
                   const struct gt_buf *body);

#endif
