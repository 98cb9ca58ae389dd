/* SPDX-License-Identifier: MIT */
/* Numbers of stub.h for the assembler (stub_x86_64.S); stub.c compares them with the structs.
 */
#ifndef GT_ATTACH_STUB_LAYOUT_H
#define GT_ATTACH_STUB_LAYOUT_H

#define GT_STUB_REGION_BYTES 0x20000
#define GT_STUB_XSAVE        0x6000 /* in the region; its stack grows down to GT_STUB_STACK */
#define GT_STUB_STACK        0xa000
#define GT_STUB_MAGIC        0x42555447 /* "GTUB" */
#define GT_STUB_LINGER_MS    3000       /* for giltracer to read its last state */
#define GT_STUB_HELD_MS      1000       /* … and to decide which of two goes on */
#define GT_STUB_RED_ZONE     128
/* The signals that are blocked in the new thread, as the program's are not its business, and
 * meanwhile in the one that makes it: all but libc's SIGSETXID (33), which setuid() and its
 * like wait for in each thread. */
#define GT_STUB_MASK 0xfffffffeffffffff

/* enum gt_stub_state */
#define GT_STUB_BEGAN_   1
#define GT_STUB_ENTERED_ 2
#define GT_STUB_CALLED_  3
#define GT_STUB_FAILED_  4
#define GT_STUB_DROPPED_ 5

/* struct gt_stub_region, struct gt_stub_call */
#define OFFSET_STATE          4
#define OFFSET_CANCELLED      8
#define OFFSET_LEFT_MS        12
#define OFFSET_REFERENCES     16
#define OFFSET_RESULT         20
#define OFFSET_ERRNO_LOCATION 24
#define OFFSET_PTHREAD_CREATE 32
#define OFFSET_PTHREAD_SELF   40
#define OFFSET_PTHREAD_DETACH 48
#define OFFSET_DLOPEN         56
#define OFFSET_DLSYM          64
#define OFFSET_DLERROR        72
#define OFFSET_ENSURE         80
#define OFFSET_RELEASE        88
#define OFFSET_CREATE         96
#define OFFSET_START          104
#define OFFSET_THREAD         112
#define OFFSET_DLOPEN_MODE    120
#define OFFSET_IN_MEMORY      124
#define OFFSET_HELD           128
#define OFFSET_WITHDRAWN      132
#define OFFSET_CALLS          136
#define GT_STUB_CALL_BYTES    48
#define OFFSET_CALL_SKIP      40
#define OFFSET_PATH           424
#define OFFSET_SYMBOL         4520
#define OFFSET_MESSAGE        4584
#define GT_STUB_MESSAGE_LAST  511
#define OFFSET_SETTINGS       5096

#endif
