/* Shared by the files of this folder only. */
#ifndef GT_AGENTLOG_INTERNAL_H
#define GT_AGENTLOG_INTERNAL_H

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/chunks.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "base/strvec.h"

#include <stdbool.h>

/* The streams before that of the notes hold records with times. */
_Static_assert(GT_WIRE_STREAM_NOTES == GT_WIRE_STREAMS - 1, "notes are the last stream");

/* Ticks to CLOCK_MONOTONIC, by the anchors that the agents left. */
struct gt_agentlog_clock {
    struct gt_wire_anchor *anchors; /* strictly growing in both fields */
    size_t count;
    size_t last;              /* segment of the last conversion: the next one is near it */
    bool monotonic;           /* ticks are nanoseconds already */
    uint64_t least, greatest; /* ticks that an agent of this run can have seen */
};

/* Take the anchors out of a control file; 0, GT_ERR_FORMAT without any, GT_ERR_MEMORY. */
int gt_agentlog_clock_init(struct gt_agentlog_clock *clock,
                           const struct gt_wire_control *control, struct gt_error *err);
void gt_agentlog_clock_release(struct gt_agentlog_clock *clock);
int64_t gt_agentlog_ns(struct gt_agentlog_clock *clock, uint64_t ticks);
/* The other way round. */
uint64_t gt_agentlog_ticks(struct gt_agentlog_clock *clock, int64_t ns);
/* Can it be of this run? Agents note both clocks while they write. */
bool gt_agentlog_is_time(const struct gt_agentlog_clock *clock, uint64_t ticks);

struct gt_agentlog_chunk {
    uint64_t offset; /* of its first record, in the file */
    uint32_t bytes;  /* of records, also unwritten ones */
    uint16_t stream;
    bool gap; /* some of the stream is missing before it */
};

/* One thread's log. */
struct gt_agentlog_thread {
    struct gt_wire_thread header; /* as of GT_WIRE_VERSION */
    uint32_t file;                /* version 3: its name, interned */
    struct gt_agentlog_chunk *chunks;
    size_t chunk_count;
    uint64_t last_ticks; /* of its records; start_ticks when it has none */
    uint32_t process;    /* index */
    uint32_t comm;       /* interned */
    uint64_t usage_us;   /* newest reading, without the wrap */
    uint64_t sleeps;
    uint64_t since_ticks; /* of GT_WIRE_SINCE, for the next record; 0: none */
    uint32_t left;        /* of GT_WIRE_LEFT, likewise */
    uint64_t left_ns;     /* of GT_WIRE_DEADLINE, plus 1, likewise */
    uint64_t cpu_ns;      /* of GT_WIRE_ON_CPU, likewise */
    uint64_t ready_ns;    /* of GT_WIRE_READY, plus 1, likewise */
    bool born;            /* its GT_EVENT_FORK was delivered, or is not to be */
    bool damaged;         /* some of it is missing, or makes no sense */
    bool cut;             /* and nobody knows until when it went on */
};

/* One program run by one process. */
struct gt_agentlog_process {
    int32_t pid;
    uint32_t program;      /* interned */
    uint32_t comm;         /* interned */
    uint32_t exec_of;      /* index of the program before exec, or UINT32_MAX */
    uint32_t first_thread; /* threads are sorted by process, then start */
    uint32_t thread_count;
    uint64_t start_ticks;
    uint64_t end_ticks;           /* its exit, or the last sign of life of any of its threads */
    uint64_t stop_ticks;          /* nothing of it is known from here on; 0: all is */
    uint32_t stop_why;            /* interned */
    bool stop_by_end;             /* and it ended then, as far as known */
    bool exited;                  /* end_ticks is of an exit, or of an exec */
    bool execed;                  /* of the latter */
    bool replaced;                /* by exec */
    bool alive;                   /* it has not ended */
    struct gt_wire_thread origin; /* a header of it, for how it began */
};

/* An event that is not a record, known from headers and notes before streaming begins. */
struct gt_agentlog_mark {
    uint64_t ticks;
    uint32_t rank;     /* enum gt_agentlog_rank: order among equal ticks */
    uint32_t subject;  /* process or thread index */
    uint32_t text;     /* interned */
    int32_t tid;       /* or function id */
    bool by_threading; /* it gave the name */
    bool by_end;       /* stopped, as the process ended */
    uint64_t calls;
};

enum gt_agentlog_rank {
    GT_MARK_PROCESS_START, /* subject: process */
    GT_MARK_THREAD_START,  /* subject: thread */
    GT_MARK_NAME,          /* subject: thread that says so; tid; text; by_threading */
    GT_MARK_UNTRACED,      /* subject: thread that says so; tid: function id; calls */
    GT_MARK_STOPPED,
    GT_MARK_UNSEEN,          /* tid: a process without a log; text: why */
    GT_MARK_PROCESS_STOPPED, /* subject: process; text: why; by_end */
    GT_MARK_THREAD_END,      /* subject: thread; it and what follows come after records */
    GT_MARK_PROCESS_END,     /* subject: process */
};

/* Reads one stream of one thread. All zero but thread and stream before it is opened. */
struct gt_agentlog_cursor {
    uint32_t thread;
    uint32_t stream;
    uint64_t ticks;     /* of the record at hand: the key of the heap */
    uint64_t word;      /* the record at hand, but for its time */
    size_t chunk;       /* index of the one that is read */
    uint64_t offset;    /* in its records: what comes after the buffer */
    uint64_t *words;    /* the buffer; NULL before the first record is wanted, and at the end */
    uint64_t base;      /* calls: high bits of the ticks */
    uint64_t gap_since; /* some of the stream is missing before the record at hand, since then;
                           0: none is */
    uint32_t count;     /* records in the buffer */
    uint32_t position;
    bool absurd; /* the time of the record at hand cannot be: that of the one before stands */
};

