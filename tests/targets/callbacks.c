/* SPDX-License-Identifier: MIT */
/*
 * Native threads that call Python back, each of them again and again. Built by the test as a
 * shared object, for callbacks.py: `cc -shared -fPIC callbacks.c -o callbacks.so -lpthread`.
 *
 * The callback is one of ctypes: it takes the GIL by PyGILState_Ensure, and so makes a new
 * thread state each time, unless the thread has one. The interpreter's functions are declared
 * here, as no header of it fits every version.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>

extern int PyGILState_Ensure(void);
extern void PyGILState_Release(int);
extern void *PyEval_SaveThread(void);
extern void PyEval_RestoreThread(void *);
extern void *PyInterpreterState_Head(void);
extern void *PyThreadState_New(void *);
extern void *PyThreadState_Swap(void *);
extern void PyThreadState_Clear(void *);
extern void PyThreadState_Delete(void *);
extern void PyEval_AcquireThread(void *);
extern void PyEval_ReleaseThread(void *);

enum way {
    FRESH,    /* the callback makes a thread state, and deletes it */
    NESTED,   /* within a PyGILState_Ensure of the thread's own */
    DETACHED, /* within one that gave the GIL up meanwhile */
    OWN,      /* a thread state made, cleared, and deleted later by hand */
    SWAPPED,  /* a second thread state is the current one for a while */
};

static void (*call)(int);
static int calls;
static enum way way;

static void swapped(int i)
{
    int state = PyGILState_Ensure();
    void *other = PyThreadState_New(PyInterpreterState_Head());
    void *first = PyThreadState_Swap(other);

    PyEval_RestoreThread(PyEval_SaveThread());
    PyThreadState_Swap(first);
    PyThreadState_Clear(other);
    PyThreadState_Delete(other);
    call(i);
    PyGILState_Release(state);
}

static void own(int i)
{
    void *state = PyThreadState_New(PyInterpreterState_Head());

    PyEval_AcquireThread(state);
    call(i);
    PyThreadState_Clear(state);
    PyEval_ReleaseThread(state);
    PyThreadState_Delete(state);
}

static void call_once(int i)
{
    int state;
    void *saved;

    switch (way) {
    case FRESH:
        call(i);
        break;
    case NESTED:
        state = PyGILState_Ensure();
        call(i);
        PyGILState_Release(state);
        break;
    case DETACHED:
        state = PyGILState_Ensure();
        saved = PyEval_SaveThread();
        call(i);
        PyEval_RestoreThread(saved);
        PyGILState_Release(state);
        break;
    case OWN:
        own(i);
        break;
    case SWAPPED:
        swapped(i);
        break;
    }
}

static void *work(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "native-worker");
    for (int i = 0; i < calls; i++)
        call_once(i);
    return NULL;
}

/* Called by ctypes, without the GIL. */
int run(void (*callback)(int), int threads, int each, int how)
{
    pthread_t all[256];

    call = callback;
    calls = each;
    way = (enum way)how;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, work, NULL))
            return -1;
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
    return threads * each;
}
