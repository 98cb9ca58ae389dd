/* SPDX-License-Identifier: MIT */
/*
 * Makes calls of libc fail, in whatever it is preloaded into. For tests only.
 *
 *     LD_PRELOAD=…/libgt-faults.so GT_FAULTS='PROGRAM OBJECT FUNCTION N ERRNO[,…]'
 *
 * In processes whose program is called PROGRAM, the N-th call of FUNCTION by code of OBJECT
 * fails with the number ERRNO. PROGRAM is the base name of the file that is executed, OBJECT a
 * part of the path of the object that calls; either may be `*`. `N+` makes all later calls
 * fail, too. The number 0 shortens a read or a write to its half instead; 1000 + N ends the
 * process by signal N there. Calls are counted per process; those that libc makes of itself are
 * not seen, except of malloc and its like.
 *
 * Each failure is appended to the file GT_FAULTS_LOG as "PROGRAM PID FUNCTION N", if that is
 * set.
 *
 * The functions take at most six integers or pointers, and so all have one shape here:
 * arguments are passed on in registers, as the ABIs of x86-64 and aarch64 have it, also for
 * functions with a variable number of them.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAULTS = 4, NAME = 64, KILLED = 1000 };

enum how {
    MINUS_ONE, /* is returned, and errno set */
    NOTHING,   /* NULL */
    NUMBER,    /* the errno itself */
    LENGTH,    /* as MINUS_ONE; the third argument is how many bytes to read or write */
};

typedef long call_fn(long, long, long, long, long, long);

