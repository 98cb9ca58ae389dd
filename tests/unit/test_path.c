/* SPDX-License-Identifier: MIT */
/* Paths that others try to lead elsewhere: with openat2, and as on a kernel without it. */
#include "base/path.h"

#include "base/fs.h"
#include "old_kernel.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "require.h"

enum { NOBODY = 65534 };

/* Each test works in a folder of its own. */
static int make_folder(void **state)
{
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

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static void leads_to(const char *path, const char *folder, const char *name)
{
    struct gt_error err = {0};
    struct stat found, wanted;
    const char *last;
    int fd = gt_path_open_parent(path, &last, &err);

    if (fd < 0)
        fail_msg("%s: %s", path, err.message);
    assert_string_equal(last, name);
    assert_int_equal(fstat(fd, &found), 0);
    assert_int_equal(stat(folder, &wanted), 0);
    assert_true(found.st_ino == wanted.st_ino && found.st_dev == wanted.st_dev);
    close(fd);
}

static void fails(const char *path, int code, const char *word)
{
    struct gt_error err = {0};
    const char *name;

    assert_int_equal(gt_path_open_parent(path, &name, &err), code);
    if (!strstr(err.message, word))
        fail_msg("%s: %s", path, err.message);
}

static void paths_lead_where_they_say(void **state)
{
    char path[PATH_MAX], deep[300];

    make("one", 0755);
    make("one/two", 0755);
    assert_int_equal(symlink("one", "link"), 0);
    assert_int_equal(symlink("../link/two", "one/up"), 0);
    snprintf(path, sizeof(path), "%s/one/two", (char *)*state);
    assert_int_equal(symlink(path, "absolute"), 0);
    leads_to("x", ".", "x");
    leads_to("./x", ".", "x");
    leads_to("/x", "/", "x");
    leads_to("one//two///x", "one/two", "x");
    leads_to("one/two/../x", "one", "x");
    leads_to("link/x", "one", "x");
    leads_to("link/../x", ".", "x");
    leads_to("one/up/x", "one/two", "x");
    leads_to("absolute/x", "one/two", "x");
    leads_to("absolute/../two/x", "one/two", "x");
    strcat(path, "/x");
    leads_to(path, "one/two", "x");
    memset(deep, 'n', NAME_MAX);
    deep[NAME_MAX] = '\0';
    leads_to(deep, ".", deep);
    strcpy(deep + NAME_MAX, "n/x");
    fails(deep, GT_ERR_IO, strerror(ENAMETOOLONG));
}

static void what_is_wrong_is_said_of_which_part(void **state)
{
    (void)state;
    touch("file");
    make("one", 0755);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    fails("one/missing/two/x", GT_ERR_NOT_FOUND, "one/missing:");
    fails("dangling/x", GT_ERR_NOT_FOUND, "nowhere:");
    fails("file/x", GT_ERR_IO, strerror(ENOTDIR));
    fails("loop/x", GT_ERR_IO, strerror(ELOOP));
    fails("one/", GT_ERR_IO, strerror(EISDIR));
    fails("one/..", GT_ERR_IO, strerror(EISDIR));
    fails(".", GT_ERR_IO, strerror(EISDIR));
    fails("", GT_ERR_NOT_FOUND, strerror(ENOENT));
}

static void links_of_others_are_refused(void **state)
{
    (void)state;
    require(geteuid() == 0, "root");
    make("ours", 0755);
    make("open", 01777);
    make("of-a-group", 0775);
    make("of-another", 0755);
    assert_int_equal(chown("of-a-group", 0, NOBODY), 0);
    assert_int_equal(symlink("ours", "theirs"), 0);
    assert_int_equal(lchown("theirs", NOBODY, NOBODY), 0);
    fails("theirs/x", GT_ERR_PERMISSION, "theirs");
    assert_int_equal(symlink("../ours", "open/link"), 0);
    fails("open/link/x", GT_ERR_PERMISSION, "open/link");
    assert_int_equal(symlink("../ours", "of-a-group/link"), 0);
    fails("of-a-group/link/x", GT_ERR_PERMISSION, "of-a-group/link");
    assert_int_equal(symlink("../ours", "of-another/link"), 0);
    assert_int_equal(chown("of-another", NOBODY, NOBODY), 0);
    fails("of-another/link/x", GT_ERR_PERMISSION, "of-another/link");
    /* Also where a link that may be followed leads to it. */
    assert_int_equal(symlink("of-another/link", "indirect"), 0);
    fails("indirect/x", GT_ERR_PERMISSION, "of-another/link");
    leads_to("open/x", "open", "x");
    leads_to("of-another/x", "of-another", "x");
}

/* As acl(5) and the kernel's posix_acl_xattr.h have it: user::rwx, user:65534:rwx, group::r-x,
 * mask::rwx, other::r-x. */
static void add_acl(const char *path)
{
    static const unsigned char acl[] = {2,   0,   0,   0,   1,   0,   7,   0,   255, 255, 255,
                                        255, 2,   0,   7,   0,   254, 255, 0,   0,   4,   0,
                                        5,   0,   255, 255, 255, 255, 16,  0,   7,   0,   255,
                                        255, 255, 255, 32,  0,   5,   0,   255, 255, 255, 255};

    require(setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) == 0,
            "a file system with access control lists");
}

