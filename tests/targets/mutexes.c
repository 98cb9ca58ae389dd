/* SPDX-License-Identifier: MIT */
/* A mutex of C's, for mutexes.py, which calls these with the GIL and without it. */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void take(void);
void give(void);
void keep(unsigned us);

void take(void)
{
    pthread_mutex_lock(&mutex);
}

void give(void)
{
    pthread_mutex_unlock(&mutex);
}

void keep(unsigned us)
{
    take();
    usleep(us);
    give();
}
