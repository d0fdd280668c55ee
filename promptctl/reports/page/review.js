// What a review says above the cases: the decision, what changed and who breaks.
function list(title, items) {
  if (!items.length) return null;
  return el("div", {}, el("h2", {}, title), el("ul", {}, items.map((item) => el("li", {}, item))));
}

function diffLines(lines) {
  return el("pre", { class: "diff" }, lines.map((line) => {
    const kind = line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : null;
    return kind ? el("span", { class: kind }, line + "\n") : line + "\n";
  }));
}

const diffNode = (item) => el("details", { open: "" }, el("summary", {}, item.title), diffLines(item.lines));

const OUTCOMES = { "✅": "passed", "🎉": "passed", "❌": "failed", "⚠️": "error", "➖": "none" };

function outcomeNode(mark) {
  return el("span", { class: `dot ${OUTCOMES[mark]}`, role: "img", "aria-label": OUTCOMES[mark] });
}

// The difference of the passing cases, as a point on the band of its interval; left of the middle is worse.
function differenceBar(bar, widest) {
  const at = (share) => `${(50 + 50 * share / widest).toFixed(2)}%`;
  const points = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;
  const kind = bar.high < 0 ? "failed" : bar.low > 0 ? "passed" : "none";
  const told = `${points(bar.difference)} points, 95% interval ${points(bar.low)} to ${points(bar.high)}`;
  return el("div", { class: "difference" },
    el("div", { class: `band ${kind}`, role: "img", "aria-label": told },
      el("i", { class: "within", style: `left: ${at(bar.low)}; right: calc(100% - ${at(bar.high)})` }),
      el("i", { class: "zero" }), el("i", { class: "point", style: `left: ${at(bar.difference)}` })),
    el("p", { class: "meta" }, told));
}

function rowNode(row, widest) {
  const about = [row.prompt, row.dataset, row.change].filter(Boolean).map((part) => el("span", {}, part));
  return el("article", { class: "row-of" }, outcomeNode(row.mark), el("div", {},
    el("p", { class: "sentence" }, unbroken(row.certainty ? row.reason : [row.verdict, row.reason].filter(Boolean).join(": "))),
    row.certainty ? el("p", {}, row.certainty) : null, el("p", { class: "meta parts" }, about),
    (row.notes || []).map((note) => el("p", { class: "meta" }, note)), row.bar ? differenceBar(row.bar, widest) : null,
    row.statistics ? el("details", {}, el("summary", {}, "Statistics"), el("p", { class: "meta" }, row.statistics)) : null));
}

function reviewNode(review) {
  const bars = review.rows.map((row) => row.bar).filter(Boolean);
  const widest = Math.max(0.05, ...bars.flatMap((bar) => [Math.abs(bar.low), Math.abs(bar.high)]));
  const diffs = review.diffs.length ? el("div", {}, el("h2", {}, "What changed"), review.diffs.map(diffNode)) : null;
  const isSaid = review.rows.length === 1 && review.rows[0].certainty && review.decision.endsWith(review.rows[0].reason);
  return el("section", { class: "review", "aria-label": "Review" },
    isSaid ? null : el("p", { class: `decision ${review.passed ? "passed" : "failed"}` }, unbroken(review.decision)),
    review.warnings.map((warning) => el("p", { class: "decision warning" }, warning)),
    review.rows.map((row) => rowNode(row, widest)), list("Breaking changes", review.breaks), list("Files that cannot be used", review.problems),
    list("Notes", review.notes), diffs, list("Shared files", review.files),
    list("Datasets", review.datasets), list("Labels moved meanwhile", review.moves), review.reproduce ? el("p", { class: "meta command" }, review.reproduce) : null);
}
