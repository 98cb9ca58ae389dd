/* SPDX-License-Identifier: MIT */
/* A request for metrics, as bytes that come one by one, and the names of a process and a thread
 * in what is answered: the text stays lines of the form that it has. */
#include "harness.h"

#include "metrics/exposition.h"
#include "metrics/http.h"

#include <stdlib.h>
#include <string.h>

/* However it is cut into pieces, it is judged once, by what has come. */
static void check_request(const char *text, size_t size)
{
    struct gt_http_request request, again;
    size_t length = 0;
    struct gt_buf answer, body;

    while (length < size && !gt_http_judge(text, length, &request))
        length++;
    if (!gt_http_judge(text, length, &request)) {
        must(length == size && size < GT_HTTP_REQUEST_MAX, "it waits for ever");
        return;
    }
    must(request.status == 200 || request.status == 400 || request.status == 404 ||
             request.status == 405 || request.status == 431,
         "another status");
    must(gt_http_judge(text, size, &again) &&
             (again.status == request.status || request.status == 431),
         "what comes behind the request changes it");
    gt_buf_init(&answer);
    gt_buf_init(&body);
    must(gt_buf_adds(&body, "# EOF\n") == 0 && gt_http_answer(&answer, &request, &body) == 0 &&
             strncmp(answer.data, "HTTP/1.1 ", 9) == 0 && strstr(answer.data, "\r\n\r\n"),
         "no answer");
    gt_buf_release(&answer);
    gt_buf_release(&body);
}

/* A sample's labels: quoted, with three escapes. */
static void check_line(const char *line, const char *end)
{
    bool quoted = false;

    for (const char *c = line; c < end; c++) {
        must((unsigned char)*c >= 0x20 && *c != 0x7f, "a control character");
        if (*c == '\\' && quoted)
            must(c[1] == '\\' || c[1] == '"', "an escape that there is not"), c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '}' && !quoted)
            must(c[1] == ' ', "labels end within the line");
    }
    must(!quoted, "a label without an end");
}

static void check_names(const char *name, size_t size)
{
    static struct gt_registry registry; /* large */
    const struct gt_metrics_self self = {.recording = true};
    struct gt_metrics_process *process = &registry.processes[0];
    struct gt_buf text;

    gt_registry_init(&registry);
    registry.count = process->group_count = 1;
    process->pid = 7;
    strncpy(process->label, name, sizeof(process->label) - 1);
    if (size > 5)
        strncpy(process->groups[0].name, name + 5, GT_GROUP_NAME_SIZE - 1);
    for (int form = 0; form < 2; form++) {
        gt_buf_init(&text);
        must(gt_exposition_text(&text, &registry, &self, form) == 0, "out of memory");
        for (const char *line = text.data, *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            must(end != NULL, "a line without an end");
            if (*line != '#')
                check_line(line, end);
        }
        must(strcmp(text.data + text.length - 6, "# EOF\n") == 0, "no end");
        gt_buf_release(&text);
    }
    memset(process, 0, sizeof(*process));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);

    check_request(text, size);
    check_names(text, size);
    free(text);
    return 0;
}
