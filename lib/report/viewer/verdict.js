// The verdict in sentences, and what ran. All of it is the summary's: nothing is computed
// here that the JSON does not say.

import {byId, make} from "./dom.js";
import {countText, durationText, nameText, percentText, shortName} from "./format.js";

function commandText(argv) {
    return argv.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word
        : `'${nameText(word).replaceAll("'", "'\\''")}'`).join(" ");
}

function ending(run) {
    if (run.term_signal > 0)
        return `killed by signal ${run.term_signal}`;
    return Number.isInteger(run.exit_status) ? `exit status ${run.exit_status}` : null;
}

/** [name, text] of the run, without what is not known. */
function runFacts(run) {
    const facts = [
        ["Interpreter", run.version],
        ["Executable", run.interpreter],
        ["Ran for", run.wall_ns > 0 ? durationText(run.wall_ns) : null],
        ["Ended with", ending(run)],
        ["GIL events from", run.gil_source],
        ["Host", run.host],
    ];
    return facts.filter(([, text]) => text !== null && text !== undefined && text !== "");
}

// Counts of struct gt_quality that speak of defects, in words. The findings have a sentence for
// those that are `told`.
const DEFECTS = [
    ["lost_events", "events were lost by the recorder", "told"],
    ["overlaps", "times two threads seemed to hold one GIL at once", "told"],
    ["accounting_errors", "threads whose parts exceed their lifetime", "told"],
    ["takes_without_return", "waits ended with the thread, not with the GIL", "told"],
    ["unmatched_releases", "releases by a thread that was not known to hold", "told"],
    ["unmatched_takes", "holds whose release was not seen", "told"],
    ["unordered", "events were out of order"],
    ["duplicates", "events were recorded twice"],
    ["unparsed_lines", "lines of input were not understood"],
];

function defectList(quality, hasFindings) {
    return DEFECTS.filter(([name, , told]) => quality[name] > 0 && !(told && hasFindings))
        .map(([name, text]) => make("li", {"data-quality": name},
                                    make("b", {}, countText(quality[name])), ` ${text}`));
}

/** A sentence per GIL, for a summary that came without findings. */
function plainFindings(summary) {
    return (summary.gils ?? []).map((gil) => {
        const lifetime = gil.threads.reduce((sum, each) => sum + each.lifetime_ns, 0);
        return `Threads of ${shortName(gil.process)} (${gil.pid}) waited for the GIL for ` +
            `${durationText(gil.wait_ns)}, ${percentText(gil.wait_ns, lifetime)}% of their time.`;
    });
}

export function showVerdict(summary) {
    const run = summary.run ?? {};
    const command = run.argv?.length ? commandText(run.argv) : "";
    if (command) {
        byId("command").textContent = command;
        byId("command").title = command;
        document.title = `${command} – giltracer`;
    }
    const findings = summary.findings?.length ? summary.findings : plainFindings(summary);
    const [first, ...rest] = findings.length ? findings
        : ["No thread used a GIL while this was recorded."];
    byId("headline").textContent = nameText(first);
    byId("findings").replaceChildren(...rest.map((text) => make("li", {}, nameText(text))));
    const facts = runFacts(run);
    if (summary.quality?.events > 0)
        facts.push(["Events", countText(summary.quality.events)]);
    byId("facts").replaceChildren(...facts.map(([name, text]) =>
        make("div", {}, make("dt", {}, name), make("dd", {title: nameText(text)}, nameText(text)))));
    const defects = defectList(summary.quality ?? {}, summary.findings?.length > 0);
    byId("defects").hidden = defects.length === 0;
    byId("defect-list").replaceChildren(...defects);
    byId("generator").textContent = summary.generator ?? "giltracer";
}
