/* SPDX-License-Identifier: MIT */
/* What stub.h describes. It is copied, so it refers to nothing but itself. */
#if defined(__x86_64__)

#include "attach/stub_layout.h"

#define SYS_open           2
#define SYS_close          3
#define SYS_mmap           9
#define SYS_munmap         11
#define SYS_rt_sigprocmask 14
#define SYS_nanosleep      35
#define SYS_getpid         39
#define SYS_sendfile       40
#define SYS_memfd_create   319

        .section .rodata
        .globl  gt_stub_begin, gt_stub_end, gt_stub_entry, gt_stub_mapped, gt_stub_marked
        .globl  gt_stub_thread, gt_stub_pending
        .balign 16
gt_stub_begin:

/*
 * The registers of the program are in the context, to which rsp points, so any may be used. A
 * signal's handler may run at any time before the end: its frame is below the context, or what
 * is left of that. Therefore the last instruction takes the pc and the stack pointer at once.
 *
 *     r12  the context     rbx  the region
 *     r15  what the last call returned; the errno of mapping
 */
gt_stub_entry:
        cld
        mov     %rsp, %r12
        mov     $SYS_mmap, %eax
        xor     %edi, %edi
        mov     $GT_STUB_REGION_BYTES, %esi
        mov     $3, %edx                /* readable, writable */
        mov     $0x22, %r10d            /* private, anonymous */
        mov     $-1, %r8
        xor     %r9d, %r9d
        syscall
gt_stub_mapped:                         /* giltracer fills it now */
        mov     %rax, %rbx
        mov     %eax, %r15d
        cmp     $-4096, %rax
        ja      .Lend
        mov     $-1, %r15d
        cmpl    $GT_STUB_MAGIC, (%rbx)
        jne     .Lunmap                 /* it died */
        lea     GT_STUB_REGION_BYTES(%rbx), %rsp
        mov     $-1, %eax
        mov     %eax, %edx
        xsave64 GT_STUB_XSAVE(%rbx)
        call    *OFFSET_ERRNO_LOCATION(%rbx)
        mov     %rax, %r13
        mov     (%rax), %r14d
        lea     OFFSET_CALLS(%rbx), %rbp
.Lcall: mov     (%rbp), %rax
        test    %rax, %rax
        jz      .Lcalled
        mov     8(%rbp), %rdi
        mov     16(%rbp), %rsi
        mov     24(%rbp), %rdx
        mov     32(%rbp), %rcx
        call    *%rax
        mov     %eax, %r15d
        test    %eax, %eax
        jz      .Lnext
        imul    $GT_STUB_CALL_BYTES, OFFSET_CALL_SKIP(%rbp), %rax
        add     %rax, %rbp
.Lnext: add     $GT_STUB_CALL_BYTES, %rbp
        jmp     .Lcall
.Lcalled:
        mov     %r14d, (%r13)
        mov     $-1, %eax
        mov     %eax, %edx
        xrstor64 GT_STUB_XSAVE(%rbx)
        mov     $1, %eax
        test    %r15d, %r15d
        jz      .Ldrop
        mov     $2, %eax                /* it failed: nobody else has the region */
.Ldrop: mov     %r12, %rsp
        lock sub %eax, OFFSET_REFERENCES(%rbx)
        jnz     .Lend
.Lunmap:
        mov     %rbx, %rdi
        mov     $GT_STUB_REGION_BYTES, %esi
        mov     $SYS_munmap, %eax
        syscall
.Lend:  mov     $SYS_getpid, %eax       /* while giltracer lives, it ends all after this */
        syscall
gt_stub_marked:
        mov     $SYS_rt_sigprocmask, %eax
        mov     $2, %edi                /* SIG_SETMASK */
        mov     %rsp, %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        add     $8, %rsp
        popfq
        pop     %rbx
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        pop     %rbp
        pop     %r8
        pop     %r9
        pop     %r10
        pop     %r11
        pop     %r12
        pop     %r13
        pop     %r14
        pop     %r15
        pop     %rax
        ret     $GT_STUB_RED_ZONE

