// Cases by evaluations: a row for each case, a column for each model, version or side.
const EXCERPT = 420;
const FEW = 5;

// Lines of the replies of a case that not every column has; none are marked if they have no line in common.
function ownLines(texts) {
  const known = texts.filter((text) => text !== null);
  const counts = new Map();
  for (const text of known) for (const line of new Set(text.split("\n").map((each) => each.trim().replace(/,$/, "")))) counts.set(line, (counts.get(line) || 0) + 1);
  const isShared = [...counts].some(([line, number]) => number === known.length && line.length > 2);
  const isOwn = (line) => known.length > 1 && isShared && counts.get(line.trim().replace(/,$/, "")) < known.length;
  return (text) => text.split("\n").flatMap((line, at, all) => [isOwn(line) ? el("mark", {}, line) : line, at < all.length - 1 ? "\n" : ""]);
}

const excerpt = (text) => text.length > EXCERPT ? `${text.slice(0, EXCERPT)}…` : text;

function cellNode(item, at, text, marked) {
  const cell = item.cells[at], state = item.states[at], name = nameOf(at);
  if (!state) return el("td", { role: "cell", class: "absent", "data-name": name }, el("span", { class: "meta" }, "no result"));
  const result = cell.find((each) => each.status === (cell[0].outcome || cell[0].status)) || cell[0];
  const isCut = cell[0].of > 1 ? `${cell[0].passes} of ${cell[0].of} passed` : null;
  const other = result.is_other_case ? "other inputs or checks" : null;
  const why = state === "passed" || state === "xpassed" ? null : whyOf(result);
  return el("td", { role: "cell", class: state, "data-name": name },
    el("p", { class: "top" }, el("span", { class: `mark ${result.status === state ? state : ""}` }, OUTCOMES_OF[state]), [isCut, other, ...factsOf(result)].filter(Boolean).map((fact) => el("span", {}, fact))),
    text ? el("p", { class: "excerpt" }, marked(text)) : text === "" ? el("p", { class: "excerpt" }, el("i", {}, "an empty reply")) : null, why ? el("p", { class: "why" }, why) : null);
}

function rowNodes(item, isMarks) {
  const texts = item.cells.map((cell) => {
    const result = cell.find((each) => each.status === (each.outcome || each.status)) || cell[0];
    return result && isKnown(result.output) ? excerpt(readable(result.output)) : null;
  });
  const marked = ownLines(texts);
  const button = el("button", { type: "button", class: "opens", "aria-expanded": "false" }, item.id);
  const input = item.request.find(([name]) => name.startsWith("input.")), expected = item.request.find(([name]) => name === "expected");
  const head = el("th", { scope: "row", role: "rowheader" }, button, ofWhat(item),
    !isMarks && input ? el("p", { class: "input", title: input[0].replace("input.", "") }, excerpt(input[1] || "")) : null,
    !isMarks && expected ? el("p", { class: "input" }, el("b", {}, "expected "), excerpt(expected[1] || "")) : null, el("p", { class: "tags" }, tagNodes(item)));
  const marks = item.states.map((state, at) => el("td", { role: "cell", class: "marked", "data-name": nameOf(at) },
    el("span", { class: `square ${state || "absent"}`, role: "img", "aria-label": OUTCOMES_OF[state] || "no result", title: `${nameOf(at)}: ${OUTCOMES_OF[state] || "no result"}` })));
  const row = el("tr", { role: "row", class: item.disagrees ? "disagrees" : "" }, head, isMarks ? marks : item.cells.map((_, at) => cellNode(item, at, texts[at], marked)));
  const open = (isOpen) => {
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) row.after(el("tr", { role: "row", class: "opened" }, el("td", { role: "cell", colspan: String(item.cells.length + 1) }, detailNode(item))));
    else row.nextElementSibling?.matches(".opened") && row.nextElementSibling.remove();
    keepOpen(item, isOpen);
  };
  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") === "false"));
  return { row, open };
}

function columnHead(column, isMarks) {
  const of = column.evaluations.map((each) => data.evaluations[each]), sum = (key) => of.reduce((total, each) => total + (each[key] || 0), 0);
  const total = sum("cases") + sum("never_run"), spent = of.every((each) => isKnown(each.full_cost_nano_usd) && !each.unpriced) ? sum("full_cost_nano_usd") : null;
  const facts = [rateOf({ passed: sum("passed"), failed: sum("failed"), pass_rate: total ? sum("passed") / total : null }), isKnown(spent) ? money(spent) : "unpriced", of.length === 1 && isKnown(of[0].p50_latency_ms) ? time(of[0].p50_latency_ms) : null];
  if (isMarks) facts.length = 1;
  return el("th", { scope: "col", role: "columnheader" }, el("b", {}, column.name), el("span", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))));
}

const isOfMarks = () => (wanted.view || (data.columns.length > FEW ? "marks" : "replies")) === "marks";

function addRows(body, found) {
  const rows = found.map((item) => rowNodes(item, isOfMarks()));
  body.append(...rows.map(({ row }) => row));
  found.forEach((item, at) => { if (openCases.has(item)) rows[at].open(true); });
}

function matrixNode(found) {
  const isMarks = isOfMarks(), isWide = data.columns.length > FEW, body = el("tbody", { role: "rowgroup" });
  addRows(body, found);
  const table = el("table", { role: "table", class: `matrix${isMarks ? " marks" : ""}`, "aria-label": "Cases by column" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, el("th", { scope: "col", role: "columnheader" }, "Case"), data.columns.map((column) => columnHead(column, isMarks)))), body);
  return isWide ? el("div", { class: "scroll wide", tabindex: "0", role: "region", "aria-label": "Cases by column" }, table) : table;
}
