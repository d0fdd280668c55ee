// What a review or a comparison says above the cases: what changed, who breaks, and what became of the results.
function list(title, items) {
  if (!items.length) return null;
  return el("section", { class: "card" }, el("h2", {}, title), el("ul", {}, items.map((item) => el("li", {}, item))));
}

// The lines of a difference; a heading of it begins with "!", a place in the text with "@@".
function diffLines(lines) {
  const kinds = { "+": "plus", "-": "minus", "!": "part", "@": "place" };
  return el("pre", { class: "diff" }, lines.map((line) => {
    const kind = kinds[line[0]], text = { part: line.slice(1).trim(), place: line.replaceAll("@@", "").trim() }[kind] ?? line;
    return el("span", kind ? { class: kind } : {}, text + "\n");
  }));
}

const diffNode = (item) => el("details", { open: "" }, el("summary", {}, item.title), diffLines(item.lines));

const OUTCOMES = { "✅": "passed", "🎉": "passed", "❌": "failed", "⚠️": "error", "➖": "none" };
const MARKED = { passed: "passes the gate", failed: "fails the gate", error: "incomplete", none: "not judged" };

const isAgainst = (row) => ["failed", "error"].includes(OUTCOMES[row.mark]);

function outcomeNode(mark) {
  return el("span", { class: `dot ${OUTCOMES[mark]}`, role: "img", "aria-label": MARKED[OUTCOMES[mark]] });
}

// The difference of the passing cases, as a point on the band of its interval; left of the middle is worse.
function differenceBar(bar, widest) {
  const at = (share) => `${(50 + 50 * share / widest).toFixed(2)}%`;
  const points = (share) => `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(1)}`, end = (100 * widest).toFixed(0);
  const kind = bar.high < 0 ? "failed" : bar.low > 0 ? "passed" : "none";
  const told = `${points(bar.difference)} pp; 95% interval ${points(bar.low)} to ${points(bar.high)} for inputs like these`;
  return el("div", { class: "difference" },
    el("div", { class: "sided", "aria-hidden": "true" }, el("span", {}, `← worse, −${end} pp`), el("span", {}, "as before"), el("span", {}, `better, +${end} pp →`)),
    el("div", { class: `band ${kind}`, role: "img", "aria-label": told },
      el("i", { class: "within", style: `left: ${at(bar.low)}; right: calc(100% - ${at(bar.high)})` }),
      el("i", { class: "zero" }), el("i", { class: "point", style: `left: ${at(bar.difference)}` })),
    el("p", { class: "meta" }, told));
}

// Passing cases, cost and time of both sides, each before and after.
function sidesTable(row) {
  if (!row.sides?.length) return null;
  // The interval stands below its difference.
  const number = (text) => el("td", { class: "number" }, text.replace(/-(?=\d)/g, "−").split(" [").map((part, at) => at ? el("small", {}, `${part.replace("]", "").replace(", ", " to ")}`) : part));
  return el("table", { class: "sides-table" }, el("thead", {}, el("tr", {}, ["", "before", "after", "difference"].map((name, at) => at ? el("th", { scope: "col", class: "number" }, name) : el("td", {})))),
    el("tbody", {}, row.sides.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.map(number)))));
}

const SIDES = ["before", "after"];

// The cases that flipped, and those that did not pass, as buttons that show them.
function flipsNode(row) {
  const prompt = isMany ? promptOf(row.prompt, row.model) : "";
  const flips = [[row.regressed, "regressed", { status: "regressed" }], [row.improved, "improved", { status: "improved" }],
    ...(row.wrong || []).flatMap(([failed, errors], at) => [[failed, `failed ${SIDES[at]}`, { status: "failed", in: String(at) }], [errors, `could not be graded ${SIDES[at]}`, { status: "error", in: String(at) }]])];
  const some = flips.filter(([number]) => number);
  return some.length ? el("p", { class: "flips" }, some.map(([number, name, change]) => leading(number, name, { ...change, prompt, ...(hasDatasets ? { dataset: row.dataset } : {}) }, `chip ${change.status}`))) : null;
}

function rowNode(row, widest) {
  const about = [row.dataset, row.change].filter(Boolean).map((part) => el("span", {}, part));
  return el("article", { class: "row-of" }, outcomeNode(row.mark), el("div", {}, el("h3", {}, row.prompt),
    el("p", { class: "sentence" }, unbroken(row.certainty ? row.reason : [row.verdict, row.reason].filter(Boolean).join(": "))),
    row.certainty ? el("p", {}, row.certainty) : null, el("p", { class: "meta parts" }, about),
    (row.notes || []).map((note) => el("p", { class: "meta" }, note)), flipsNode(row),
    el("div", { class: "measured" }, el("div", {}, row.bar ? differenceBar(row.bar, widest) : null,
      row.statistics ? el("details", {}, el("summary", {}, "How sure is that?"), el("p", { class: "meta" }, row.statistics)) : null), sidesTable(row))));
}

const commandNode = (command, about) => command ? el("p", { class: "command" }, el("code", {}, command), copyButton(command, "Copy", about)) : null;

function reviewNodes(review) {
  const bars = review.rows.map((row) => row.bar).filter(Boolean);
  const widest = Math.max(0.05, ...bars.flatMap((bar) => [Math.abs(bar.low), Math.abs(bar.high)]));
  const isSaid = review.rows.some((row) => row.certainty && review.decision.endsWith(row.reason));
  const told = [isSaid || review.passed || !review.decision ? null : el("p", { class: "decision" }, unbroken(review.decision)),
    review.warnings.map((warning) => el("p", { class: "decision warning" }, warning))].flat().filter(Boolean);
  return [told.length ? el("div", { class: "told" }, told) : null, commandNode(review.evaluate, "Copy the command that evaluates it"),
    list("What breaks", review.breaks), list("Files that cannot be used", review.problems),
    review.rows.length ? el("section", { class: "card results" }, el("h2", {}, "Results"), [...review.rows].sort((a, b) => isAgainst(b) - isAgainst(a)).map((row) => rowNode(row, widest))) : null,
    review.diffs.length ? el("section", { class: "card" }, el("h2", {}, "What changed"), review.diffs.map(diffNode)) : null,
    list("Shared files", review.files), list("Datasets", review.datasets), list("Labels moved meanwhile", review.moves), list("Notes", review.notes),
    commandNode(review.reproduce, "Copy the command that makes this review again")].filter(Boolean);
}