static bool others_can_write(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool can = gt_path_others_can_write(fd);

    assert_true(fd >= 0);
    close(fd);
    return can;
}

static void who_can_write_a_folder(void **state)
{
    (void)state;
    require(geteuid() == 0, "root");
    make("private", 0700);
    make("readable", 0755);
    make("of-our-group", 0775);
    make("of-a-group", 0775);
    make("with-list", 0755);
    make("open", 0777);
    make("sticky", 01777);
    make("of-another", 0700);
    assert_int_equal(chown("of-a-group", 0, 1), 0);
    assert_int_equal(chown("of-another", NOBODY, 0), 0);
    assert_false(others_can_write("private"));
    assert_false(others_can_write("readable"));
    assert_false(others_can_write("of-our-group"));
    assert_true(others_can_write("of-a-group"));
    assert_true(others_can_write("open"));
    assert_true(others_can_write("sticky"));
    assert_true(others_can_write("of-another"));
    add_acl("with-list");
    assert_true(others_can_write("with-list"));
}

static void stable(const char *path, bool make_it, const char *folder)
{
    struct gt_error err = {0};
    char *real, wanted[PATH_MAX];
    int fd = gt_path_open_stable(path, make_it, &real, &err);

    if (fd < 0)
        fail_msg("%s: %s", path, err.message);
    assert_non_null(realpath(folder, wanted));
    assert_string_equal(real, wanted);
    free(real);
    close(fd);
}

static void unstable(const char *path, int code, const char *word)
{
    struct gt_error err = {0};
    char *real;

    assert_int_equal(gt_path_open_stable(path, true, &real, &err), code);
    assert_null(real);
    if (!strstr(err.message, word))
        fail_msg("%s: %s", path, err.message);
}

