/* SPDX-License-Identifier: MIT */
/* Private to agentlog/. Functions return 0, or a negative error, if their comment does not say
 * otherwise. */
#ifndef GT_AGENTLOG_INTERNAL_H
#define GT_AGENTLOG_INTERNAL_H

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/chunks.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "base/strvec.h"

#include <stdbool.h>

/* All streams but that of the notes hold records with times. */
_Static_assert(GT_WIRE_STREAM_NOTES == GT_WIRE_STREAMS - 1, "notes are the last stream");

/* clock.c. Converts ticks to CLOCK_MONOTONIC, by the anchors that the agents wrote. */
struct gt_agentlog_clock {
    struct gt_wire_anchor *anchors; /* both fields grow strictly */
    size_t count;
    size_t last;              /* the segment of the last conversion: the next one is near */
    bool monotonic;           /* ticks are ns of CLOCK_MONOTONIC */
    int64_t shift_ns;         /* what the agents' time namespace adds to that */
    uint64_t least, greatest; /* bounds of the ticks that an agent of this run can have read */
};

/* Take the anchors from a control file. GT_ERR_FORMAT: there are none. */
int gt_agentlog_clock_init(struct gt_agentlog_clock *clock,
                           const struct gt_wire_control *control, struct gt_error *err);
void gt_agentlog_clock_release(struct gt_agentlog_clock *clock);
int64_t gt_agentlog_ns(struct gt_agentlog_clock *clock, uint64_t ticks);
/* The first ticks at or after a time. */
uint64_t gt_agentlog_ticks(struct gt_agentlog_clock *clock, int64_t ns);
/* Can an agent of this run have read these ticks? */
bool gt_agentlog_is_time(const struct gt_agentlog_clock *clock, uint64_t ticks);

struct gt_agentlog_chunk {
    uint64_t offset; /* in the file: of its first record */
    uint32_t bytes;  /* of its records, also of those that were not written */
    uint16_t stream;
    bool gap; /* a part of the stream is missing before it */
};

/* The log of one thread. */
struct gt_agentlog_thread {
    struct gt_wire_thread header; /* in the form of GT_WIRE_VERSION */
    uint32_t file;                /* of version 3: the interned name of its file */
    struct gt_agentlog_chunk *chunks;
    size_t chunk_count;
    uint64_t last_ticks; /* of its last record; start_ticks: it has none */
    uint32_t process;    /* index */
    uint32_t comm;       /* interned */
    uint64_t usage_us;   /* its newest usage, which does not wrap round as in the log */
    uint64_t sleeps;     /* likewise */
    /* What some records say about the next one; 0: nothing. */
    uint64_t since_ticks; /* GT_WIRE_SINCE */
    uint32_t left;        /* GT_WIRE_LEFT */
    uint32_t wait_for;    /* GT_WIRE_PARKED …: enum gt_wait_for */
    int32_t owner;        /* GT_WIRE_OWNER */
    uint32_t lock_type;   /* GT_WIRE_LOCK_TYPE */
    uint64_t parked_for;
    uint64_t left_ns;  /* GT_WIRE_DEADLINE, plus 1 */
    uint64_t cpu_ns;   /* GT_WIRE_ON_CPU */
    uint64_t ready_ns; /* GT_WIRE_READY, plus 1 */
    bool born;         /* its GT_EVENT_FORK was delivered, or will not be */
    bool damaged;      /* some of it is missing, or makes no sense */
    bool cut;          /* its end is missing: it is not known until when it was written */
};

/* A program that a process runs. */
struct gt_agentlog_process {
    int32_t pid;
    uint32_t program;      /* interned */
    uint32_t comm;         /* interned */
    uint32_t exec_of;      /* index of the program before an exec; UINT32_MAX: there is none */
    uint32_t first_thread; /* threads are sorted by process, then by start */
    uint32_t thread_count;
    uint64_t start_ticks;
    uint64_t end_ticks;           /* of its exit or exec, or else of its last record */
    uint64_t stop_ticks;          /* nothing of it is known any more; 0: everything is */
    uint32_t stop_why;            /* interned */
    bool stop_by_end;             /* as far as known, it ended then */
    bool exited;                  /* end_ticks is of an exit or an exec */
    bool execed;                  /* end_ticks is of an exec */
    bool replaced;                /* the program after its exec has a log, too */
    bool alive;                   /* it still runs */
    struct gt_wire_thread origin; /* a header of one of its threads: how it began */
};

