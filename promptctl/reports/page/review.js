// What a review says above the cases: the decision, what changed and who breaks.
function list(title, items) {
  if (!items.length) return null;
  return el("div", {}, el("h2", {}, title), el("ul", {}, items.map((item) => el("li", {}, item))));
}

function diffNode(item) {
  const lines = item.lines.map((line) => {
    const kind = line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : null;
    return kind ? el("span", { class: kind }, line + "\n") : line + "\n";
  });
  return el("details", {}, el("summary", {}, item.title), el("pre", { class: "diff" }, lines));
}

const OUTCOMES = { "✅": "passed", "❌": "failed", "⚠️": "error", "➖": "none" };

function outcomeNode(mark) {
  return el("span", { class: `dot ${OUTCOMES[mark]}`, role: "img", "aria-label": OUTCOMES[mark] });
}

function reviewNode(review) {
  const names = ["", "Prompt", "Change", "Result", "Why"];
  const rows = review.rows.map((row) => el("tr", {}, [outcomeNode(row.mark), row.prompt, row.change, row.verdict, row.reason]
    .map((cell, index) => el("td", { "data-name": names[index] }, cell))));
  const table = el("table", {}, el("thead", {}, el("tr", {}, names.map((name) => el("th", {}, name)))), el("tbody", {}, rows));
  const diffs = review.diffs.length ? el("div", {}, el("h2", {}, "What changed"), review.diffs.map(diffNode)) : null;
  return el("section", { class: "review", "aria-label": "Review" }, el("p", { class: `decision ${review.is_passed ? "passed" : "failed"}` }, review.decision),
    review.warnings.map((warning) => el("p", { class: "decision warning" }, warning)),
    review.rows.length ? table : null, list("Breaking changes", review.breaks), list("Files that cannot be used", review.problems),
    list("Notes", review.notes), diffs, list("Shared files", review.files),
    list("Datasets", review.datasets), list("Labels moved meanwhile", review.moves), el("p", { class: "meta" }, review.reproduce));
}