static void folders_are_made_where_nobody_can_replace_them(void **state)
{
    char path[PATH_MAX];
    struct stat st;

    umask(022);
    stable("new", true, "new");
    assert_int_equal(stat("new", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    stable("new", true, "new");
    stable("new/", true, "new");
    stable("./new/../other//", true, "other");
    stable(".", true, ".");
    assert_int_equal(symlink("new", "link"), 0);
    stable("link", true, "new");
    stable("link/below", true, "new/below");
    snprintf(path, sizeof(path), "%s/link/below/again", (char *)*state);
    stable(path, true, "new/below/again");
    make("sticky", 01777);
    stable("sticky/mine", true, "sticky/mine");
    unstable("missing/new", GT_ERR_NOT_FOUND, "missing:");
    unstable("", GT_ERR_NOT_FOUND, strerror(ENOENT));
    touch("file");
    unstable("file", GT_ERR_IO, strerror(ENOTDIR));
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    unstable("dangling", GT_ERR_NOT_FOUND, "nowhere:");
    assert_int_equal(access("nowhere", F_OK), -1);
}

static void folders_that_others_can_replace_are_refused(void **state)
{
    (void)state;
    require(geteuid() == 0, "root");
    make("open", 0777);
    make("open/ours", 0700);
    unstable("open", GT_ERR_PERMISSION, "open can be written by another user");
    unstable("open/ours", GT_ERR_PERMISSION, "open can be written by another user");
    unstable("open/new", GT_ERR_PERMISSION, "open can be written by another user");
    assert_int_equal(access("open/new", F_OK), -1);
    make("theirs", 0755);
    make("theirs/ours", 0700);
    assert_int_equal(chown("theirs", NOBODY, NOBODY), 0);
    unstable("theirs", GT_ERR_PERMISSION, "theirs belongs to another user");
    unstable("theirs/ours", GT_ERR_PERMISSION, "theirs belongs to another user");
    make("sticky", 01777);
    make("sticky/planted", 0777);
    assert_int_equal(chown("sticky/planted", NOBODY, NOBODY), 0);
    unstable("sticky/planted", GT_ERR_PERMISSION, "planted belongs to another user");
    assert_int_equal(symlink("../theirs", "sticky/link"), 0);
    unstable("sticky/link", GT_ERR_PERMISSION, "sticky/link");
    /* The folder that we are in is one of those on the way. */
    assert_int_equal(chdir("open/ours"), 0);
    unstable("new", GT_ERR_PERMISSION, "open can be written by another user");
    assert_int_equal(chdir("../.."), 0);
}

/* For an ordinary user. */
static void users_keep_to_their_folders_in_those_of_others(void **state)
{
    pid_t pid;
    int status;

    require(geteuid() == 0, "root");
    assert_int_equal(chmod(*state, 0755), 0);
    make("open", 0777);
    make("open/own", 0755);
    make("other", 0755);
    assert_int_equal(chown("open/own", NOBODY, NOBODY), 0);
    assert_int_equal(chown("other", NOBODY - 1, NOBODY), 0);
    assert_int_equal(symlink("own", "open/link"), 0);
    pid = fork();
    if (pid == 0) {
        if (setgid(NOBODY) || setuid(NOBODY))
            _exit(1);
        stable("open/own/new", true, "open/own/new");
        stable("open/new", true, "open/new");
        stable("other", true, "other");
        unstable("open/link/new", GT_ERR_PERMISSION, "open/link");
        assert_true(others_can_write("other"));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* As anybody may in /tmp: what root wants to make is there first, is a link, or goes again. */
static void plant_for_ever(volatile unsigned *moves)
{
    static const char *const targets[] = {"../precious", "../precious/within", "planted", ".."};
    unsigned random = 1;

    for (;; ++*moves) {
        random = random * 1103515245 + 12345;
        if (*moves % 64 == 0)
            usleep(50); /* or root hardly gets to the folder */
        switch (random >> 29) {
        case 0:
            mkdir("kept", 0777);
            break;
        case 1:
            rename("kept", "planted");
            break;
        case 2:
        case 3:
            rmdir("kept");
            break;
        case 4:
            symlink(targets[random >> 20 & 3], "new");
            rename("new", "kept");
            break;
        case 5:
            symlink(targets[random >> 20 & 3], "kept");
            break;
        default:
            unlink("kept");
        }
    }
}

static pid_t start_planting(volatile unsigned *moves)
{
    pid_t parent = getpid(), pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir("sticky") || setgid(NOBODY) || setuid(NOBODY) || getppid() != parent)
        _exit(1);
    plant_for_ever(moves);
    _exit(1);
}

static void what_is_made_is_never_what_another_planted(void **state)
{
    volatile unsigned *moves =
        mmap(NULL, sizeof(*moves), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int made = 0, refused = 0;
    char wanted[PATH_MAX];
    pid_t pid;

    require(geteuid() == 0, "root");
    assert_int_equal(chmod(*state, 0755), 0);
    make("precious", 0755);
    make("precious/within", 0755);
    make("sticky", 01777);
    snprintf(wanted, sizeof(wanted), "%s/sticky/kept", (char *)*state);
    pid = start_planting(moves);
    for (int i = 0; i < 10000 || *moves < 10000; i++) {
        struct stat st;
        char *real;
        int fd = gt_path_open_stable("sticky/kept", true, &real, NULL);

        if (fd < 0) {
            refused++;
            continue;
        }
        made++;
        assert_string_equal(real, wanted);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(rmdir(wanted), 0); /* it is still there: nobody else can remove it */
        free(real);
        close(fd);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    print_message("%u moves: %d made, %d refused\n", *moves, made, refused);
    assert_true(made && refused);
    munmap((void *)moves, sizeof(*moves));
}

static void trusted(const char *path)
{
    struct gt_error err = {0};
    int fd = gt_path_open_trusted(path, &err);

    if (fd < 0)
        fail_msg("%s: %s", path, err.message);
    close(fd);
}

static void untrusted(const char *path, int code, const char *word)
{
    struct gt_error err = {0};

    assert_int_equal(gt_path_open_trusted(path, &err), code);
    if (!strstr(err.message, word))
        fail_msg("%s: %s", path, err.message);
}

static void what_only_root_and_we_wrote_is_read(void **state)
{
    (void)state;
    make("ours", 0755);
    touch("ours/file");
    trusted("ours/file");
    trusted("./ours/../ours/file");
    assert_int_equal(symlink("ours/file", "link"), 0);
    trusted("link");
    assert_int_equal(symlink("../link", "ours/back"), 0);
    trusted("ours/back");
    assert_int_equal(symlink("loop", "loop"), 0);
    untrusted("loop", GT_ERR_IO, strerror(ELOOP));
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    untrusted("dangling", GT_ERR_NOT_FOUND, "nowhere");
    untrusted("missing/file", GT_ERR_NOT_FOUND, "missing");
    untrusted("ours", GT_ERR_PERMISSION, "is no regular file");
    assert_int_equal(mkfifo("ours/fifo", 0600), 0);
    untrusted("ours/fifo", GT_ERR_PERMISSION, "is no regular file");
    assert_int_equal(chmod("ours/file", 0666), 0);
    untrusted("ours/file", GT_ERR_PERMISSION, "file belongs to another user, or can be");
    untrusted("link", GT_ERR_PERMISSION, "file belongs to another user, or can be");
}

static void what_others_can_have_written_is_not(void **state)
{
    (void)state;
    require(geteuid() == 0, "root");
    make("ours", 0755);
    touch("ours/file");
    make("open", 01777);
    touch("open/file");
    untrusted("open/file", GT_ERR_PERMISSION, "open belongs to another user, or can be");
    touch("ours/theirs");
    assert_int_equal(chown("ours/theirs", NOBODY, NOBODY), 0);
    untrusted("ours/theirs", GT_ERR_PERMISSION, "theirs belongs to another user");
    make("theirs", 0755);
    touch("theirs/file");
    assert_int_equal(chown("theirs", NOBODY, NOBODY), 0);
    untrusted("theirs/file", GT_ERR_PERMISSION, "belongs to another user");
    assert_int_equal(symlink("ours/file", "planted"), 0);
    assert_int_equal(lchown("planted", NOBODY, NOBODY), 0);
    untrusted("planted", GT_ERR_PERMISSION, "the link");
    assert_int_equal(symlink("../ours/file", "open/link"), 0);
    untrusted("open/link", GT_ERR_PERMISSION, "open belongs to another user, or can be");
    assert_int_equal(symlink("open/link", "indirect"), 0);
    untrusted("indirect", GT_ERR_PERMISSION, "open belongs to another user, or can be");
}

/* In TMPDIR; root's in /tmp, where others could replace it there. */
static void private_folders_go_where_they_stay(void **state)
{
    char path[PATH_MAX], *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL, *made;
    struct gt_error err;

    make("open", 0777);
    snprintf(path, sizeof(path), "%s/open", (char *)*state);
    setenv("TMPDIR", path, 1);
    made = gt_fs_private_dir(&err);
    assert_non_null(made);
    if (geteuid() == 0)
        assert_int_equal(strncmp(made, "/tmp/giltracer-", 15), 0);
    else
        assert_int_equal(strncmp(made, path, strlen(path)), 0);
    assert_int_equal(rmdir(made), 0);
    free(made);
    assert_int_equal(chmod("open", 01777), 0);
    made = gt_fs_private_dir(&err);
    assert_non_null(made);
    assert_int_equal(strncmp(made, path, strlen(path)), 0);
    free(made);
    strcat(path, "/missing");
    setenv("TMPDIR", path, 1);
    assert_null(gt_fs_private_dir(&err));
    assert_non_null(strstr(err.message, "missing"));
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
}

static int run_all(const char *name)
{
    static const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)
        TEST(paths_lead_where_they_say),
        TEST(what_is_wrong_is_said_of_which_part),
        TEST(links_of_others_are_refused),
        TEST(who_can_write_a_folder),
        TEST(folders_are_made_where_nobody_can_replace_them),
        TEST(folders_that_others_can_replace_are_refused),
        TEST(users_keep_to_their_folders_in_those_of_others),
        TEST(what_is_made_is_never_what_another_planted),
        TEST(what_only_root_and_we_wrote_is_read),
        TEST(what_others_can_have_written_is_not),
        TEST(private_folders_go_where_they_stay),
#undef TEST
    };

    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    int failed = run_all("paths");

    if (become_old())
        return 1;
    return failed + run_all("paths_without_openat2");
}