/* name, name of the fault (that of a 64-bit twin is the same), how it fails */
#define FUNCTIONS(X)                                                                           \
    X(open, open, MINUS_ONE)                                                                   \
    X(open64, open, MINUS_ONE)                                                                 \
    X(openat, open, MINUS_ONE)                                                                 \
    X(openat64, open, MINUS_ONE)                                                               \
    X(creat, open, MINUS_ONE)                                                                  \
    X(memfd_create, open, MINUS_ONE)                                                           \
    X(mkostemp, open, MINUS_ONE)                                                               \
    X(mkostemp64, open, MINUS_ONE)                                                             \
    X(mkstemp, open, MINUS_ONE)                                                                \
    X(mkstemp64, open, MINUS_ONE)                                                              \
    X(fopen, fopen, NOTHING)                                                                   \
    X(fopen64, fopen, NOTHING)                                                                 \
    X(fdopen, fopen, NOTHING)                                                                  \
    X(opendir, opendir, NOTHING)                                                               \
    X(fdopendir, opendir, NOTHING)                                                             \
    X(read, read, LENGTH)                                                                      \
    X(pread, read, LENGTH)                                                                     \
    X(pread64, read, LENGTH)                                                                   \
    X(write, write, LENGTH)                                                                    \
    X(pwrite, write, LENGTH)                                                                   \
    X(pwrite64, write, LENGTH)                                                                 \
    X(writev, write, MINUS_ONE)                                                                \
    X(pwritev, write, MINUS_ONE)                                                               \
    X(pwritev64, write, MINUS_ONE)                                                             \
    X(fflush, write, MINUS_ONE)                                                                \
    X(send, send, MINUS_ONE)                                                                   \
    X(recv, recv, MINUS_ONE)                                                                   \
    X(sendmsg, send, MINUS_ONE)                                                                \
    X(recvmsg, recv, MINUS_ONE)                                                                \
    X(mmap, mmap, MINUS_ONE)                                                                   \
    X(mmap64, mmap, MINUS_ONE)                                                                 \
    X(mremap, mremap, MINUS_ONE)                                                               \
    X(madvise, madvise, MINUS_ONE)                                                             \
    X(ftruncate, ftruncate, MINUS_ONE)                                                         \
    X(ftruncate64, ftruncate, MINUS_ONE)                                                       \
    X(fallocate, fallocate, MINUS_ONE)                                                         \
    X(fallocate64, fallocate, MINUS_ONE)                                                       \
    X(fsync, fsync, MINUS_ONE)                                                                 \
    X(fstat, stat, MINUS_ONE)                                                                  \
    X(fstat64, stat, MINUS_ONE)                                                                \
    X(stat, stat, MINUS_ONE)                                                                   \
    X(stat64, stat, MINUS_ONE)                                                                 \
    X(lstat, stat, MINUS_ONE)                                                                  \
    X(lstat64, stat, MINUS_ONE)                                                                \
    X(fstatat, stat, MINUS_ONE)                                                                \
    X(fstatat64, stat, MINUS_ONE)                                                              \
    X(readlink, readlink, MINUS_ONE)                                                           \
    X(realpath, readlink, NOTHING)                                                             \
    X(rename, rename, MINUS_ONE)                                                               \
    X(renameat, rename, MINUS_ONE)                                                             \
    X(renameat2, rename, MINUS_ONE)                                                            \
    X(linkat, rename, MINUS_ONE)                                                               \
    X(unlink, unlink, MINUS_ONE)                                                               \
    X(unlinkat, unlink, MINUS_ONE)                                                             \
    X(rmdir, unlink, MINUS_ONE)                                                                \
    X(mkdir, mkdir, MINUS_ONE)                                                                 \
    X(mkdirat, mkdir, MINUS_ONE)                                                               \
    X(mkdtemp, mkdir, NOTHING)                                                                 \
    X(pipe, pipe, MINUS_ONE)                                                                   \
    X(pipe2, pipe, MINUS_ONE)                                                                  \
    X(socketpair, pipe, MINUS_ONE)                                                             \
    X(eventfd, pipe, MINUS_ONE)                                                                \
    X(signalfd, pipe, MINUS_ONE)                                                               \
    X(dup, dup, MINUS_ONE)                                                                     \
    X(dup2, dup, MINUS_ONE)                                                                    \
    X(dup3, dup, MINUS_ONE)                                                                    \
    X(fcntl, fcntl, MINUS_ONE)                                                                 \
    X(fcntl64, fcntl, MINUS_ONE)                                                               \
    X(fork, fork, MINUS_ONE)                                                                   \
    X(posix_spawn, fork, NUMBER)                                                               \
    X(posix_spawnp, fork, NUMBER)                                                              \
    X(execvp, exec, MINUS_ONE)                                                                 \
    X(execve, exec, MINUS_ONE)                                                                 \
    X(pthread_create, thread, NUMBER)                                                          \
    X(epoll_create1, epoll, MINUS_ONE)                                                         \
    X(poll, poll, MINUS_ONE)                                                                   \
    X(ptrace, ptrace, MINUS_ONE)                                                               \
    X(process_vm_readv, process_vm, MINUS_ONE)                                                 \
    X(process_vm_writev, process_vm, MINUS_ONE)                                                \
    X(waitpid, wait, MINUS_ONE)                                                                \
    X(getrlimit, rlimit, MINUS_ONE)                                                            \
    X(getrlimit64, rlimit, MINUS_ONE)                                                          \
    X(setrlimit, rlimit, MINUS_ONE)                                                            \
    X(setrlimit64, rlimit, MINUS_ONE)                                                          \
    X(strdup, strdup, NOTHING)                                                                 \
    X(strndup, strdup, NOTHING)                                                                \
    X(reallocarray, realloc, NOTHING)

/* These are libc's own under another name: dlsym needs memory itself. */
#define ALLOCATORS(X)                                                                          \
    X(malloc)                                                                                  \
    X(calloc)                                                                                  \
    X(realloc)

/* The names that are defined here are not those of libc's headers: their shapes differ. */
#define X(name, fault, how)                                                                    \
    __attribute__((visibility("default"))) long gt_fault_##name(long, long, long, long, long,  \
                                                                long) __asm__(#name);
FUNCTIONS(X)
#undef X

#define X(name)                                                                                \
    __attribute__((visibility("default"))) long gt_fault_##name(long, long, long, long, long,  \
                                                                long) __asm__(#name);          \
    long gt_libc_##name(long, long, long, long, long, long) __asm__("__libc_" #name);
ALLOCATORS(X)
#undef X

static struct fault {
    char object[NAME], function[NAME];
    long first, last, count;
    int error;
    uintptr_t start, end; /* of the object's code; 0 0: any */
} faults[FAULTS];
static int fault_count;
static int state; /* 0: nothing is known yet; 1: being looked at; 2: ready */
static char program[NAME];

static int match_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct fault *fault = data;

    (void)size;
    if (!strstr(info->dlpi_name[0] ? info->dlpi_name : program, fault->object))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        fault->start = info->dlpi_addr + segment->p_vaddr;
        fault->end = fault->start + segment->p_memsz;
        return 1;
    }
    return 0;
}