/* An event that headers and notes tell of, before the records are read. */
struct gt_agentlog_mark {
    uint64_t ticks;
    uint32_t rank;     /* enum gt_agentlog_rank */
    uint32_t subject;  /* index of a process or a thread */
    uint32_t text;     /* interned */
    int32_t tid;       /* or a pid, or the id of a function */
    bool by_threading; /* threading gave the name */
    bool is_command;   /* the name is the process's command line */
    bool is_role;      /* … what multiprocessing calls it */
    bool by_end;       /* recording stopped as the process ended */
    bool on;           /* there is a GIL */
    uint64_t calls;
};

/* The kinds of marks, in their order at equal times. */
enum gt_agentlog_rank {
    GT_MARK_PROCESS_START, /* subject: process */
    GT_MARK_THREAD_START,  /* subject: thread */
    GT_MARK_NAME,          /* subject: the thread that noted it; tid; text; by_threading */
    GT_MARK_UNTRACED, /* subject: the thread that noted it; tid: id of the function; calls */
    GT_MARK_GIL,      /* subject: the thread that noted it; on; text: the module */
    GT_MARK_ASLEEP,   /* subject: the thread that noted it; tid; calls: of the system; text: the
                         stack as the note has it */
    GT_MARK_STOPPED,
    GT_MARK_UNSEEN,          /* tid: a process without a log; text: why */
    GT_MARK_PROCESS_STOPPED, /* subject: process; text: why; by_end */
    GT_MARK_THREAD_END,      /* subject: thread; this and the next come after records */
    GT_MARK_PROCESS_END,     /* subject: process */
};

/* cursor.c. Reads one stream of one thread. Before it is opened, all but thread and stream is
 * 0. */
struct gt_agentlog_cursor {
    uint32_t thread;
    uint32_t stream;
    uint64_t ticks;     /* of the record at hand: the key of the heap */
    uint64_t word;      /* the rest of the record at hand */
    size_t chunk;       /* index of the chunk that is read */
    uint64_t offset;    /* in its records: of what comes after the buffer */
    uint64_t *words;    /* the buffer; NULL before the first record is wanted, and at the end */
    uint64_t base;      /* of calls: the high bits of the ticks */
    uint64_t conds[2];  /* of the GIL: whose signals a GT_WIRE_RUN holds; 0: not told */
    uint64_t run_ticks; /* of the run's last signal; 0: no run is at hand */
    bool run_second;    /* … was of the second one */
    uint64_t gap_since; /* from then to the record at hand, a part of the stream is missing; 0:
                           no part is */
    uint32_t count;     /* records in the buffer */
    uint32_t position;  /* of the record at hand */
    uint32_t part;      /* of a record of a run: the byte of the signal at hand; 0: its first */
    uint32_t run_shift; /* of the run's short steps */
    bool absurd;        /* its time is not believed: `ticks` is of the record before */
};

enum { GT_AGENTLOG_FRAMES_MAX = 64 };

struct gt_agentlog {
    int file;          /* of the records; of version 3: the file that was read last */
    uint32_t file_now; /* of version 3: its interned name */
    int folder;        /* of version 3: that of the files; -1: another version */
    struct gt_agentlog_clock clock;
    struct gt_clocks clocks;
    struct gt_wire_stop *stops; /* as in the control file */
    uint32_t stop_count;
    const char
        *anybodys; /* something is missing that may be of any process: why; NULL: nothing */
    struct gt_agentlog_ends ends;
    struct gt_agentlog_thread *threads;
    size_t thread_count;
    size_t thread_capacity;
    struct gt_agentlog_process *processes;
    size_t process_count;
    struct gt_agentlog_mark *marks; /* sorted before the first event is delivered */
    size_t mark_count;
    size_t mark_capacity;
    size_t next_mark;
    struct gt_agentlog_cursor *heap; /* the one with the earliest record comes first */
    size_t heap_count;
    struct gt_chunks functions;    /* of struct gt_function */
    struct gt_hashmap function_of; /* id → index */
    struct gt_hashmap type_of;     /* id of a type → its name, interned */
    struct gt_intern texts;
    struct gt_strvec warnings;
    struct gt_agentlog_quality quality;
    struct gt_frame frames[GT_AGENTLOG_FRAMES_MAX]; /* of the event of a sleep */
    struct gt_event queue[4]; /* events of one mark or record that are still to be delivered */
    unsigned queue_count;
    unsigned queue_next;
};

/* file.c. Read `size` bytes, or return false. */
bool gt_agentlog_read_at(int fd, void *data, size_t size, uint64_t offset);
/* The same of the file with a thread's log. */
bool gt_agentlog_read(struct gt_agentlog *log, const struct gt_agentlog_thread *thread,
                      void *data, size_t size, uint64_t offset);
