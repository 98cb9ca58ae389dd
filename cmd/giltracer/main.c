/* SPDX-License-Identifier: MIT */
#include "common/console.h"
#include "common/exit_status.h"
#include "common/help.h"
#include "doctor.h"
#include "dump.h"
#include "flight.h"
#include "help.h"
#include "launch/gate.h"
#include "cli.h"
#include "control.h"
#include "repeat.h"
#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int print_help(const struct gt_cli *cli)
{
    struct gt_error err;

    if (gt_help_print(&gt_giltracer_help, cli->help_on, &err) == 0)
        return 0;
    gt_say("%s", err.message);
    return GT_EXIT_OURS;
}

static int dispatch(struct gt_cli *cli, const struct gt_inherited *inherited)
{
    switch (cli->mode) {
    case GT_MODE_HELP:
        return print_help(cli);
    case GT_MODE_VERSION:
        puts("giltracer " GT_VERSION);
        return 0;
    case GT_MODE_DOCTOR:
        return gt_doctor(cli);
    case GT_MODE_SETUP:
        return gt_setup(cli);
    case GT_MODE_TEARDOWN:
        return gt_teardown();
    case GT_MODE_SNAPSHOT:
        return gt_flight_ask(cli);
    case GT_MODE_RUN:
        break;
    }
    if (cli->dump)
        return gt_dump_print(cli);
    return gt_repeat(cli, inherited);
}

static int detach_and_dispatch(struct gt_cli *cli, const struct gt_inherited *inherited)
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

/* No file has a say in these (config.h). */
static int check_early(struct gt_cli *cli, struct gt_error *err)
{
    return cli->dump || cli->control_fd ? gt_cli_check(cli, err) : 0;
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
    if (gt_cli_parse(&cli, argv, &err) < 0 || check_early(&cli, &err) < 0) {
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