/* A pending call, in the main thread, between two bytecodes. */
gt_stub_pending:
        push    %rbx
        sub     $16, %rsp               /* the mask as it was, and the one of the new thread */
        mov     %rdi, %rbx
        cmpl    $0, OFFSET_CANCELLED(%rbx)
        jne     .Lpending_drop
        mov     OFFSET_CREATE(%rbx), %rax
        test    %rax, %rax
        jz      .Lpending_thread
        call    *%rax
.Lpending_thread:
        mov     $GT_STUB_MASK, %rax     /* which the new thread inherits */
        mov     %rax, 8(%rsp)
        mov     $SYS_rt_sigprocmask, %eax
        mov     $2, %edi                /* SIG_SETMASK */
        lea     8(%rsp), %rsi
        mov     %rsp, %rdx
        mov     $8, %r10d
        syscall
        lea     OFFSET_THREAD(%rbx), %rdi
        xor     %esi, %esi
        mov     OFFSET_START(%rbx), %rdx
        mov     %rbx, %rcx
        call    *OFFSET_PTHREAD_CREATE(%rbx)
        mov     %eax, 8(%rsp)
        mov     $SYS_rt_sigprocmask, %eax
        mov     $2, %edi
        mov     %rsp, %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        mov     8(%rsp), %eax
        test    %eax, %eax
        jz      .Lpending_done
        mov     %eax, OFFSET_RESULT(%rbx)
.Lpending_drop:
        movl    $GT_STUB_DROPPED_, OFFSET_STATE(%rbx)
        lock decl OFFSET_REFERENCES(%rbx)
        jnz     .Lpending_done
        mov     %rbx, %rdi
        mov     $GT_STUB_REGION_BYTES, %esi
        mov     $SYS_munmap, %eax
        syscall
.Lpending_done:
        xor     %eax, %eax
        add     $16, %rsp
        pop     %rbx
        ret

/*
 * The new thread, which nobody joins: r12 what PyGILState_Ensure returned, r13 its last state.
 * Until then r12 is the file of the library in memory, -1 where there is none, and r14 the
 * library's name; first its file.
 */
gt_stub_thread:
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rdi, %rbx
        movl    $GT_STUB_BEGAN_, OFFSET_STATE(%rbx)
        call    *OFFSET_PTHREAD_SELF(%rbx)
        mov     %rax, %rdi
        call    *OFFSET_PTHREAD_DETACH(%rbx)
        mov     $GT_STUB_DROPPED_, %r13d
        cmpl    $0, OFFSET_CANCELLED(%rbx)
        jne     .Ltell
        mov     $GT_STUB_FAILED_, %r13d
        lea     OFFSET_PATH(%rbx), %r14
        mov     $-1, %r12d
        cmpl    $0, OFFSET_IN_MEMORY(%rbx)
        je      .Lload
        mov     $SYS_open, %eax
        mov     %r14, %rdi
        mov     $0x80000, %esi          /* to read, closed on exec */
        xor     %edx, %edx
        syscall
        mov     %eax, %r14d
        test    %eax, %eax
        js      .Ltell
        mov     $SYS_memfd_create, %eax
        lea     .Lname(%rip), %rdi
        mov     $1, %esi                /* closed on exec */
        syscall
        mov     %eax, %r12d
.Lfill: mov     $SYS_sendfile, %eax     /* fails where there is no such file */
        mov     %r12d, %edi
        mov     %r14d, %esi
        xor     %edx, %edx
        mov     $0x1000000, %r10d
        syscall
        test    %rax, %rax
        jg      .Lfill
        mov     %rax, %r15
        mov     $SYS_close, %eax
        mov     %r14d, %edi
        syscall
        lea     OFFSET_PATH+24(%rbx), %r14
        movb    $0, (%r14)
        mov     %r12d, %eax
        mov     $10, %ecx
