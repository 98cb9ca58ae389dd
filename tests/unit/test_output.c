/* SPDX-License-Identifier: MIT */
/* Outputs that others plant something at, or do not read; as they are, and on a kernel without
 * openat2 and O_TMPFILE. */
#include "base/fs.h"
#include "base/output.h"

#include "base/nstime.h"
#include "old_kernel.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "require.h"

enum { NOBODY = 65534, PIPE_BYTES = 1 << 20 };

static int make_folder(void **state)
{
    umask(022);
    *state = gt_fs_private_dir(NULL);
    return *state ? chdir(*state) : -1;
}

static int remove_folder(void **state)
{
    int rc = chdir("/") || gt_fs_remove_tree(*state, NULL) ? -1 : 0;

    free(*state);
    return rc;
}

static void make(const char *path, mode_t mode)
{
    assert_int_equal(mkdir(path, mode), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void holds(const char *path, const char *text)
{
    char found[64] = "";
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(read(fd, found, sizeof(found) - 1) >= 0);
    assert_string_equal(found, text);
    close(fd);
}

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = -2; /* "." and ".." */

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void writes(const char *path)
{
    struct gt_output output;
    struct gt_error err = {0};

    if (gt_output_open(&output, path, &err) < 0 ||
        gt_output_write(&output, "new", 3, &err) < 0 || gt_output_commit(&output, &err) < 0)
        fail_msg("%s: %s", path, err.message);
}

static void refuses(const char *path, int code, const char *word)
{
    struct gt_output output;
    struct gt_error err = {0};

    assert_int_equal(gt_output_open(&output, path, &err), code);
    if (!strstr(err.message, word) || !strstr(err.message, path))
        fail_msg("%s: %s", path, err.message);
    gt_output_abandon(&output);
}

static void names_may_be_as_long_as_names_can_be(void **state)
{
    char name[NAME_MAX + 2];

    (void)state;
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    writes(name);
    writes(name); /* over the old one */
    holds(name, "new");
    assert_int_equal(count_entries("."), 1);
    strcpy(name + NAME_MAX, "n");
    refuses(name, GT_ERR_IO, strerror(ENAMETOOLONG));
}

static void a_file_stays_in_the_folder_that_was_opened(void **state)
{
    struct gt_output output;

    (void)state;
    make("one", 0755);
    make("precious", 0755);
    assert_int_equal(gt_output_open(&output, "one/x", NULL), 0);
    assert_int_equal(rename("one", "moved"), 0);
    assert_int_equal(symlink("precious", "one"), 0);
    assert_int_equal(gt_output_write(&output, "new", 3, NULL), 0);
    assert_int_equal(gt_output_commit(&output, NULL), 0);
    assert_int_equal(count_entries("precious"), 0);
    holds("moved/x", "new");
    assert_int_equal(gt_output_open(&output, "moved/y", NULL), 0);
    gt_output_abandon(&output);
    assert_int_equal(count_entries("moved"), 1);
}

static void a_link_is_replaced(void **state)
{
    struct stat st;

    (void)state;
    put("precious", "precious");
    assert_int_equal(symlink("precious", "x"), 0);
    writes("x");
    holds("x", "new");
    holds("precious", "precious");
    assert_int_equal(unlink("x"), 0);
    assert_int_equal(symlink("/dev/full", "x"), 0); /* a write into it would fail */
    writes("x");
    holds("x", "new");
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static int make_fifo(const char *path, uid_t owner)
{
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(lchown(path, owner, owner), 0);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void special_files_are_written_where_they_are_ours(void **state)
{
    char got[8] = "";
    int reader = make_fifo("fifo", geteuid());

    (void)state;
    writes("fifo");
    assert_int_equal(read(reader, got, sizeof(got)), 3);
    close(reader);
    make("open", 0777);
    reader = make_fifo("open/fifo", geteuid());
    writes("open/fifo");
    assert_int_equal(read(reader, got, sizeof(got)), 3);
    close(reader);
    writes("/dev/null");
}

static void special_files_of_others_are_not(void **state)
{
    int fifo, second;

    (void)state;
    require(geteuid() == 0, "root");
    make("open", 01777);
    fifo = make_fifo("open/fifo", NOBODY);
    refuses("open/fifo", GT_ERR_PERMISSION, "a FIFO that another user may have put there");
    make("group", 0775);
    assert_int_equal(chown("group", 0, NOBODY), 0);
    second = make_fifo("group/fifo", NOBODY);
    refuses("group/fifo", GT_ERR_PERMISSION, "a FIFO that another user may have put there");
    assert_true(read(fifo, &(char){0}, 1) <= 0 && read(second, &(char){0}, 1) <= 0);
    close(fifo);
    close(second);
    assert_int_equal(mknod("device", S_IFCHR | 0666, makedev(1, 3)), 0);
    writes("device");
    /* A second name that anybody could have given it. */
    assert_int_equal(link("device", "open/device"), 0);
    refuses("open/device", GT_ERR_PERMISSION, "a device that another user may have put there");
    /* In a folder that only root can write it is root who put it there. */
    assert_int_equal(unlink("open/device"), 0);
    assert_int_equal(lchown("device", NOBODY, NOBODY), 0);
    writes("device");
}

static void what_others_have_in_a_sticky_folder_is_found_early(void **state)
{
    pid_t pid;
    int status;

    require(geteuid() == 0, "root");
    assert_int_equal(chmod(*state, 0755), 0);
    make("sticky", 01777);
    put("sticky/x", "root's");
    pid = fork();
    if (pid == 0) {
        struct gt_output output;
        struct gt_error err;

        if (setgid(NOBODY) || setuid(NOBODY))
            _exit(2);
        if (gt_output_open(&output, "sticky/x", &err) != GT_ERR_PERMISSION)
            _exit(3);
        if (gt_output_open(&output, "sticky/y", &err) || gt_output_commit(&output, &err) ||
            gt_output_open(&output, "sticky/y", &err) || gt_output_commit(&output, &err))
            _exit(4);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    holds("sticky/x", "root's");
}

static void a_socket_is_refused(void **state)
{
    struct sockaddr_un {
        sa_family_t family;
        char path[108];
    } address = {AF_UNIX, "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    refuses("socket", GT_ERR_UNSUPPORTED, "a socket");
    close(fd);
}

/* --- descriptors that were handed to us --- */

static void name_of(int fd, char path[32])
{
    snprintf(path, 32, "/dev/fd/%d", fd);
}

static void a_descriptor_is_written_from_where_it_stands(void **state)
{
    int file = open("file", O_CREAT | O_RDWR, 0600);
    char path[32];

    (void)state;
    assert_int_equal(write(file, "before ", 7), 7);
    name_of(file, path);
    writes(path);
    assert_int_equal(write(file, " after", 6), 6);
    holds("file", "before new after");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    writes(path);
    holds("file", "before new afternew");
    close(file);
    assert_int_equal(count_entries("."), 1);
}

static void a_descriptor_that_is_not_for_us_is_refused(void **state)
{
    int own = open("file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    int read_only = open("file", O_RDONLY);
    char path[32];

    (void)state;
    name_of(own, path);
    refuses(path, GT_ERR_IO, "not open for writing");
    name_of(read_only, path);
    refuses(path, GT_ERR_IO, "not open for writing");
    close(read_only);
    close(own);
    refuses("/dev/fd/12345", GT_ERR_IO, "not open for writing");
}

/* --- readers that are not there, or do not read --- */

static bool asked_often(void *context)
{
    return ++*(int *)context > 3;
}

static void a_fifo_without_reader_is_given_up(void **state)
{
    struct gt_output output;
    struct gt_error err;
    int64_t began_ns = gt_now_ns();

    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(gt_output_open(&output, "fifo", &err), GT_ERR_IO);
    assert_non_null(strstr(err.message, "within 10 s"));
    assert_in_range(gt_now_ns() - began_ns, INT64_C(9900000000), INT64_C(20000000000));
}

static void a_wait_for_a_reader_can_be_ended(void **state)
{
    int asked = 0;
    const struct gt_stop stop = {asked_often, &asked};
    struct gt_output output;
    struct gt_error err;

    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(gt_output_open_until(&output, "fifo", &stop, &err), GT_ERR_CANCELLED);
    assert_int_equal(asked, 4);
    assert_non_null(strstr(err.message, "interrupted"));
}

/* Write more than it takes: ended by `stop`, with what was taken there in order. */
static void stalls(const char *path)
{
    int asked = 0;
    const struct gt_stop stop = {asked_often, &asked};
    char *data = calloc(1, PIPE_BYTES);
    struct gt_output output;
    struct gt_error err = {0};
    int rc = gt_output_open_until(&output, path, &stop, &err);

    assert_int_equal(rc, 0);
    rc = gt_output_write(&output, data, PIPE_BYTES, &err);
    if (rc != GT_ERR_CANCELLED || !strstr(err.message, path))
        fail_msg("%d, %s", rc, err.message);
    gt_output_abandon(&output);
    free(data);
}

static void a_stalled_reader_can_be_left(void **state)
{
    int reader = make_fifo("fifo", geteuid()), pair[2], pipes[2];
    char path[32];

    (void)state;
    stalls("fifo");
    close(reader);
    assert_int_equal(pipe(pipes), 0);
    name_of(pipes[1], path);
    stalls(path);
    assert_false(fcntl(pipes[1], F_GETFL) & O_NONBLOCK); /* it is others', too */
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    name_of(pair[1], path);
    stalls(path);
    assert_false(fcntl(pair[1], F_GETFL) & O_NONBLOCK);
    close(pair[0]);
    close(pair[1]);
}

/* Who may not open the pipe anew must not block in it, either. */
static void a_pipe_of_another_user_can_be_left(void **state)
{
    int pipes[2], status;
    pid_t pid;

    (void)state;
    require(geteuid() == 0, "root");
    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        char path[32];

        name_of(pipes[1], path);
        if (setgid(NOBODY) || setuid(NOBODY))
            _exit(1);
        stalls(path);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pipes[0]);
    close(pipes[1]);
}

/* A reader that is slow gets all of it, and is not waited for by looking all the time. */
static void a_slow_reader_gets_everything(void **state)
{
    char *data = calloc(1, PIPE_BYTES), *got = malloc(PIPE_BYTES);
    struct gt_output output;
    size_t length = 0;
    pid_t pid;

    (void)state;
    for (size_t i = 0; i < PIPE_BYTES; i++)
        data[i] = (char)(i * 31 >> 8);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    pid = fork();
    if (pid == 0) {
        if (gt_output_open(&output, "fifo", NULL) ||
            gt_output_write(&output, data, PIPE_BYTES, NULL) || gt_output_commit(&output, NULL))
            _exit(1);
        _exit(0);
    }
    for (int fifo = open("fifo", O_RDONLY | O_CLOEXEC); length < PIPE_BYTES;) {
        size_t most = PIPE_BYTES - length < 10000 ? PIPE_BYTES - length : 10000;
        ssize_t some = read(fifo, got + length, most);

        assert_true(some > 0);
        length += (size_t)some;
        usleep(100);
    }
    assert_memory_equal(data, got, PIPE_BYTES);
    waitpid(pid, NULL, 0);
    free(data);
    free(got);
}

/* --- an attacker --- */

struct arena {
    volatile unsigned moves;  /* of the attacker */
    volatile unsigned stolen; /* bytes that he read */
    char temporary[4][48];
};

static const char *const targets[] = {"../precious/file", "../precious", "../precious/fifo",
                                      "/dev/full", "../nowhere"};

/* Plant now this, now that, at the names that root writes to; for ever. */
static void attack(struct arena *arena)
{
    unsigned random = 1;
    int fifo = -1;

    for (;; arena->moves++) {
        const char *names[] = {"x.json", "x.json", "below", arena->temporary[random >> 24 & 3]};
        const char *name = names[random >> 20 & 3];
        const char *target = targets[(random >> 16 & 0xff) % 5];

        if (arena->moves % 16 == 0)
            usleep(50); /* or root hardly gets to the folder */
        random = random * 1103515245 + 12345;
        if (fifo >= 0 && read(fifo, &(char){0}, 1) == 1)
            arena->stolen++;
        switch (random >> 28) {
        case 0:
        case 1:
            rename("below", "aside");
            break;
        case 2:
        case 3:
            unlink("below");
            rename("aside", "below");
            break;
        case 4:
            unlink(name);
            mkfifo(name, 0666);
            close(fifo);
            fifo = open(name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
            break;
        case 5:
            mkdir(name, 0777);
            break;
        case 6:
            rmdir(name);
            break;
        case 7:
            link("../precious/fifo", name);
            break;
        case 8: /* in one step, as fast as can be */
            symlink(target, "new");
            rename("new", name);
            break;
        default:
            unlink(name);
            symlink(target, name);
        }
    }
}

static pid_t start_attacker(struct arena *arena)
{
    pid_t parent = getpid(), pid;

    for (int i = 0; i < 4; i++)
        snprintf(arena->temporary[i], sizeof(arena->temporary[i]), "giltracer-%d-%d.tmp",
                 (int)parent, i);
    pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir("open") || setgid(NOBODY) || setuid(NOBODY) || getppid() != parent)
        _exit(1);
    attack(arena);
    _exit(1);
}

/* Root writes there while somebody else plants links, FIFOs and folders. What is written is a
 * report or nothing: never what a link leads to, and nobody reads it but from where it belongs.
 */
static void nothing_of_ours_is_written_through_what_others_plant(void **state)
{
    const int tries = getenv("GT_LONG") ? 100000 : 10000;
    struct arena *arena =
        mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int written = 0, refused = 0, reader;
    struct stat st;
    pid_t pid;

    require(geteuid() == 0, "root");
    assert_int_equal(chmod(*state, 0755), 0);
    make("precious", 0755);
    make("open", 0777);
    make("open/below", 0777);
    put("precious/file", "precious");
    reader = make_fifo("precious/fifo", 0);
    pid = start_attacker(arena);
    for (int i = 0; i < tries; i++) {
        static const char *const paths[] = {"open/x.json", "open/below/x.json"};
        struct gt_output output;

        if (gt_output_open(&output, paths[i & 1], NULL) < 0) {
            refused++;
            continue;
        }
        if (gt_output_write(&output, "r", 1, NULL) == 0)
            written++;
        if (gt_output_commit(&output, NULL) < 0)
            refused++;
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    print_message("%d tries, %u moves: %d written, %d refused\n", tries, arena->moves, written,
                  refused);
    assert_int_equal(arena->stolen, 0);
    assert_true(arena->moves > (unsigned)tries / 10 && written && refused);
    holds("precious/file", "precious");
    assert_int_equal(stat("precious/file", &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(count_entries("precious"), 2);
    assert_true(read(reader, &(char){0}, 1) <= 0);
    assert_int_equal(access("nowhere", F_OK), -1);
    close(reader);
    munmap(arena, sizeof(*arena));
}

static int run_all(const char *name)
{
    static const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)
        TEST(names_may_be_as_long_as_names_can_be),
        TEST(a_file_stays_in_the_folder_that_was_opened),
        TEST(a_link_is_replaced),
        TEST(special_files_are_written_where_they_are_ours),
        TEST(special_files_of_others_are_not),
        TEST(what_others_have_in_a_sticky_folder_is_found_early),
        TEST(a_socket_is_refused),
        TEST(a_descriptor_is_written_from_where_it_stands),
        TEST(a_descriptor_that_is_not_for_us_is_refused),
        TEST(a_wait_for_a_reader_can_be_ended),
        TEST(a_stalled_reader_can_be_left),
        TEST(a_pipe_of_another_user_can_be_left),
        TEST(a_slow_reader_gets_everything),
        TEST(nothing_of_ours_is_written_through_what_others_plant),
#undef TEST
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    static const struct CMUnitTest slow[] = {
        cmocka_unit_test_setup_teardown(a_fifo_without_reader_is_given_up, make_folder,
                                        remove_folder),
    };
    int failed;

    signal(SIGPIPE, SIG_IGN);
    failed = run_all("outputs");
    failed += cmocka_run_group_tests(slow, NULL, NULL);
    if (become_old())
        return 1;
    return failed + run_all("outputs_without_openat2_and_tmpfile");
}
