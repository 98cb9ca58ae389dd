/* SPDX-License-Identifier: MIT */
/* Where probes go and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/elf.h"
#include "launch/insn.h"
#include "launch/interp.h"
#include "launch/probe_sites.h"
#include "launch/probes.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHEAPEST(...)                                                                          \
    gt_insn_cheapest(EM_X86_64, (const uint8_t[]){__VA_ARGS__},                                \
                     sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_cheap_entries_stay(void **state)
{
    (void)state;
    assert_int_equal(CHEAPEST(0x55, 0x48, 0x89, 0xe5), 0); /* push %rbp */
    assert_int_equal(CHEAPEST(0x41, 0x57, 0x41, 0x56), 0); /* push %r15 */
    assert_int_equal(CHEAPEST(0x90, 0x55), 0);             /* nop */
}

static void test_harmless_instructions_are_passed(void **state)
{
    (void)state;
    assert_int_equal(CHEAPEST(0xf3, 0x0f, 0x1e, 0xfa, 0x55), 4); /* endbr64; push */
    assert_int_equal(CHEAPEST(0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x54), 4);
    assert_int_equal(CHEAPEST(0x48, 0x83, 0xec, 0x28, 0x55), 4); /* sub $0x28,%rsp; push */
    assert_int_equal(CHEAPEST(0x48, 0x81, 0xec, 0x98, 0, 0, 0, 0x53), 7);
    assert_int_equal(CHEAPEST(0x49, 0x89, 0xfc, 0x55), 3); /* mov %rdi,%r12; push */
    assert_int_equal(CHEAPEST(0x89, 0xf0, 0x55), 2);       /* mov %esi,%eax */
    assert_int_equal(CHEAPEST(0x31, 0xc0, 0x55), 2);       /* xor %eax,%eax */
    assert_int_equal(CHEAPEST(0x49, 0x89, 0xff, 0x55), 3); /* mov %rdi,%r15: not %rdi */
    assert_int_equal(CHEAPEST(0x4c, 0x8b, 0xff, 0x55), 3); /* the same, other form */
}

static void test_the_argument_survives(void **state)
{
    (void)state;
    assert_int_equal(CHEAPEST(0x48, 0x89, 0xf7, 0x55), 0);       /* mov %rsi,%rdi */
    assert_int_equal(CHEAPEST(0x48, 0x8b, 0xfe, 0x55), 0);       /* the same, other form */
    assert_int_equal(CHEAPEST(0x31, 0xff, 0x55), 0);             /* xor %edi,%edi */
    assert_int_equal(CHEAPEST(0x48, 0x83, 0xef, 0x08, 0x55), 0); /* sub $8,%rdi */
}

static void test_unknown_bytes_stop(void **state)
{
    (void)state;
    assert_int_equal(CHEAPEST(0x8b, 0x07, 0x55), 0); /* reads memory */
    assert_int_equal(CHEAPEST(0x89, 0x07, 0x55), 0); /* writes memory */
    assert_int_equal(CHEAPEST(0xeb, 0x05, 0x55), 0); /* jmp */
    assert_int_equal(CHEAPEST(0xf3, 0x0f, 0x1e), 0); /* cut short */
    assert_int_equal(CHEAPEST(0x48), 0);
    assert_int_equal(CHEAPEST(0x48, 0x81, 0xec, 0x98), 0);
    assert_int_equal(gt_insn_cheapest(EM_X86_64, NULL, 0), 0);
    assert_int_equal(gt_insn_cheapest(EM_AARCH64, (const uint8_t[]){0x90, 0x90}, 2), 0);
}

static void test_window_ends(void **state)
{
    uint8_t code[32];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(code); i += 2) {
        code[i] = 0x31; /* xor %eax,%eax, again and again */
        code[i + 1] = 0xc0;
    }
    code[20] = 0x55;
    assert_int_equal(gt_insn_cheapest(EM_X86_64, code, sizeof(code)), 0);
    code[14] = 0x55;
    assert_int_equal(gt_insn_cheapest(EM_X86_64, code, sizeof(code)), 14);
}

static void test_clones(void **state)
{
    (void)state;
    assert_true(gt_probes_is_clone("take_gil", "take_gil"));
    assert_true(gt_probes_is_clone("take_gil.constprop.0", "take_gil"));
    assert_true(gt_probes_is_clone("take_gil.lto_priv.12", "take_gil"));
    assert_true(gt_probes_is_clone("take_gil.isra.0.part.1", "take_gil"));
    assert_false(gt_probes_is_clone("take_gil.cold", "take_gil"));
    assert_false(gt_probes_is_clone("take_gil.constprop.0.cold", "take_gil"));
    assert_false(gt_probes_is_clone("take_gil_fast", "take_gil"));
    assert_false(gt_probes_is_clone("_take_gil", "take_gil"));
}

