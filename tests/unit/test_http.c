/* SPDX-License-Identifier: MIT */
/* lib/metrics/http: which requests are answered, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/http.h"
#include "metrics/server.h"

static struct gt_http_request judged;

static bool judge(const char *text)
{
    return gt_http_judge(text, strlen(text), &judged);
}

static void one_page_for_two_methods(void **state)
{
    static const struct {
        const char *text;
        int status;
    } requests[] = {
        {"GET /metrics HTTP/1.1\r\n\r\n", 200},
        {"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n", 200},
        {"GET /metrics?x=1 HTTP/1.1\r\n\r\n", 200},
        {"HEAD /metrics HTTP/1.1\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\n\r\n", 404},
        {"GET /metrics/ HTTP/1.1\r\n\r\n", 404},
        {"GET /../metrics HTTP/1.1\r\n\r\n", 404},
        {"POST / HTTP/1.1\r\n\r\n", 404},
        {"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", 405},
        {"DELETE /metrics HTTP/1.1\r\n\r\n", 405},
        {"get /metrics HTTP/1.1\r\n\r\n", 405},
        {"GET /metrics\r\n\r\n", 400},
        {"GET /metrics HTTP/2.0\r\n\r\n", 400},
        {"GET  HTTP/1.1\r\n\r\n", 400},
        {" /metrics HTTP/1.1\r\n\r\n", 400},
        {"GET /met\x01rics HTTP/1.1\r\n\r\n", 400},
        {"\r\n\r\n", 400},
        {"\x16\x03\x01\x02\r\n\r\n", 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_true(judge(requests[i].text));
        if (judged.status != requests[i].status)
            fail_msg("%d for %s", judged.status, requests[i].text);
    }
}

static void it_waits_for_the_whole_request(void **state)
{
    const char *text = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

    (void)state;
    for (size_t i = 0; i < strlen(text); i++)
        assert_false(gt_http_judge(text, i, &judged));
    assert_true(judge(text));
}

static void but_not_for_ever(void **state)
{
    static char text[GT_HTTP_REQUEST_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_false(gt_http_judge(text, sizeof(text) - 1, &judged));
    assert_true(gt_http_judge(text, sizeof(text), &judged));
    assert_int_equal(judged.status, 431);
}

static void the_form_is_negotiated(void **state)
{
    (void)state;
    assert_true(judge("GET /metrics HTTP/1.1\r\nAccept: text/plain\r\n\r\n"));
    assert_false(judged.open_metrics);
    assert_true(judge("GET /metrics HTTP/1.1\r\nX: application/openmetrics-text\r\n\r\n"));
    assert_false(judged.open_metrics);
    assert_true(judge("GET /metrics HTTP/1.1\r\nHost: a\r\nACCEPT: "
                      "application/OpenMetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n"));
    assert_true(judged.open_metrics);
}

static void answers_say_how_long_they_are(void **state)
{
    struct gt_buf body, text;

    (void)state;
    gt_buf_init(&body);
    gt_buf_init(&text);
    gt_buf_adds(&body, "a 1\n# EOF\n");
    judge("GET /metrics HTTP/1.1\r\n\r\n");
    assert_int_equal(gt_http_answer(&text, &judged, &body), 0);
    assert_non_null(strstr(text.data, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text.data, "Content-Length: 10\r\n"));
    assert_non_null(strstr(text.data, "\r\n\r\na 1\n# EOF\n"));
    gt_buf_reset(&text);
    judge("HEAD /metrics HTTP/1.1\r\n\r\n");
    gt_http_answer(&text, &judged, &body);
    assert_non_null(strstr(text.data, "Content-Length: 10\r\n"));
    assert_string_equal(text.data + text.length - 4, "\r\n\r\n");
    gt_buf_reset(&text);
    judge("PUT /metrics HTTP/1.1\r\n\r\n");
    gt_http_answer(&text, &judged, &body);
    assert_non_null(strstr(text.data, "405 Method Not Allowed\r\n"));
    assert_non_null(strstr(text.data, "Allow: GET, HEAD\r\n"));
    assert_null(strstr(text.data, "EOF"));
    gt_buf_release(&body);
    gt_buf_release(&text);
}

static void what_is_an_address(void **state)
{
    (void)state;
    assert_true(gt_server_is_address(":9464"));
    assert_true(gt_server_is_address("127.0.0.1:9464"));
    assert_true(gt_server_is_address("[::1]:9464"));
    assert_true(gt_server_is_address("localhost:0"));
    assert_false(gt_server_is_address("metrics.prom"));
    assert_false(gt_server_is_address("./x:80"));
    assert_false(gt_server_is_address("9464"));
    assert_false(gt_server_is_address("x:"));
    assert_false(gt_server_is_address("x:80a"));
    assert_false(gt_server_is_address(":99999"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_page_for_two_methods),
        cmocka_unit_test(it_waits_for_the_whole_request),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(the_form_is_negotiated),
        cmocka_unit_test(answers_say_how_long_they_are),
        cmocka_unit_test(what_is_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
