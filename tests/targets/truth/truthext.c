/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder do natively, and the log of what they really did.
 *
 * The log is a file that is mapped before anything else happens: it outlives setuid, chroot,
 * closed descriptors and SIGKILL, and owes nothing to giltracer. Records:
 *
 *   ASK     a thread wanted the GIL from t0 until it had it at t1 (in-between: take_gil only),
 *           and was ready without a CPU for part of that; with the CPU time, when it began, of
 *           the thread that did an operation last (a clock of the whole life of that thread)
 *   KEEP    an operation from t0 to t1, which kept the GIL or not: `id` says which; with the
 *           thread's CPU time, how long it was ready to run without a CPU, and the clock at t1
 *   WINDOW  a thread did nothing but sleep and ASK from t0 to t1
 *   ENDED   a process came to its end: its CPU time
 *
 * Built against the limited API of 3.6: one object for every CPython from there on.
 */
#define Py_LIMITED_API 0x03060000
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind { ASK = 1, KEEP = 2, WINDOW = 3, ENDED = 4 };
enum { RECORDS_MAX = 1 << 16, LOOPS = 2000 };

struct record {
    uint32_t kind, pid, tid, id;
    int64_t t0_ns, t1_ns, cpu_ns, ready_ns, clock_ns;
};

struct log {
    char magic[8];
    _Atomic uint64_t count; /* given out; kind is written last */
    _Atomic int64_t began_ns, ended_ns;
    char pad[4096 - 32];
    struct record records[RECORDS_MAX];
};

static struct log *log_;
static _Atomic int stopped, keeper_tid;
static volatile double sink;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* How long this thread was ready to run and had no CPU, in its whole life. */
static int64_t ready_ns(void)
{
    char text[96];
    long long ran, ready = 0;
    int file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = '\0';
    return sscanf(text, "%lld %lld", &ran, &ready) == 2 ? ready : -1;
}

/* -1: not known. */
static int64_t since(int64_t before_ns)
{
    int64_t now = ready_ns();

    return now < 0 || before_ns < 0 ? -1 : now - before_ns;
}

static void note(struct record record)
{
    enum kind kind = record.kind;
    uint64_t at;

    if (!log_ || (at = atomic_fetch_add(&log_->count, 1)) >= RECORDS_MAX)
        return;
    record.kind = 0;
    record.pid = (uint32_t)getpid();
    record.tid = (uint32_t)syscall(SYS_gettid);
    log_->records[at] = record;
    atomic_thread_fence(memory_order_release);
    log_->records[at].kind = kind;
}

/* Of a thread that did an operation: the CPU time of its life. The kernel's number for the
 * clock of a thread (include/linux/posix-timers.h). */
static int64_t keeper_clock_ns(void)
{
    struct timespec now;
    int tid = atomic_load(&keeper_tid);

    if (!tid || clock_gettime((clockid_t)((~(unsigned)tid << 3) | 6), &now))
        return -1;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Take the GIL back, and note how that went. */
struct asking {
    int64_t t0_ns, ready_ns, clock_ns;
};

static struct asking ask(void)
{
    struct asking asking = {.ready_ns = ready_ns(), .clock_ns = keeper_clock_ns()};

    asking.t0_ns = now_ns();
    return asking;
}

static void asked(struct asking asking)
{
    int64_t t1_ns = now_ns();

    note((struct record){.kind = ASK,
                         .t0_ns = asking.t0_ns,
                         .t1_ns = t1_ns,
                         .ready_ns = since(asking.ready_ns),
                         .clock_ns = asking.clock_ns});
}

static void burn_ns(int64_t cpu_ns)
{
    int64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns;

    do {
        for (int i = 0; i < LOOPS; i++)
            sink = sink * 0.5 + i;
    } while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until);
}

/* --- for ctypes --- */

void truth_burn(int us)
{
    burn_ns((int64_t)us * 1000);
}

/* --- operations that are bracketed --- */

