/* SPDX-License-Identifier: MIT */
#include "agent/existing.h"

#include "agent/functions.h"
#include "agent/names.h"
#include "agent/threads.h"
#include "agent/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    THREADS_MAX = 4096, /* with a log before their first event */
    FRAMES_MAX = 512,   /* of a thread: the innermost ones */
    DESCRIPTOR_BYTES = 1024,
};

/*
 * Where libc's descriptor of a thread, which pthread_self() is the address of, has its tid: at
 * the first place where this thread's has that of this thread. (glibc: 720 on x86-64; musl
 * elsewhere.) 0: nowhere.
 */
static size_t tid_offset(void)
{
    const char *descriptor = (const char *)pthread_self();
    int32_t tid = (int32_t)syscall(SYS_gettid);

    for (size_t at = sizeof(tid); at < DESCRIPTOR_BYTES; at += sizeof(tid))
        if (!memcmp(descriptor + at, &tid, sizeof(tid)))
            return at;
    return 0;
}

/* Read from this process's memory where it may not be mapped: with and without /proc. */
static bool read_memory(uint64_t address, void *data, size_t size)
{
    struct iovec local = {data, size}, remote = {(void *)(uintptr_t)address, size};
    bool done;
    int fd;

    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size)
        return true;
    fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    done = pread(fd, data, size, (off_t)address) == (ssize_t)size;
    close(fd);
    return done;
}

/* The tid of the thread of that ident, by libc's descriptor of it, or what is there now if the
 * thread ended without deleting its thread state. 0: it is no thread of this process. */
static int32_t tid_of(uint64_t ident, size_t offset)
{
    int32_t tid;

    if (!read_memory(ident + offset, &tid, sizeof(tid)) || tid <= 0 ||
        syscall(SYS_tgkill, getpid(), tid, 0))
        return 0;
    return tid;
}

/* What the kernel calls the thread: /proc/self/task/TID/comm, without the newline; without
 * /proc what it calls this one. */
static void read_comm(int32_t tid, char *comm, size_t size)
{
    char path[64];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? 0 : read(fd, comm, size - 1);
    if (fd >= 0)
        close(fd);
    comm[length > 0 ? length : 0] = '\0';
    comm[strcspn(comm, "\n")] = '\0';
    if (!comm[0])
        strncpy(comm, program_invocation_short_name, size - 1);
}

/* The code objects of a stack, the innermost first, each a new reference. */
static size_t codes_of(PyObject *frame, PyObject *codes[FRAMES_MAX])
{
    size_t count = 0;

    gt_agent_api.Py_IncRef(frame);
    while (frame && count < FRAMES_MAX) {
        PyObject *code = gt_agent_api.PyObject_GetAttrString(frame, "f_code");
        PyObject *back = gt_agent_api.PyObject_GetAttrString(frame, "f_back");

        if (code)
            codes[count++] = code;
        gt_agent_api.PyErr_Clear();
        gt_agent_api.Py_DecRef(frame);
        frame = back;
        if (back == gt_agent_api._Py_NoneStruct) {
            gt_agent_api.Py_DecRef(back);
            frame = NULL;
        }
    }
    if (frame)
        gt_agent_api.Py_DecRef(frame);
    return count;
}

static void open_calls(struct gt_agent_thread *self, struct gt_agent_thread *thread,
                       PyObject *frame)
{
    PyObject *codes[FRAMES_MAX];
    size_t count = codes_of(frame, codes);
    uint64_t ticks = gt_agent_ticks();

    for (size_t i = count; i > 0; i--) {
        const struct gt_agent_function *function =
            gt_agent_function_of_code(self, codes[i - 1]);

        if (function && !(function->flags & GT_AGENT_SKIP))
            gt_agent_trace_open(thread, function, ticks);
    }
    for (size_t i = 0; i < count; i++)
        gt_agent_api.Py_DecRef(codes[i]);
}

/* The state of the thread of that ident, with a log; NULL: it has ended, or is none of libc's.
 */
static struct gt_agent_thread *thread_of(struct gt_agent_thread *self, uint64_t ident,
                                         size_t offset)
{
    char comm[64];
    int32_t tid;

    if (ident == self->listed.ident)
        return self;
    if (!offset)
        return NULL;
    tid = tid_of(ident, offset);
    if (!tid)
        return NULL;
    read_comm(tid, comm, sizeof(comm));
    return gt_agent_thread_expect(tid, ident, comm);
}

/* A new reference to {ident: frame}. */
static PyObject *current_frames(void)
{
    PyObject *sys = gt_agent_api.PyImport_ImportModule("sys");
    PyObject *frames = NULL;

    if (sys) {
        frames = gt_agent_api.PyObject_CallMethod(sys, "_current_frames", NULL);
        gt_agent_api.Py_DecRef(sys);
    }
    gt_agent_api.PyErr_Clear();
    return frames;
}

void gt_agent_existing_note(struct gt_agent_thread *self, bool functions)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *frames = current_frames();
    PyObject *ident, *frame;
    size_t offset = tid_offset();
    ptrdiff_t position = 0;
    int count = 0;

    if (!gt_agent_enter())
        return;
    while (frames && gt_agent_type(frames) == api->PyDict_Type && count++ < THREADS_MAX &&
           api->PyDict_Next(frames, &position, &ident, &frame)) {
        struct gt_agent_thread *thread =
            thread_of(self, api->PyLong_AsUnsignedLong(ident), offset);

        if (thread && functions)
            open_calls(self, thread, frame);
    }
    if (frames)
        api->Py_DecRef(frames);
    gt_agent_names_update(self);
    gt_agent_leave(self);
}