static void add_fault(const char *text)
{
    struct fault *fault = &faults[fault_count];
    char of[NAME], count[24];

    if (sscanf(text, "%63s %63s %63s %23s %d", of, fault->object, fault->function, count,
               &fault->error) != 5)
        return;
    if (fnmatch(of, program, 0))
        return;
    fault->first = strtol(count, NULL, 10);
    fault->last = strchr(count, '+') ? INT64_MAX : fault->first;
    if (strcmp(fault->object, "*") != 0 && !dl_iterate_phdr(match_object, fault))
        return; /* such an object is not in this process */
    fault_count++;
}

static bool begin(void)
{
    int unknown = 0;
    char path[4096];
    const char *text, *slash;
    ssize_t length;

    if (!__atomic_compare_exchange_n(&state, &unknown, 1, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return unknown == 2;
    length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    strncpy(program, slash ? slash + 1 : path, sizeof(program) - 1);
    for (text = getenv("GT_FAULTS"); text && *text && fault_count < FAULTS;) {
        add_fault(text);
        text = strchr(text, ',');
        text = text ? text + 1 : NULL;
    }
    __atomic_store_n(&state, 2, __ATOMIC_RELEASE);
    return true;
}

static void tell(const struct fault *fault, long count)
{
    const char *path = getenv("GT_FAULTS_LOG");
    char line[3 * NAME];
    int length = snprintf(line, sizeof(line), "%s %ld %s %ld\n", program, syscall(SYS_getpid),
                          fault->function, count);
    long fd;

    if (!path)
        return;
    fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    (void)!syscall(SYS_write, fd, line, (size_t)length);
    syscall(SYS_close, fd);
}

/* The errno that this call fails with; -1: it does not. */
static int failure(const char *function, const void *caller)
{
    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2 && !begin())
        return -1;
    for (int i = 0; i < fault_count; i++) {
        struct fault *fault = &faults[i];
        long count;

        if (strcmp(fault->function, function) != 0 ||
            (fault->end &&
             ((uintptr_t)caller < fault->start || (uintptr_t)caller >= fault->end)))
            continue;
        count = __atomic_add_fetch(&fault->count, 1, __ATOMIC_RELAXED);
        if (count < fault->first || count > fault->last)
            continue;
        if (count == fault->first)
            tell(fault, count);
        if (fault->error > KILLED)
            syscall(SYS_kill, syscall(SYS_getpid), fault->error - KILLED);
        return fault->error;
    }
    return -1;
}

/* What the call returns that fails. */
static long failed(enum how how, int error)
{
    if (how == NUMBER)
        return error;
    errno = error;
    return how == NOTHING ? 0 : -1;
}

static call_fn *next_of(call_fn **known, const char *name)
{
    call_fn *found = __atomic_load_n(known, __ATOMIC_RELAXED);

    if (!found) {
        *(void **)&found = dlsym(RTLD_NEXT, name);
        __atomic_store_n(known, found, __ATOMIC_RELAXED);
    }
    return found;
}

/* The arguments that are not given are whatever the registers held. */
#define X(name, fault, how)                                                                    \
    long gt_fault_##name(long a, long b, long c, long d, long e, long f)                       \
    {                                                                                          \
        static call_fn *next;                                                                  \
        int before = errno, error = failure(#fault, __builtin_return_address(0));              \
                                                                                               \
        if (error == 0 && (how) == LENGTH)                                                     \
            c = (c + 1) / 2;                                                                   \
        else if (error >= 0)                                                                   \
            return failed(how, error);                                                         \
        errno = before;                                                                        \
        return next_of(&next, #name)(a, b, c, d, e, f);                                        \
    }
FUNCTIONS(X)
#undef X

#define X(name)                                                                                \
    long gt_fault_##name(long a, long b, long c, long d, long e, long f)                       \
    {                                                                                          \
        int error = failure(#name, __builtin_return_address(0));                               \
                                                                                               \
        if (error >= 0)                                                                        \
            return failed(NOTHING, error);                                                     \
        return gt_libc_##name(a, b, c, d, e, f);                                               \
    }
ALLOCATORS(X)
#undef X
