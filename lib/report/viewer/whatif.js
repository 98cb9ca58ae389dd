// SPDX-License-Identifier: MIT
// The tab "What if": the summary's estimates, what they assume, or why there are none.

import {make, makeTable, textCell} from "./dom.js";
import {durationText, nameText, placeText, pluralText} from "./format.js";

const CONDITIONS = {
  "recorded": "nothing but the number of cores changed",
  "functions": "all of these released the GIL",
  "no-gil": "there were no GIL (free-threaded build)",
};

function reasonText({reason, replayed_ns: simulated, recorded_ns: recorded}) {
  const found = ` (${durationText(simulated)} instead of ${durationText(recorded)})`;
  return `Nothing is estimated: ${nameText(reason)}${simulated > 0 ? found : ""}.`;
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

export function whatIfContent(whatIf, find) {
  const {cores, error, estimates, assumptions, recorded_ns: recorded} = whatIf;
  if (estimates.length === 0)
    return [make("p.hint", {id: "no-estimates"}, reasonText(whatIf))];
  const on = pluralText(cores, "core");
  const titles = ["If", "Where", ...estimates[0].by_cores.map((each) =>
    each.cores === cores ? make("b", `${on}, as recorded`) : pluralText(each.cores, "core"))];
  return [
    make("p.hint", {id: "whatif-scope"}, `Estimated length of the whole run, which took ${
      durationText(recorded)} on ${on}. The run is replayed under other rules; under ` +
      `the recorded rules, the replay is ${(100 * Math.abs(error)).toFixed(1)}% off.`),
    makeTable("list", titles, estimates.map((each) => estimateRow(each, find))),
    ...estimates.filter(({wall_ns: wall}) => wall === null).map(({sentence}) =>
      make("p.hint.withheld", nameText(sentence))),
    make("h2", "What is assumed"),
    make("ul.assumptions", ...assumptions.map((text) => make("li", nameText(text)))),
  ];
}
