/* SPDX-License-Identifier: MIT */
#include "open_page.h"

#include "launch/become.h"
#include "launch/rights.h"
#include "launch/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The malloc'd path of what shows pages; NULL: there is nothing. $BROWSER lists what may be
 * there, by colons; "%s" stands for the page. */
static char *find_browser(void)
{
    const char *named = getenv("BROWSER");
    char *found = NULL;

    while (named && *named && !found) {
        size_t length = strcspn(named, ":");
        char first[256];

        snprintf(first, sizeof(first), "%.*s", (int)strcspn(named, ": %"), named);
        found = gt_tool_find(first);
        named += length + (named[length] == ':');
    }
    return found ? found : gt_tool_find("xdg-open");
}

/* In the grandchild: become the browser, or tell through the pipe why not. */
static void execute(char *browser, char *page, int pipe)
{
    char *argv[] = {browser, page, NULL};
    const char *identity = gt_rights_identity();
    int error = identity ? gt_become(identity) : 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (!error) {
        execv(browser, argv);
        error = errno;
    }
    _exit(write(pipe, &error, sizeof(error)) == sizeof(error));
}

/* The child in between ends at once, so that nobody has to wait for the browser. */
static int start(char *browser, char *page, struct gt_error *err)
{
    int pipes[2], error = 0;
    pid_t child;

    if (pipe2(pipes, O_CLOEXEC))
        return gt_error_errno(err, "cannot show the page");
    gt_rights_raise(); /* to become the user for good */
    child = fork();
    if (child == 0) {
        if (fork() == 0)
            execute(browser, page, pipes[1]);
        _exit(0);
    }
    gt_rights_lower();
    close(pipes[1]);
    if (child < 0 || read(pipes[0], &error, sizeof(error)) < 0)
        error = errno;
    close(pipes[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!error)
        return 0;
    return gt_error_set(err, GT_ERR_CHILD, "cannot show the page: %s: %s", browser,
                        strerror(error));
}

int gt_open_page(const char *path, struct gt_error *err)
{
    char *page = realpath(path, NULL);
    char *browser = find_browser();
    int rc;

    if (!page)
        rc = gt_error_errno(err, "cannot show %s", path);
    else if (!browser)
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "cannot show the page: there is no xdg-open, and $BROWSER names no "
                          "program; open %s in a browser",
                          page);
    else
        rc = start(browser, page, err);
    free(browser);
    free(page);
    return rc;
}
