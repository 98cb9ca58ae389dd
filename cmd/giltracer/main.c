/* SPDX-License-Identifier: MIT */
#include "common/console.h"
#include "common/exit_status.h"
#include "doctor.h"
#include "dump.h"
#include "help.h"
#include "launch/gate.h"
#include "cli.h"
#include "control.h"
#include "repeat.h"
#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int print_help(void)
{
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_help_text(&text) == 0)
        fputs(text.data, stdout);
    gt_buf_release(&text);
    return 0;
}

static int dispatch(const struct gt_cli *cli, const struct gt_inherited *inherited)
{
    switch (cli->mode) {
    case GT_MODE_HELP:
        return print_help();
    case GT_MODE_VERSION:
        puts("giltracer " GT_VERSION);
        return 0;
    case GT_MODE_DOCTOR:
        return gt_doctor(cli);
    case GT_MODE_SETUP:
        return gt_setup(cli);
    case GT_MODE_TEARDOWN:
        return gt_teardown();
    case GT_MODE_RUN:
        break;
    }
    if (cli->dump)
        return gt_dump_print(cli);
    return gt_repeat(cli, inherited);
}

static int detach_and_dispatch(const struct gt_cli *cli, const struct gt_inherited *inherited)
{
    struct gt_error err;
    int status;

    if (!cli->control_fd)
        return dispatch(cli, inherited);
    if (gt_control_detach(cli->control_fd, &err) < 0) {
        gt_say("%s", err.message);
        return GT_EXIT_OURS;
    }
    status = dispatch(cli, inherited);
    gt_control_tell_end(cli->control_fd, status);
    return status;
}

int main(int argc, char **argv)
{
    struct gt_inherited inherited;
    struct gt_cli cli;
    struct gt_error err;
    int status;

    if (gt_helper_main(argc, argv, &status))
        return status;
    gt_inherited_capture(&inherited);
    gt_console_init("giltracer");
    gt_cli_init(&cli);
    if (gt_cli_parse(&cli, argv, &err) < 0) {
        gt_say("%s", err.message);
        status = GT_EXIT_OURS;
    } else {
        status = detach_and_dispatch(&cli, &inherited);
    }
    gt_cli_release(&cli);
    if (fflush(stdout)) {
        gt_say("cannot write to standard output: %s", strerror(errno));
        return status ? status : GT_EXIT_OURS;
    }
    return status;
}
