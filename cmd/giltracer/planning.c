/* SPDX-License-Identifier: MIT */
#include "planning.h"

#include "common/console.h"
#include "late_agent.h"
#include "launch/unseen.h"

#include <stdlib.h>

/* Samples of native stacks in a second on each CPU: no divisor of the clock's or the program's
 * own. */
enum { NATIVE_HZ = 99 };

/* Functions are not traced where the GIL is seen from futex calls: that is chosen to cost
 * nothing. A command that cannot have the agent may start a Python that can. */
void gt_planning_agent(struct gt_agent_request *agent, struct gt_error *why,
                       const struct gt_cli *cli, const struct gt_interp *interp,
                       const struct gt_running *running)
{
    const bool insist = cli->agent.insist || cli->gil_source == GT_GIL_AGENT;
    int rc;

    *agent = cli->agent;
    if (cli->viztracer || (cli->gil_source == GT_GIL_FUTEX && !agent->insist))
        agent->python_trace = false;
    rc = running ? gt_late_agent_check(cli->control_fd ? NULL : running, insist, why)
                 : gt_agent_check(interp, why);
    if (rc == 0)
        why->code = 0;
    else if (interp->executable)
        agent->python_trace = false;
}

/* Not by default where the GIL is seen from futex calls, which are chosen to cost nothing. */
static unsigned native_frequency(const struct gt_cli *cli)
{
    if (!cli->native)
        return 0;
    if (!cli->native_frequency)
        return cli->gil_source == GT_GIL_FUTEX ? 0 : NATIVE_HZ;
    return cli->native_frequency;
}

int gt_planning_make(struct gt_plan *plan, const struct gt_cli *cli,
                     const struct gt_agent_request *agent, bool agent_possible,
                     char *const *target, const struct gt_caps *caps,
                     const struct gt_interp *interp, struct gt_error *err)
{
    const struct gt_plan_request request = {
        .gil_source = cli->gil_source,
        .gil_detect = cli->gil_detect,
        .state_detect = cli->state_detect,
        .call_graph = cli->call_graph,
        .counters = cli->counters.items,
        .frequency = cli->frequency,
        .buffer_bytes = strtoull(cli->buffer, NULL, 10),
        .native_frequency = native_frequency(cli),
        .native_asked = cli->native_frequency > 0,
        .agent = agent->python_trace,
        .agent_possible = agent_possible,
        .attach_pid = cli->pid,
        .delayed = cli->delay_ms > 0,
        .target = target,
    };

    return gt_plan_make(plan, &request, caps, interp, err);
}

void gt_planning_say_unseen(int root_pid)
{
    struct gt_strvec processes;

    gt_strvec_init(&processes);
    gt_unseen_find(root_pid, GT_AGENT_NAME, &processes);
    for (size_t i = 0; i < processes.count; i++)
        gt_say("the probes cost too much and are taken out (--overhead-budget): process %s has "
               "no agent, nothing is known of its GIL from here on",
               processes.items[i]);
    gt_strvec_release(&processes);
}
