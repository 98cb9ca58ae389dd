/* SPDX-License-Identifier: MIT */
#include "metrics/http.h"

#include <string.h>
#include <strings.h>

static const char open_metrics_type[] = "application/openmetrics-text";

/* The end of the head, behind the empty line; NULL: it has not come yet. */
static const char *end_of_head(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);

    return end ? end + 4 : NULL;
}

static bool is(const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);

    return (size_t)(end - at) == length && memcmp(at, word, length) == 0;
}

/* "METHOD TARGET HTTP/1.x" */
static void judge_line(const char *line, const char *end, struct gt_http_request *request)
{
    const char *space = memchr(line, ' ', (size_t)(end - line));
    const char *target = space ? space + 1 : end;
    const char *after = memchr(target, ' ', (size_t)(end - target));
    const char *query;

    request->status = 400;
    if (!space || !after || space == line || after == target || end - after != 9 ||
        memcmp(after, " HTTP/1.", 8) != 0)
        return;
    for (const char *c = line; c < end; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            return;
    query = memchr(target, '?', (size_t)(after - target));
    request->head = is(line, space, "HEAD");
    if (!is(target, query ? query : after, "/metrics"))
        request->status = 404;
    else
        request->status = request->head || is(line, space, "GET") ? 200 : 405;
}

static bool names_open_metrics(const char *at, const char *end)
{
    size_t length = sizeof(open_metrics_type) - 1;

    for (; at + length <= end; at++)
        if (strncasecmp(at, open_metrics_type, length) == 0)
            return true;
    return false;
}

bool gt_http_judge(const char *bytes, size_t length, struct gt_http_request *request)
{
    const char *end = end_of_head(bytes, length);
    const char *line_end;

    *request = (struct gt_http_request){.status = 431};
    if (!end)
        return length >= GT_HTTP_REQUEST_MAX;
    line_end = memmem(bytes, (size_t)(end - bytes), "\r\n", 2);
    judge_line(bytes, line_end, request);
    for (const char *line = line_end + 2; line < end - 2; line = line_end + 2) {
        line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (line_end - line > 7 && strncasecmp(line, "accept:", 7) == 0)
            request->open_metrics |= names_open_metrics(line + 7, line_end);
    }
    return true;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Bad Request";
    }
}

int gt_http_answer(struct gt_buf *text, const struct gt_http_request *request,
                   const struct gt_buf *body)
{
    const char *reason = reason_of(request->status);
    const char *type = "text/plain; charset=utf-8";
    bool found = request->status == 200;
    size_t length = found ? body->length : strlen(reason) + 1;
    int failed;

    if (found)
        type = request->open_metrics
                   ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                   : "text/plain; version=0.0.4; charset=utf-8";
    failed = gt_buf_addf(text,
                         "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                         "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                         "Connection: close\r\n\r\n",
                         request->status, reason, type, length,
                         request->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (request->head)
        return failed ? -1 : 0;
    failed |=
        found ? gt_buf_add(text, body->data, body->length) : gt_buf_addf(text, "%s\n", reason);
    return failed ? -1 : 0;
}