static void test_definitions(void **state)
{
    struct gt_probe_set set = {.group = "g"};
    struct gt_probe enter = {.event = "signal", .offset = 0x87e20, .argument = "cond=%di:x64"};
    struct gt_probe leave = {.event = "take_gil_1", .offset = 16, .on_return = true};
    struct gt_buf text;

    (void)state;
    gt_buf_init(&text);
    assert_int_equal(gt_probe_definition(&set, &enter, &text), 0);
    assert_string_equal(text.data, "g:signal=0x87e20 cond=%di:x64");
    gt_buf_reset(&text);
    assert_int_equal(gt_probe_definition(&set, &leave, &text), 0);
    assert_string_equal(text.data, "g:take_gil_1=0x10%return");
    gt_buf_release(&text);
}

/* This test program's own libc is as good as any, or its libpthread before glibc 2.34. */
static void own_libc(char *path, size_t size)
{
    Dl_info info;

    assert_int_not_equal(dladdr((void *)pthread_cond_signal, &info), 0);
    assert_non_null(strstr(info.dli_fname, ".so"));
    snprintf(path, size, "%s", info.dli_fname);
}

static void test_plans_libc(void **state)
{
    struct gt_probe_set set;
    struct gt_error err;
    char path[512];

    (void)state;
    own_libc(path, sizeof(path));
    gt_probe_set_init(&set);
    assert_int_equal(gt_probes_plan_libc(&set, path, &err), 0);
    assert_int_equal(set.count, 2);
    assert_string_equal(set.probes[0].event, "signal");
    assert_string_equal(set.probes[1].event, "wait");
    assert_true(set.probes[0].offset != set.probes[1].offset && set.probes[0].offset > 0);
    gt_probe_set_release(&set);
}

static size_t futex_calls(uint16_t machine, const uint8_t *code, size_t length, uint64_t *at)
{
    return gt_insn_futex_calls(machine, code, length, at, 2);
}

static void test_futex_calls(void **state)
{
    static const uint8_t x86[] = {
        0x90, 0x89, 0xde,                               /* mov %ebx,%esi */
        0xb8, 0xca, 0,    0,    0,    0x0f, 0x05,       /* mov $202,%eax; syscall */
        0x48, 0x3d, 0,    0xf0, 0xff, 0xff,             /* cmp $-4096,%rax */
        0x89, 0xe8, 0x0f, 0x05, 0x48, 0x3d, 0,    0xf0, /* mov %ebp,%eax; syscall: a wait's */
        0xff, 0xff, 0xb8, 0xca, 0,    0,    0,    0x0f, /* and another one */
        0x05, 0x48, 0x3d, 0,    0xf0, 0xff, 0xff,
    };
    static const uint8_t aarch64[] = {
        0x48, 0x0c, 0x80, 0xd2, 0x1f, 0x20, 0x03, 0xd5, /* mov x8, #98; nop */
        0x48, 0x0c, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, /* mov x8, #98; svc #0 */
    };
    uint64_t at[2] = {0, 0};

    (void)state;
    assert_int_equal(futex_calls(EM_X86_64, x86, sizeof(x86), at), 2);
    assert_true(at[0] == 3 && at[1] == 26);
    assert_int_equal(futex_calls(EM_X86_64, x86, sizeof(x86) - 1, at), 1);
    assert_int_equal(futex_calls(EM_X86_64, x86, 12, at), 0);
    assert_int_equal(futex_calls(EM_AARCH64, aarch64, sizeof(aarch64), at), 1);
    assert_true(at[0] == 8);
    assert_int_equal(futex_calls(EM_AARCH64, x86, sizeof(x86), at), 0);
    assert_int_equal(futex_calls(EM_RISCV, x86, sizeof(x86), at), 0);
}

static void test_plans_contended(void **state)
{
    struct gt_probe_set set;
    struct gt_error err;
    char path[512];

    (void)state;
    own_libc(path, sizeof(path));
    gt_probe_set_init(&set);
    assert_int_equal(gt_probes_plan_contended(&set, path, &err), 0);
    assert_true(set.count >= 4);
    assert_string_equal(set.probes[0].event, "contended_wake");
    assert_non_null(strstr(set.probes[0].argument, "op="));
    assert_string_equal(set.probes[set.count - 3].event, "contended_wait");
    assert_string_equal(set.probes[set.count - 2].event, "contended_wait");
    assert_false(set.probes[set.count - 3].on_return);
    assert_true(set.probes[set.count - 2].on_return);
    assert_string_equal(set.probes[set.count - 1].event, "contended_block");
    gt_probes_forget(&set);
    assert_int_equal(set.count, 0);
    /* A file without such functions. */
    assert_true(gt_probes_plan_contended(&set, "/proc/self/exe", &err) < 0);
    gt_probe_set_release(&set);
}