struct bracket {
    int64_t t0_ns, cpu_ns, ready_ns;
};
static __thread struct bracket open_bracket;

static void bracket_begin(void)
{
    atomic_store(&keeper_tid, (int)syscall(SYS_gettid));
    open_bracket.ready_ns = ready_ns();
    open_bracket.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    open_bracket.t0_ns = now_ns();
}

static void bracket_end(uint32_t id)
{
    int64_t t1_ns = now_ns(), cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    note((struct record){.kind = KEEP,
                         .id = id,
                         .t0_ns = open_bracket.t0_ns,
                         .t1_ns = t1_ns,
                         .cpu_ns = cpu_ns - open_bracket.cpu_ns,
                         .ready_ns = since(open_bracket.ready_ns),
                         .clock_ns = cpu_ns});
}

static PyObject *py_begin(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    bracket_begin();
    Py_RETURN_NONE;
}

static PyObject *py_end(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    bracket_end(1);
    Py_RETURN_NONE;
}

static PyObject *py_burn(PyObject *self, PyObject *us)
{
    long wanted = PyLong_AsLong(us);

    (void)self;
    if (wanted == -1 && PyErr_Occurred())
        return NULL;
    burn_ns((int64_t)wanted * 1000);
    Py_RETURN_NONE;
}

