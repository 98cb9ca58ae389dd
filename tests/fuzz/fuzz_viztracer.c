/* VizTracer's JSON, plain or gzipped. Events come in the order of time, and calls nest. */
#include "viztracer/viztracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct gt_error err = {0}, damage = {0};
    struct gt_viztracer *trace;
    struct gt_event event;
    int64_t last_ns = 0;
    uint64_t calls = 0, returns = 0;
    char path[64];

    if (fd < 0 && (fd = memfd_create("fuzz", MFD_CLOEXEC)) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    trace = gt_viztracer_open(path, &damage, &err);
    if (!trace && (!err.code || !err.message[0]))
        abort();
    while (trace && gt_viztracer_next(trace, &event, NULL) > 0) {
        if (event.time_ns < last_ns || event.tid <= 0 || event.pid <= 0)
            abort();
        last_ns = event.time_ns;
        calls += event.kind == GT_EVENT_CALL;
        returns += event.kind == GT_EVENT_RETURN;
    }
    if (calls != returns)
        abort();
    gt_viztracer_free(trace);
    return 0;
}