struct gt_agentlog {
    int file;          /* of all threads' records; version 3: the one that was read last, … */
    uint32_t file_now; /* … which has this name, of … */
    int folder;        /* … this folder; -1: another version */
    struct gt_agentlog_clock clock;
    struct gt_wire_stop *stops; /* as in the control file */
    uint32_t stop_count;
    const char *anybodys; /* why what is missing may be of any process; NULL: it is not */
    struct gt_agentlog_ends ends;
    struct gt_agentlog_thread *threads;
    size_t thread_count;
    size_t thread_capacity;
    struct gt_agentlog_process *processes;
    size_t process_count;
    struct gt_agentlog_mark *marks; /* sorted before streaming begins */
    size_t mark_count;
    size_t mark_capacity;
    size_t next_mark;
    struct gt_agentlog_cursor *heap; /* the earliest record first */
    size_t heap_count;
    struct gt_chunks functions;    /* of struct gt_function */
    struct gt_hashmap function_of; /* id → position */
    struct gt_intern texts;
    struct gt_strvec warnings;
    struct gt_agentlog_quality quality;
    struct gt_event queue[4]; /* events of one mark, to be delivered */
    unsigned queue_count;
    unsigned queue_next;
};

/* file.c */
/* Read all of it, or false. */
bool gt_agentlog_read_at(int fd, void *data, size_t size, uint64_t offset);
/* The same of a thread's file. */
bool gt_agentlog_read(struct gt_agentlog *log, const struct gt_agentlog_thread *thread,
                      void *data, size_t size, uint64_t offset);
/* Version 3: have log->file be the file of that name; false with errno. */
bool gt_agentlog_turn_to(struct gt_agentlog *log, uint32_t name);
/* A plain file of a folder, whatever stands there by now; -1 with errno. */
int gt_agentlog_open_file(int folder, const char *name);

/* warnings.c */
/* A warning; at most a few dozen are kept. */
void gt_agentlog_warn(struct gt_agentlog *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gt_agentlog_warn_thread(struct gt_agentlog *log, const struct gt_agentlog_thread *thread);

/* thread.c: a thread's log while its parts are found. Zeros are its first state. */
struct gt_agentlog_parts {
    struct gt_agentlog_thread *thread;
    size_t capacity;           /* of thread->chunks */
    size_t missing;            /* chunks */
    bool gap[GT_WIRE_STREAMS]; /* something of the stream is missing here */
    bool headless;             /* the header is but a copy, from earlier */
    bool cut;                  /* the file ends too early */
};

/* Make room for one more thread: all zero, and not the log's yet. */
int gt_agentlog_begin_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                             struct gt_error *err);
/* Can it be one? All but its version. */
bool gt_agentlog_is_header(const struct gt_agentlog *log, const struct gt_wire_thread *header);
/* The next chunk of its stream; the gap before it is known by the parts. */
int gt_agentlog_add_chunk(struct gt_agentlog_parts *parts,
                          const struct gt_agentlog_chunk *chunk, struct gt_error *err);
/* Chunks are missing, and nobody knows of which stream. */
void gt_agentlog_lose(struct gt_agentlog_parts *parts, size_t missing);
/* The header and all chunks are there: the thread is the log's now, and its notes are read. */
int gt_agentlog_end_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                           struct gt_error *err);

/* files.c: all threads: headers, chunks and notes. Of the file's units, `taken` are in use. */
int gt_agentlog_read_threads(struct gt_agentlog *log, uint64_t taken, struct gt_error *err);

/* files_v3.c: version 3. Turn its control file, which was read as one of GT_WIRE_VERSION, into
 * one; log keeps the folder. */
enum { GT_AGENTLOG_VERSION_3 = 3 };
int gt_agentlog_convert_control(struct gt_agentlog *log, struct gt_wire_control *control,
                                int folder, struct gt_error *err);
/* All threads, by the files of log's folder. */
int gt_agentlog_read_folder(struct gt_agentlog *log, struct gt_error *err);

/* cursor.c: find the time of a stream's first record: 1, 0 when there is none, or negative.
 * Keeps no buffer: most streams' time is yet to come. */
int gt_agentlog_cursor_open(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* On to the first, or the next, record: 1, 0 at the end, or negative. */
int gt_agentlog_cursor_next(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* The record at hand makes no sense: to the next chunk, and its first record. As _next. */
int gt_agentlog_cursor_skip(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* Free the buffer; the cursor is at the start again. */
void gt_agentlog_cursor_close(struct gt_agentlog_cursor *cursor);
/* The time of the last record of a stream; 0 when it has none. */
uint64_t gt_agentlog_last_ticks(struct gt_agentlog *log,
                                const struct gt_agentlog_thread *thread, uint32_t stream);

/* notes.c: functions, names and messages of one thread's notes stream. */
int gt_agentlog_read_notes(struct gt_agentlog *log, uint32_t thread, struct gt_error *err);
/* The function of an id; an unnamed one when its note is lost. */
const struct gt_function *gt_agentlog_function(const struct gt_agentlog *log, uint32_t id);

/* lives.c: group threads into processes, mark births and ends; sort the marks. */
int gt_agentlog_find_lives(struct gt_agentlog *log, struct gt_error *err);

int gt_agentlog_mark(struct gt_agentlog *log, const struct gt_agentlog_mark *mark,
                     struct gt_error *err);
/* Restore the order of the heap below `index`. */
void gt_agentlog_sift_down(struct gt_agentlog *log, size_t index);

#endif
