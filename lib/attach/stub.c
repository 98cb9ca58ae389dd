/* SPDX-License-Identifier: MIT */
#include "attach/stub.h"

#define AT(member, number)                                                                     \
    _Static_assert(offsetof(struct gt_stub_region, member) == (number), #member)
AT(state, OFFSET_STATE);
AT(cancelled, OFFSET_CANCELLED);
AT(left_ms, OFFSET_LEFT_MS);
AT(references, OFFSET_REFERENCES);
AT(result, OFFSET_RESULT);
AT(errno_location, OFFSET_ERRNO_LOCATION);
AT(pthread_create, OFFSET_PTHREAD_CREATE);
AT(pthread_self, OFFSET_PTHREAD_SELF);
AT(pthread_detach, OFFSET_PTHREAD_DETACH);
AT(dlopen, OFFSET_DLOPEN);
AT(dlsym, OFFSET_DLSYM);
AT(dlerror, OFFSET_DLERROR);
AT(ensure, OFFSET_ENSURE);
AT(release, OFFSET_RELEASE);
AT(create, OFFSET_CREATE);
AT(start, OFFSET_START);
AT(thread, OFFSET_THREAD);
AT(dlopen_mode, OFFSET_DLOPEN_MODE);
AT(in_memory, OFFSET_IN_MEMORY);
AT(held, OFFSET_HELD);
AT(withdrawn, OFFSET_WITHDRAWN);
AT(calls, OFFSET_CALLS);
AT(path, OFFSET_PATH);
AT(symbol, OFFSET_SYMBOL);
AT(message, OFFSET_MESSAGE);
AT(settings, OFFSET_SETTINGS);
_Static_assert(offsetof(struct gt_stub_call, skip) == OFFSET_CALL_SKIP, "skip");
_Static_assert(sizeof(struct gt_stub_call) == GT_STUB_CALL_BYTES, "as the loop there steps");
_Static_assert(sizeof(struct gt_stub_context) == 18 * 8, "as is popped there");
_Static_assert(GT_STUB_MESSAGE == GT_STUB_MESSAGE_LAST + 1, "as is copied there");
_Static_assert(sizeof(struct gt_stub_region) < GT_STUB_XSAVE, "the parts do not overlap");
_Static_assert(GT_STUB_BEGAN == GT_STUB_BEGAN_ && GT_STUB_ENTERED == GT_STUB_ENTERED_ &&
                   GT_STUB_CALLED == GT_STUB_CALLED_ && GT_STUB_FAILED == GT_STUB_FAILED_ &&
                   GT_STUB_DROPPED == GT_STUB_DROPPED_,
               "the states have these numbers there");

#if defined(__x86_64__)

size_t gt_stub_bytes(void)
{
    return (size_t)(gt_stub_end - gt_stub_begin);
}

#else

size_t gt_stub_bytes(void)
{
    return 0;
}

const unsigned char gt_stub_begin[1], gt_stub_end[1];
const unsigned char gt_stub_entry[1], gt_stub_mapped[1], gt_stub_marked[1];
const unsigned char gt_stub_thread[1], gt_stub_pending[1];

#endif
