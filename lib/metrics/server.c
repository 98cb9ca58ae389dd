/* SPDX-License-Identifier: MIT */
#include "metrics/server.h"

#include "metrics/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gt_connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    int open_handles;
    bool closing;
    bool answered;
    bool heard_all; /* the other end sends nothing any more */
    struct gt_server *server;
    struct gt_connection *next;
    struct gt_buf answer;
    size_t length;
    char request[GT_HTTP_REQUEST_MAX];
};

/* --- addresses --- */

/* Split into host and port; false when it has not that form. */
static bool split(const char *word, char host[INET6_ADDRSTRLEN], int *port)
{
    const char *colon = strrchr(word, ':');
    size_t length = colon ? (size_t)(colon - word) : 0;
    char *end;
    long number;

    if (!colon || colon[1] < '0' || colon[1] > '9')
        return false;
    number = strtol(colon + 1, &end, 10);
    if (*end || number > 65535 || end - colon > 6)
        return false;
    *port = (int)number;
    if (length > 1 && word[0] == '[' && word[length - 1] == ']') {
        word++;
        length -= 2;
    }
    if (length >= INET6_ADDRSTRLEN)
        return false;
    memcpy(host, word, length);
    host[length] = '\0';
    return true;
}

bool gt_server_is_address(const char *word)
{
    char host[INET6_ADDRSTRLEN];
    int port;

    return !strchr(word, '/') && split(word, host, &port);
}

static int parse(const char *word, struct sockaddr_storage *address, struct gt_error *err)
{
    char host[INET6_ADDRSTRLEN];
    int port;

    if (!split(word, host, &port))
        return gt_error_set(err, GT_ERR_USAGE, "'%s' is no address: name HOST:PORT or :PORT",
                            word);
    if (!host[0] || strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0)
        return 0;
    return gt_error_set(err, GT_ERR_USAGE,
                        "'%s' is no address: name one of this machine by its number, as "
                        "0.0.0.0:9464, or a port alone, as :9464",
                        word);
}

/* --- one connection --- */

static void on_closed(uv_handle_t *handle)
{
    struct gt_connection *connection = handle->data;
    struct gt_server *server = connection->server;

    server->open_handles--;
    if (--connection->open_handles)
        return;
    for (struct gt_connection **at = &server->first; *at; at = &(*at)->next)
        if (*at == connection) {
            *at = connection->next;
            break;
        }
    server->connections--;
    gt_buf_release(&connection->answer);
    free(connection);
}

static void close_connection(struct gt_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
    uv_close((uv_handle_t *)&connection->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    close_connection(timer->data);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct gt_connection *connection = request->data;

    (void)status;
    free(request);
    /* Else it is closed as the other end does, or in time: what was sent is not cut off by a
     * reset. */
    if (status < 0 || connection->heard_all)
        close_connection(connection);
}

static void on_written(uv_write_t *write, int status)
{
    struct gt_connection *connection = write->data;
    uv_shutdown_t *shutdown =
        status == 0 && !connection->closing ? calloc(1, sizeof(*shutdown)) : NULL;

    if (!shutdown) {
        close_connection(connection);
        return;
    }
    shutdown->data = connection;
    if (uv_shutdown(shutdown, (uv_stream_t *)&connection->tcp, on_shut)) {
        free(shutdown);
        close_connection(connection);
    }
}

static void answer(struct gt_connection *connection, const struct gt_http_request *request)
{
    struct gt_server *server = connection->server;
    struct gt_buf body;
    uv_buf_t bytes;
    int failed = 0;

    connection->answered = true;
    gt_buf_init(&body);
    if (request->status == 200)
        failed = server->text(server->context, &body, request->open_metrics);
    failed |= gt_http_answer(&connection->answer, request, &body);
    gt_buf_release(&body);
    bytes = uv_buf_init(connection->answer.data, (unsigned)connection->answer.length);
    connection->write.data = connection;
    if (failed ||
        uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &bytes, 1, on_written))
        close_connection(connection);
}

/* What comes behind the request is read, and thrown away. */
static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct gt_connection *connection = handle->data;
    size_t at = connection->answered ? 0 : connection->length;

    (void)wanted;
    *room = uv_buf_init(connection->request + at, (unsigned)(GT_HTTP_REQUEST_MAX - at));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct gt_connection *connection = stream->data;
    struct gt_http_request request;

    (void)room;
    if (got < 0) {
        connection->heard_all = true;
        uv_read_stop(stream);
        if (!connection->answered || !uv_stream_get_write_queue_size(stream) || got != UV_EOF)
            close_connection(connection);
        return;
    }
    if (connection->answered)
        return;
    connection->length += (size_t)got;
    if (gt_http_judge(connection->request, connection->length, &request))
        answer(connection, &request);
}

static void on_connected(uv_stream_t *listener, int status)
{
    struct gt_server *server = listener->data;
    struct gt_connection *connection = status == 0 ? calloc(1, sizeof(*connection)) : NULL;

    if (!connection)
        return; /* who waits gets an answer, or none, with the next one */
    connection->server = server;
    gt_buf_init(&connection->answer);
    uv_tcp_init(listener->loop, &connection->tcp);
    uv_timer_init(listener->loop, &connection->timer);
    connection->tcp.data = connection->timer.data = connection;
    connection->open_handles = 2;
    server->open_handles += 2;
    connection->next = server->first;
    server->first = connection;
    server->connections++;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) ||
        server->connections > GT_SERVER_CONNECTIONS_MAX || server->closing) {
        close_connection(connection);
        return;
    }
    uv_timer_start(&connection->timer, on_timeout, GT_SERVER_TIMEOUT_MS, 0);
    if (uv_read_start((uv_stream_t *)&connection->tcp, on_room, on_read))
        close_connection(connection);
}

/* --- the server --- */

int gt_server_start(struct gt_server *server, uv_loop_t *loop, const char *address,
                    gt_server_text_fn text, void *context, struct gt_error *err)
{
    struct sockaddr_storage parsed;
    int rc = parse(address, &parsed, err);

    *server = (struct gt_server){.text = text, .context = context};
    if (rc < 0)
        return rc;
    rc = uv_tcp_init(loop, &server->listener);
    if (rc == 0) {
        server->started = true;
        server->listener.data = server;
        server->open_handles = 1;
        rc = uv_tcp_bind(&server->listener, (const struct sockaddr *)&parsed, 0);
    }
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, 16, on_connected);
    if (rc == 0)
        return 0;
    return gt_error_set(err, rc == UV_EACCES ? GT_ERR_PERMISSION : GT_ERR_IO,
                        "cannot serve metrics at %s: %s%s", address, uv_strerror(rc),
                        rc == UV_EADDRINUSE ? " (name another port, or :0 for any)" : "");
}

int gt_server_port(const struct gt_server *server)
{
    struct sockaddr_storage address;
    int length = sizeof(address);

    if (!server->started ||
        uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length))
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static void on_listener_closed(uv_handle_t *handle)
{
    ((struct gt_server *)handle->data)->open_handles--;
}

void gt_server_stop(struct gt_server *server, uv_loop_t *loop)
{
    if (!server->started)
        return;
    server->closing = true;
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    for (struct gt_connection *at = server->first; at; at = at->next)
        close_connection(at);
    while (server->open_handles)
        uv_run(loop, UV_RUN_ONCE);
    server->started = false;
}