static void test_jumps_out(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x07,             /* mov (%rdi),%rax */
        0xe9, 0x02, 0,    0,    0,    /* jmp within the function: not out */
        0x31, 0xc0, 0xc3,             /* xor %eax,%eax; ret */
        0xe9, 0xf0, 0xff, 0xff, 0xff, /* jmp to its beginning */
        0xe9, 0xe0, 0xfe, 0xff, 0xff, /* jmp to 0x1000 + 21 - 0x120 */
        0xe9, 0x00, 0x01, 0,          /* cut */
    };
    uint64_t targets[2] = {0, 0};

    (void)state;
    assert_int_equal(gt_insn_jumps_out(EM_X86_64, code, sizeof(code), 0x1000, targets, 2), 1);
    assert_int_equal(targets[0], 0x1000 + 21 - 0x120);
    assert_int_equal(gt_insn_jumps_out(EM_AARCH64, code, sizeof(code), 0x1000, targets, 2), 0);
    assert_int_equal(gt_insn_jumps_out(EM_X86_64, code, sizeof(code), 0x1000, targets, 0), 1);
}

static void test_slow_waits(void **state)
{
    static const uint8_t slow[] = {
        0x41, 0x54, 0x55, /* push %r12; push %rbp */
        0x48, 0xbd, 0,    0,    0,    0,
        1,    0,    0,    0,    0x53, /* movabs $1<<32,%rbp; push */
        0x48, 0x89, 0xfb, 0xf0, 0x48, 0x0f,
        0xc1, 0x2f, 0x90, 0x90, /* mov; lock xadd %rbp,(%rdi) */
    };
    uint8_t other[sizeof(slow)];

    (void)state;
    assert_true(gt_insn_is_slow_wait(EM_X86_64, slow, sizeof(slow)));
    assert_false(gt_insn_is_slow_wait(EM_X86_64, slow, sizeof(slow) - 6));
    assert_false(gt_insn_is_slow_wait(EM_X86_64, slow + 3, sizeof(slow) - 3));
    assert_false(gt_insn_is_slow_wait(EM_X86_64, slow, 0));
    assert_false(gt_insn_is_slow_wait(EM_AARCH64, slow, sizeof(slow)));
    for (size_t i = 3; i < 13; i++) { /* another constant, or no movabs */
        memcpy(other, slow, sizeof(slow));
        other[i] ^= 0x81;
        assert_false(gt_insn_is_slow_wait(EM_X86_64, other, sizeof(other)));
    }
    assert_int_equal(gt_insn_behind_test(EM_X86_64, (uint8_t[]){0x85, 0xd2, 0x78, 0x1c}, 4), 2);
    assert_int_equal(gt_insn_behind_test(EM_X86_64, (uint8_t[]){0x85, 0xd2, 0x79, 0x1c}, 4), 0);
    assert_int_equal(gt_insn_behind_test(EM_X86_64, (uint8_t[]){0x85, 0xd2}, 2), 0);
}

static size_t count_probes(const struct gt_probe_set *set, const char *event)
{
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++)
        count += strncmp(set->probes[i].event, event, strlen(event)) == 0;
    return count;
}

static const char *waits_fetch(int minor, bool free_threaded, size_t *made)
{
    struct gt_interp interp;
    struct gt_probe_set set;
    struct gt_error err;
    static char path[512];
    const char *argument = NULL;

    own_libc(path, sizeof(path));
    gt_interp_init(&interp);
    gt_probe_set_init(&set);
    interp.libc = path;
    interp.major = minor ? 3 : 0;
    interp.minor = minor;
    interp.free_threaded = free_threaded;
    assert_int_equal(gt_probes_plan_locks(&set, &interp, &err), 0);
    *made = count_probes(&set, "semaphore_made");
    assert_true(count_probes(&set, "semaphore_give") >= 1);
    assert_int_equal(count_probes(&set, "semaphore_wait"), 6);
    for (size_t i = 0; i < set.count; i++)
        if (strcmp(set.probes[i].event, "semaphore_wait") == 0 && !set.probes[i].on_return)
            argument = set.probes[i].argument;
    gt_probe_set_release(&set);
    assert_non_null(argument);
    return argument;
}

