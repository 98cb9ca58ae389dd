/* SPDX-License-Identifier: MIT */
/* What unharmed.py calls: whether registers, errno and blocking calls are the program's own.
 * Each returns when `seconds` are over, 0 where all was well, else the line of what was not. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The signals of the main thread's timer are for that. */
static void keep_signals_off(void)
{
    sigset_t off;

    sigemptyset(&off);
    sigaddset(&off, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &off, NULL);
}

/* All of it stays in registers, the flags of one step are used by the next. */
static uint64_t mix(uint64_t seed)
{
    uint64_t a = seed, b = seed ^ 0x9e3779b97f4a7c15, c = seed * 3, d = ~seed;
    double x = (double)(seed & 0xffff) + 0.5, y = 1.25, z = 3.5, w = 0.75;

    for (int i = 0; i < 20000; i++) {
        unsigned __int128 sum = (unsigned __int128)a + b;

        a = (uint64_t)sum;
        b += c + (uint64_t)(sum >> 64);
        c = (c << 13 | c >> 51) ^ d;
        d = d * 0xd1342543de82ef95 + (a > b);
        x = x * 0.999 + y;
        y = y * 0.998 + z * 0.001;
        z = z * 0.997 + w;
        w = w * 0.996 + x * 0.0001;
    }
    return a ^ b ^ c ^ d ^ (uint64_t)(x * 1e6) ^ (uint64_t)(y * 1e7) ^ (uint64_t)(z * 1e8) ^
           (uint64_t)(w * 1e9);
}

int unharmed_registers_here(double seconds)
{
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    static uint64_t expected[16];

    for (uint64_t i = 0; i < 16 && !expected[15]; i++)
        expected[i] = mix(i);
    errno = 1234;
    while (now_ns() < end)
        for (uint64_t i = 0; i < 16; i++) {
            if (mix(i) != expected[i])
                return __LINE__;
            if (errno != 1234)
                return __LINE__;
        }
    return 0;
}

int unharmed_registers(double seconds)
{
    keep_signals_off();
    return unharmed_registers_here(seconds);
}

/* Sleeps are as long as they were asked to be, and end without an error. */
int unharmed_sleeps(double seconds)
{
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);

    keep_signals_off();
    errno = 4321;
    while (now_ns() < end) {
        const struct timespec wanted = {0, 20000000};
        int64_t begin = now_ns();

        if (nanosleep(&wanted, NULL))
            return __LINE__;
        if (now_ns() - begin < 20000000)
            return __LINE__;
        if (errno != 4321)
            return __LINE__;
    }
    return 0;
}

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
    (void)number;
    seen++;
}

static void *send_signals(void *data)
{
    pthread_t to = *(pthread_t *)data;

    for (;;) {
        usleep(15000);
        pthread_kill(to, SIGUSR2);
    }
    return NULL;
}

/* pause() returns for each signal, and for nothing else. */
int unharmed_pauses(double seconds)
{
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    const struct sigaction action = {.sa_handler = on_signal};
    static pthread_t self;
    pthread_t sender;

    keep_signals_off();
    self = pthread_self();
    sigaction(SIGUSR2, &action, NULL);
    pthread_create(&sender, NULL, send_signals, &self);
    while (now_ns() < end) {
        sig_atomic_t before = seen;

        if (pause() != -1 || errno != EINTR)
            return __LINE__;
        if (seen == before)
            return __LINE__;
    }
    pthread_cancel(sender);
    pthread_join(sender, NULL);
    return 0;
}

/* A read that nothing comes for does not return. */
int unharmed_read(int fd)
{
    char byte;

    keep_signals_off();
    (void)!read(fd, &byte, 1);
    return __LINE__;
}

/* The kernel itself restarts this one for nobody. */
int unharmed_epoll(void)
{
    struct epoll_event event;

    keep_signals_off();
    (void)!epoll_wait(epoll_create1(0), &event, 1, -1);
    return __LINE__;
}