/* Of version 3: open the file of that name as log->file; false with errno. */
bool gt_agentlog_turn_to(struct gt_agentlog *log, uint32_t name);
/* Open a file of a folder if it is a plain file; -1 with errno. */
int gt_agentlog_open_file(int folder, const char *name);

/* warnings.c. Add a warning. Only a few dozen are kept. */
void gt_agentlog_warn(struct gt_agentlog *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gt_agentlog_warn_thread(struct gt_agentlog *log, const struct gt_agentlog_thread *thread);

/* thread.c. The log of a thread while its parts are found; zeros at first. */
struct gt_agentlog_parts {
    struct gt_agentlog_thread *thread;
    size_t capacity;           /* of thread->chunks */
    size_t missing;            /* chunks */
    bool gap[GT_WIRE_STREAMS]; /* a part of the stream is missing before its next chunk */
    bool headless;             /* the header is missing: there is only an earlier copy */
    bool cut;                  /* the file ends too early */
};

/* Begin with another thread, which does not belong to the log yet. */
int gt_agentlog_begin_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                             struct gt_error *err);
/* Is it the header of a thread, of whatever version? */
bool gt_agentlog_is_header(const struct gt_agentlog *log, const struct gt_wire_thread *header);
/* Add the next chunk of its stream; the parts know whether there is a gap before it. */
int gt_agentlog_add_chunk(struct gt_agentlog_parts *parts,
                          const struct gt_agentlog_chunk *chunk, struct gt_error *err);
/* Chunks are missing, of any stream. */
void gt_agentlog_lose(struct gt_agentlog_parts *parts, size_t missing);
/* The thread is complete: add it to the log, and read its notes. */
int gt_agentlog_end_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                           struct gt_error *err);

/* files.c. Can it be the head of a unit? */
bool gt_agentlog_is_chunk(const struct gt_wire_chunk *chunk);
/* Read the headers, chunks and notes of all threads. `taken` units of the file are in
 * use. */
int gt_agentlog_read_threads(struct gt_agentlog *log, uint64_t taken, struct gt_error *err);

/* files_v3.c. Version 3 of the format. Convert its control file, which was read as if it were
 * one of GT_WIRE_VERSION, to one of that version. The log takes the folder over. */
enum { GT_AGENTLOG_VERSION_3 = 3 };
int gt_agentlog_convert_control(struct gt_agentlog *log, struct gt_wire_control *control,
                                int folder, struct gt_error *err);
/* Read all threads from the files of the folder. */
int gt_agentlog_read_folder(struct gt_agentlog *log, struct gt_error *err);

/* cursor.c. Go to the first record, and find its time: 1; 0: there is none; negative: an error.
 * No buffer is kept, since the records of most streams come later. */
int gt_agentlog_cursor_open(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* Go to the next record, or to the first one after opening: as above. */
int gt_agentlog_cursor_next(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* The record at hand makes no sense: go to the first record of the next chunk. As above. */
int gt_agentlog_cursor_skip(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err);
/* Free the buffer, and go back to the beginning. */
void gt_agentlog_cursor_close(struct gt_agentlog_cursor *cursor);
/* The ticks of the last record of a stream; 0: it has none. */
uint64_t gt_agentlog_last_ticks(struct gt_agentlog *log,
                                const struct gt_agentlog_thread *thread, uint32_t stream);

/* notes.c. Read the notes of a thread: functions, names and messages. */
int gt_agentlog_read_notes(struct gt_agentlog *log, uint32_t thread, struct gt_error *err);
/* The function with an id. If its note is lost, it is one that is called so. */
const struct gt_function *gt_agentlog_function(const struct gt_agentlog *log, uint32_t id);

/* The number by which the caller knows the process or thread. */
static inline int32_t gt_agentlog_outer(const struct gt_agentlog *log, int32_t number)
{
    return log->ends.outer ? log->ends.outer(log->ends.context, number) : number;
}

/* lives.c. Group threads into processes, add marks for their beginnings and ends, sort the
 * marks. */
int gt_agentlog_find_lives(struct gt_agentlog *log, struct gt_error *err);

int gt_agentlog_mark(struct gt_agentlog *log, const struct gt_agentlog_mark *mark,
                     struct gt_error *err);
/* agentlog.c. Restore the order of the heap below `index`. */
void gt_agentlog_sift_down(struct gt_agentlog *log, size_t index);

#endif