/* The kernel takes 63 characters of each argument (MAX_ARGSTR_LEN), and 128 of them. */
static void check_arguments(const char *text)
{
    size_t count = 0;

    for (; *text; text += strspn(text, " "), count++) {
        const char *equals = strchr(text, '=');
        size_t length = strcspn(text, " ");

        assert_true(equals && (size_t)(equals - text) < length && length < 63);
        text += length;
    }
    assert_true(count >= 8 && count < 64);
}

static void test_plans_locks(void **state)
{
    static const struct {
        int minor;
        bool free_threaded, object, whole, stack, made;
    } pythons[] = {
        {0, false, false, false, true, true},   {8, false, false, false, true, true},
        {13, false, false, false, false, true}, {13, true, true, false, false, true},
        {14, false, false, true, false, false}, {15, true, true, true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pythons) / sizeof(pythons[0]); i++) {
        size_t made;
        const char *argument = waits_fetch(pythons[i].minor, pythons[i].free_threaded, &made);

        check_arguments(argument);
        assert_int_equal(strstr(argument, " oname0=") != NULL, pythons[i].object);
        assert_int_equal(strstr(argument, " wname0=") != NULL, pythons[i].whole);
        assert_int_equal(strstr(argument, " s23=") != NULL, pythons[i].stack);
        assert_int_equal(made, pythons[i].made);
    }
}

static void test_no_functions_in_libc(void **state)
{
    struct gt_interp interp;
    struct gt_probe_set set;
    struct gt_error err;
    char path[512];

    (void)state;
    own_libc(path, sizeof(path));
    gt_interp_init(&interp);
    gt_probe_set_init(&set);
    interp.executable = path;
    assert_int_equal(gt_probes_plan_functions(&set, &interp, &err), GT_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "take_gil"));
    gt_probe_set_release(&set);
}

static int count_function(void *context, const struct gt_elf_symbol *symbol)
{
    size_t *count = context;

    *count += strlen(symbol->name) > 0;
    return 0;
}

/* Walk whatever opens; how many functions there are. Of a file that is damaged, only crashes
 * and reads out of bounds (sanitizers) can fail here. */
static size_t walk(const char *path)
{
    char loader[64];
    struct gt_elf_symbol symbol;
    struct gt_elf elf;
    size_t count = 0;

    if (gt_elf_open(&elf, path, NULL) < 0)
        return 0;
    gt_elf_each_function(&elf, count_function, &count, NULL);
    gt_elf_find_function(&elf, "pthread_cond_signal", &symbol, NULL);
    gt_elf_interpreter(&elf, loader, sizeof(loader), NULL);
    gt_elf_close(&elf);
    return count;
}

static void write_file(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "wbe");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    fclose(file);
}

static void test_hostile_elf(void **state)
{
    enum { MAX_BYTES = 64 << 20 };
    char path[] = "/tmp/gt-test-elf-XXXXXX";
    int fd = mkstemp(path);
    unsigned char *data = malloc(MAX_BYTES);
    FILE *self = fopen("/proc/self/exe", "rbe");
    size_t length;

    (void)state;
    assert_true(fd >= 0 && data && self);
    length = fread(data, 1, MAX_BYTES, self);
    assert_true(feof(self)); /* all of it: the tables are at the end */
    fclose(self);
    write_file(path, data, length);
    assert_true(walk(path) > 0); /* whole, it leads to all that is walked */
    for (size_t cut = 0; cut < 4096; cut += 61) {
        write_file(path, data, cut);
        walk(path);
    }
    srand(7);
    for (int round = 0; round < 200; round++) {
        unsigned char saved[8];
        size_t at[8];

        for (int i = 0; i < 8; i++) { /* headers and the tables at the end */
            at[i] = i < 4 ? (size_t)rand() % 1024 : length - 1 - (size_t)rand() % 2048;
            saved[i] = data[at[i]];
            data[at[i]] = (unsigned char)rand();
        }
        data[0] = 0x7f;
        write_file(path, data, length);
        walk(path);
        for (int i = 7; i >= 0; i--)
            data[at[i]] = saved[i];
    }
    close(fd);
    unlink(path);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cheap_entries_stay),
        cmocka_unit_test(test_harmless_instructions_are_passed),
        cmocka_unit_test(test_the_argument_survives),
        cmocka_unit_test(test_unknown_bytes_stop),
        cmocka_unit_test(test_window_ends),
        cmocka_unit_test(test_clones),
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_plans_libc),
        cmocka_unit_test(test_futex_calls),
        cmocka_unit_test(test_plans_contended),
        cmocka_unit_test(test_jumps_out),
        cmocka_unit_test(test_slow_waits),
        cmocka_unit_test(test_plans_locks),
        cmocka_unit_test(test_no_functions_in_libc),
        cmocka_unit_test(test_hostile_elf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