.Ldigit:
        xor     %edx, %edx
        div     %ecx
        add     $'0', %dl
        dec     %r14
        mov     %dl, (%r14)
        test    %eax, %eax
        jnz     .Ldigit
        sub     $14, %r14
        movabs  $0x65732f636f72702f, %rax /* /proc/self/fd/ */
        mov     %rax, (%r14)
        movl    $0x662f666c, 8(%r14)
        movw    $0x2f64, 12(%r14)
        xor     %eax, %eax
        test    %r15, %r15
        js      .Lloaded
.Lload: mov     %r14, %rdi
        mov     OFFSET_DLOPEN_MODE(%rbx), %esi
        call    *OFFSET_DLOPEN(%rbx)
.Lloaded:
        mov     %rax, %r14
        mov     $SYS_close, %eax
        mov     %r12d, %edi             /* or nothing */
        test    %edi, %edi
        js      .Lclosed
        syscall
.Lclosed:
        test    %r14, %r14
        jz      .Lcomplain
        mov     %r14, %rdi
        lea     OFFSET_SYMBOL(%rbx), %rsi
        call    *OFFSET_DLSYM(%rbx)
        test    %rax, %rax
        jz      .Lcomplain
        mov     %rax, %r12
        mov     $GT_STUB_DROPPED_, %r13d
        mov     $GT_STUB_HELD_MS, %r14d
.Lheld: cmpl    $0, OFFSET_HELD(%rbx)
        je      .Lensure
        cmpl    $0, OFFSET_CANCELLED(%rbx)
        jne     .Ltell
        call    .Lmoment
        dec     %r14d
        jz      .Ltell
        jmp     .Lheld
.Lensure:
        call    *OFFSET_ENSURE(%rbx)
        xchg    %r12, %rax
        movl    $GT_STUB_ENTERED_, OFFSET_STATE(%rbx)
        mfence                          /* who withdraws it reads that after it wrote this */
        mov     OFFSET_CANCELLED(%rbx), %ecx
        or      OFFSET_WITHDRAWN(%rbx), %ecx
        jnz     .Lrelease
        lea     OFFSET_SETTINGS(%rbx), %rdi
        call    *%rax
        mov     %eax, OFFSET_RESULT(%rbx)
        mov     $GT_STUB_CALLED_, %r13d
.Lrelease:
        mov     %r12d, %edi
        call    *OFFSET_RELEASE(%rbx)
        jmp     .Ltell
.Lcomplain:
        mov     OFFSET_DLERROR(%rbx), %rax
        test    %rax, %rax
        jz      .Ltell
        call    *%rax
        test    %rax, %rax
        jz      .Ltell
        xor     %ecx, %ecx
.Lcopy: mov     (%rax,%rcx), %dl
        mov     %dl, OFFSET_MESSAGE(%rbx,%rcx)
        test    %dl, %dl
        jz      .Ltell
        inc     %ecx
        cmp     $GT_STUB_MESSAGE_LAST, %ecx
        jb      .Lcopy
.Ltell: mov     $GT_STUB_LINGER_MS, %r12d
        mov     %r12d, OFFSET_LEFT_MS(%rbx)
        mov     %r13d, OFFSET_STATE(%rbx)
.Llinger:
        cmpl    $0, OFFSET_CANCELLED(%rbx)
        jne     .Lheard
        mov     %r12d, OFFSET_LEFT_MS(%rbx)
        call    .Lmoment
        dec     %r12d
        jnz     .Llinger
.Lheard:
        lock decl OFFSET_REFERENCES(%rbx)
        jnz     .Lover
        mov     %rbx, %rdi
        mov     $GT_STUB_REGION_BYTES, %esi
        mov     $SYS_munmap, %eax
        syscall
.Lover: xor     %eax, %eax
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        ret

/* Sleep for a millisecond. */
.Lmoment:
        sub     $24, %rsp
        movq    $0, (%rsp)
        movq    $1000000, 8(%rsp)
        mov     %rsp, %rdi
        xor     %esi, %esi
        mov     $SYS_nanosleep, %eax
        syscall
        add     $24, %rsp
        ret
.Lname: .asciz  "libgiltracer-agent.so"
        .balign 8
gt_stub_end:

#endif

        .section .note.GNU-stack, "", %progbits
