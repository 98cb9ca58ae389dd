// The tab "What if": the summary's estimates, what they assume, or why there are none.

import {make, makeTable, textCell} from "./dom.js";
import {placeText} from "./blockers.js";
import {durationText, nameText} from "./format.js";

const CONDITIONS = {
  "recorded": "nothing but the number of cores changed",
  "functions": "all of these released the GIL",
  "no-gil": "there were no GIL (free-threaded build)",
};

const coresText = (count) => `${count} core${count === 1 ? "" : "s"}`;

function reasonText({reason, replayed_ns: replayed, recorded_ns: recorded}) {
  const found = ` (${durationText(replayed)}; recorded were ${durationText(recorded)})`;
  return `Nothing is estimated: ${nameText(reason)}${replayed > 0 ? found : ""}.`;
}

function estimateRow(estimate, find) {
  const {function: name, file, by_cores: byCores, sentence} = estimate;
  return make("tr", {title: sentence, onclick: name === null ? null : () => find(estimate)},
    make("td.text", ...name !== null
      ? [make("button.link", make("bdi", nameText(name))), " released the GIL"]
      : [CONDITIONS[estimate.if] ?? nameText(estimate.if)]),
    textCell(placeText(estimate), nameText(file ?? "")),
    ...byCores.map(({cores, wall_ns: wall, speedup}) => make("td",
      {"data-cores": cores, "data-value": wall}, ...wall === null ? ["?"]
        : [durationText(wall), " ", make("span.tid", `${speedup.toFixed(2)}×`)])));
}

/** The panel's content. `find` goes to the calls of an estimate's function. */
export function potentialContent(potential, find) {
  const {cores, error, estimates, assumptions, recorded_ns: recorded} = potential;
  if (estimates.length === 0)
    return [make("p.hint", {id: "no-potential"}, reasonText(potential))];
  const titles = ["If", "Where", ...estimates[0].by_cores.map((each) =>
    each.cores === cores ? make("b", `${coresText(cores)}, as recorded`)
      : coresText(each.cores))];
  return [
    make("p.hint", {id: "potential-scope"}, `Estimated length of the whole run, which took ${
      durationText(recorded)} on ${coresText(cores)}: a replay under other rules. Under the same ` +
      `rules it is ${(100 * Math.abs(error)).toFixed(1)}% off.`),
    makeTable("list", titles, ["If", "Where"], estimates.map((each) => estimateRow(each, find))),
    ...estimates.filter(({wall_ns: wall}) => wall === null).map(({sentence}) =>
      make("p.hint.withheld", nameText(sentence))),
    make("h2", "What is assumed"),
    make("ul.assumptions", ...assumptions.map((text) => make("li", nameText(text)))),
  ];
}