/* The same, as the GIL wants it. */
static PyObject *py_burn_released(PyObject *self, PyObject *us)
{
    long wanted = PyLong_AsLong(us);
    PyThreadState *state;

    (void)self;
    if (wanted == -1 && PyErr_Occurred())
        return NULL;
    state = PyEval_SaveThread();
    burn_ns((int64_t)wanted * 1000);
    PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

/* Operand @ us: one operation of the interpreter, no call. */
static PyObject *operand_matmul(PyObject *left, PyObject *right)
{
    return py_burn(left, right);
}

static PyType_Slot operand_slots[] = {{Py_nb_matrix_multiply, operand_matmul}, {0, NULL}};
static PyType_Spec operand_spec = {"truthext.Operand", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT,
                                   operand_slots};

/* --- a mutex that another native thread has for a while --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int mutex_taken;

static void *mutex_main(void *us)
{
    pthread_mutex_lock(&mutex);
    atomic_store(&mutex_taken, 1);
    usleep((useconds_t)(intptr_t)us);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static PyObject *py_lock_mutex(PyObject *self, PyObject *us)
{
    long wanted = PyLong_AsLong(us);
    pthread_t thread;

    (void)self;
    if (wanted == -1 && PyErr_Occurred())
        return NULL;
    atomic_store(&mutex_taken, 0);
    if (pthread_create(&thread, NULL, mutex_main, (void *)(intptr_t)wanted))
        return PyErr_NoMemory();
    while (!atomic_load(&mutex_taken))
        usleep(100);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    Py_RETURN_NONE;
}

/* Call back with the mutex taken: whoever gives the GIL up in there, and needs the GIL to come
 * back, waits for ever for one who has the GIL and waits for the mutex. */
static PyObject *py_locked_call(PyObject *self, PyObject *function)
{
    PyObject *result;

    (void)self;
    pthread_mutex_lock(&mutex);
    result = PyObject_CallObject(function, NULL);
    pthread_mutex_unlock(&mutex);
    return result;
}

/* --- who asks --- */

/* Sleep, ask, have it for a moment, again and again, in C: whatever waiting this thread does,
 * it knows of. Until stop(). */
static PyObject *py_beat(PyObject *self, PyObject *us)
{
    long period = PyLong_AsLong(us);
    int64_t t0_ns = now_ns();

    (void)self;
    if (period == -1 && PyErr_Occurred())
        return NULL;
    while (!atomic_load(&stopped)) {
        PyThreadState *state = PyEval_SaveThread();
        struct asking asking;

        usleep((useconds_t)period);
        asking = ask();
        PyEval_RestoreThread(state);
        asked(asking);
    }
    note((struct record){.kind = WINDOW, .t0_ns = t0_ns, .t1_ns = now_ns()});
    Py_RETURN_NONE;
}

static PyObject *py_stop(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    atomic_store(&stopped, 1);
    Py_RETURN_NONE;
}

/* --- threads that Python did not start --- */

struct native {
    int number, rounds, burn_us, gap_us;
    PyObject *callback; /* NULL: burns with the GIL instead */
};

static void *native_main(void *argument)
{
    struct native *native = argument;
    char name[16];

    snprintf(name, sizeof(name), "native-%d", native->number);
    pthread_setname_np(pthread_self(), name);
    for (int i = 0; i < native->rounds; i++) {
        PyGILState_STATE state;
        struct asking asking;

        usleep((useconds_t)native->gap_us);
        asking = ask();
        state = PyGILState_Ensure();
        asked(asking);
        if (native->callback) {
            PyObject *result = PyObject_CallFunction(native->callback, "i", i);

            if (!result)
                PyErr_Clear();
            Py_XDECREF(result);
        } else {
            bracket_begin();
            burn_ns((int64_t)native->burn_us * 1000);
            bracket_end(1);
        }
        PyGILState_Release(state);
    }
    return NULL;
}

/* native(threads, rounds, burn_us, gap_us, callback or None) */
static PyObject *py_native(PyObject *self, PyObject *args)
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    struct native natives[THREADS_MAX];
    int count, rounds, burn_us, gap_us, started = 0;
    PyThreadState *state;
    PyObject *callback;

    (void)self;
    if (!PyArg_ParseTuple(args, "iiiiO", &count, &rounds, &burn_us, &gap_us, &callback))
        return NULL;
    state = PyEval_SaveThread();
    for (; started < count && started < THREADS_MAX; started++) {
        natives[started] = (struct native){started, rounds, burn_us, gap_us,
                                           callback == Py_None ? NULL : callback};
        if (pthread_create(&threads[started], NULL, native_main, &natives[started]))
            break;
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

/* --- the log --- */

static PyObject *py_open(PyObject *self, PyObject *args)
{
    const char *path;
    int file;

    (void)self;
    if (!PyArg_ParseTuple(args, "s", &path))
        return NULL;
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || ftruncate(file, sizeof(struct log)))
        return PyErr_SetFromErrno(PyExc_OSError);
    log_ = mmap(NULL, sizeof(struct log), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (log_ == MAP_FAILED) {
        log_ = NULL;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    memcpy(log_->magic, "gttruth1", sizeof(log_->magic));
    Py_RETURN_NONE;
}

static PyObject *py_began(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    if (log_)
        atomic_store(&log_->began_ns, now_ns());
    Py_RETURN_NONE;
}

static PyObject *py_ended(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    note((struct record){
        .kind = ENDED, .t1_ns = now_ns(), .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID)});
    if (log_)
        atomic_store(&log_->ended_ns, now_ns());
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"open", py_open, METH_VARARGS, "Map the log."},
    {"began", py_began, METH_NOARGS, "The program's own work begins."},
    {"ended", py_ended, METH_NOARGS, "It has ended."},
    {"begin", py_begin, METH_NOARGS, "An operation begins."},
    {"end", py_end, METH_NOARGS, "It has ended."},
    {"beat", py_beat, METH_O, "Ask for the GIL every so many us until stop()."},
    {"stop", py_stop, METH_NOARGS, "No more beats."},
    {"burn", py_burn, METH_O, "Compute for so many us of CPU time with the GIL held."},
    {"burn_released", py_burn_released, METH_O, "The same without the GIL."},
    {"lock_mutex", py_lock_mutex, METH_O, "Sleep for so many us on a mutex with the GIL held."},
    {"locked_call", py_locked_call, METH_O, "Call with the mutex taken."},
    {"native", py_native, METH_VARARGS, "Threads that Python did not start."},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "truthext", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_truthext(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *type = module ? PyType_FromSpec(&operand_spec) : NULL;

    if (!type || PyModule_AddObject(module, "Operand", type)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
