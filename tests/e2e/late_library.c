/* SPDX-License-Identifier: MIT */
/* What late_call has programs load: it counts its calls in the file that the settings name. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int late_count(const char *path);
EXPORT int late_fails(const char *unused);

/* An object of Python's, to use the GIL for. */
EXPORT int late_count(const char *path)
{
    void *(*make)(long) = (void *(*)(long))dlsym(RTLD_DEFAULT, "PyLong_FromLong");
    void (*drop)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
    int (*check)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Check");
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return errno;
    for (long i = 0; i < 1000; i++)
        drop(make(1000000 + i));
    (void)!write(fd, check() ? "x" : "-", 1);
    close(fd);
    return 0;
}

EXPORT int late_fails(const char *unused)
{
    (void)unused;
    return EBUSY;
}
