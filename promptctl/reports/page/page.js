"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const PAGE = 200;

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function svg(name, attributes = {}, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const money = (nano) => nano === null || nano === undefined ? "unknown" : "$" + (nano / 1e9).toFixed(nano >= 1e9 ? 2 : 6);
const time = (ms) => ms === null || ms === undefined ? "-" : ms >= 1000 ? (ms / 1000).toFixed(2) + " s" : Math.round(ms) + " ms";
const percent = (share) => share === null || share === undefined ? "-" : (share * 100).toFixed(1) + " %";
const plain = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 1);

function rateBar(evaluation) {
  const bar = svg("svg", { class: "rate", viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img",
    "aria-label": `pass rate ${percent(evaluation.pass_rate)}` });
  let left = 0;
  for (const [key, colour] of [["passed", "--pass"], ["failed", "--fail"], ["errors", "--error"]]) {
    const width = evaluation.cases ? 100 * evaluation[key] / evaluation.cases : 0;
    bar.append(svg("rect", { x: left, y: 3, width, height: 8, style: `fill: var(${colour})` }));
    left += width;
  }
  if (evaluation.low !== null) {
    bar.append(svg("rect", { x: 100 * evaluation.low, y: 6.4, width: Math.max(0.4, 100 * (evaluation.high - evaluation.low)), height: 1.2, style: "fill: var(--ink)" }));
  }
  return bar;
}

function verdictCard(evaluation) {
  const name = [evaluation.version_display, evaluation.model, evaluation.dataset].filter(Boolean).join(" · ");
  const interval = evaluation.low === null ? "" : ` (95 %: ${Math.round(100 * evaluation.low)}–${Math.round(100 * evaluation.high)})`;
  const numbers = el("div", { class: "numbers" });
  const fields = [["rate", percent(evaluation.pass_rate) + interval], ["passed", evaluation.passed], ["failed", evaluation.failed],
    ["errors", evaluation.errors], ["cost", money(evaluation.cost_nano_usd) + (evaluation.unpriced ? ` + ${evaluation.unpriced} unpriced` : "")],
    ["p50", time(evaluation.p50_latency_ms)], ["p95", time(evaluation.p95_latency_ms)]];
  for (const [label, value] of fields) numbers.append(el("span", {}, `${label} `, el("b", {}, String(value))));
  for (const [label, value] of Object.entries(evaluation.metrics)) {
    numbers.append(el("span", {}, `${label} `, el("b", {}, value === null ? "-" : value.toFixed(3))));
  }
  return el("article", { class: `verdict ${evaluation.verdict}` }, el("h2", {}, evaluation.prompt), el("p", { class: "meta" }, name),
    el("p", {}, `${evaluation.verdict}: ${evaluation.reason}`), rateBar(evaluation), numbers);
}

function histogram(title, values, format) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length < 2) return null;
  const low = Math.min(...known), high = Math.max(...known);
  const bins = high === low ? 1 : Math.min(24, Math.max(6, Math.ceil(Math.sqrt(known.length))));
  const counts = new Array(bins).fill(0);
  for (const value of known) counts[high === low ? 0 : Math.min(bins - 1, Math.floor((value - low) / (high - low) * bins))] += 1;
  const tallest = Math.max(...counts);
  const chart = svg("svg", { viewBox: "0 0 300 120", role: "img", "aria-label": title });
  counts.forEach((count, index) => {
    const height = 86 * count / tallest, width = 300 / bins;
    const bar = svg("rect", { x: index * width + 0.5, y: 94 - height, width: Math.max(1, width - 1), height, style: "fill: var(--accent)" });
    bar.append(svg("title", {}, `${count}`));
    chart.append(bar);
  });
  chart.append(svg("line", { x1: 0, y1: 94.5, x2: 300, y2: 94.5, style: "stroke: var(--line)" }));
  chart.append(svg("text", { x: 0, y: 112 }, format(low)));
  if (high !== low) chart.append(svg("text", { x: 300, y: 112, "text-anchor": "end" }, format(high)));
  return el("figure", {}, el("figcaption", {}, `${title} (${known.length} results)`), chart);
}

function trend(points) {
  if (points.length < 2) return null;
  const chart = svg("svg", { viewBox: "0 0 300 120", role: "img", "aria-label": "pass rate by version" });
  const x = (index) => 12 + 276 * index / (points.length - 1), y = (share) => 94 - 84 * share;
  chart.append(svg("polyline", { points: points.map((p, i) => `${x(i)},${y(p.pass_rate || 0)}`).join(" "), style: "fill: none; stroke: var(--accent); stroke-width: 2" }));
  points.forEach((point, index) => {
    const dot = svg("circle", { cx: x(index), cy: y(point.pass_rate || 0), r: 3.5, style: "fill: var(--accent)" });
    dot.append(svg("title", {}, `${point.version}: ${percent(point.pass_rate)}, ${money(point.full_cost_nano_usd)}, ${time(point.p50_latency_ms)}`));
    chart.append(dot);
  });
  chart.append(svg("text", { x: 0, y: 112 }, points[0].version));
  chart.append(svg("text", { x: 300, y: 112, "text-anchor": "end" }, points[points.length - 1].version));
  return el("figure", {}, el("figcaption", {}, "Pass rate by version"), chart);
}

function list(title, items) {
  if (!items.length) return null;
  return el("div", {}, el("h2", {}, title), el("ul", {}, ...items.map((item) => el("li", {}, item))));
}

function diffNode(item) {
  const text = el("pre", { class: "diff" });
  for (const line of item.lines) {
    const kind = line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : null;
    text.append(kind ? el("span", { class: kind }, line + "\n") : line + "\n");
  }
  return el("details", {}, el("summary", {}, item.title), text);
}

function reviewNode(review) {
  const table = el("table", {}, el("tr", {}, ...["", "Prompt", "Change", "Result", "Why"].map((name) => el("th", {}, name))));
  for (const row of review.rows) table.append(el("tr", {}, ...[row.mark, row.prompt, row.change, row.verdict, row.reason].map((cell) => el("td", {}, cell))));
  const diffs = review.diffs.length ? el("div", {}, el("h2", {}, "What changed"), ...review.diffs.map(diffNode)) : null;
  return el("section", { class: "review", "aria-label": "Review" }, el("p", { class: review.is_passed ? "passed" : "failed" }, review.decision),
    review.rows.length ? table : null, list("Breaking changes", review.breaks), list("Notes", review.notes), diffs,
    list("Datasets", review.datasets), list("Labels moved meanwhile", review.moves), el("p", { class: "meta" }, review.reproduce));
}

function checks(result) {
  const list = el("ul", { class: "checks" });
  for (const check of result.assertions) {
    const state = check.passed === null ? "error" : check.passed ? "passed" : "failed";
    const item = el("li", { class: state }, `${check.type}: ${check.reason}`);
    if (state !== "passed" && check.expected !== undefined) {
      item.append(el("dl", {}, el("dt", {}, "expected"), el("dd", {}, plain(check.expected)), el("dt", {}, "got"), el("dd", {}, plain(check.got ?? ""))));
    }
    list.append(item);
  }
  return list;
}

function side(result) {
  const evaluation = data.evaluations[result.e];
  const facts = [result.source, time(result.latency_ms), money(result.cost_nano_usd)];
  if (evaluation.repeats > 1) facts.unshift(`repeat ${result.repeat}`);
  return el("div", { class: "side" },
    el("div", { class: "meta" }, el("span", { class: `mark ${result.status}` }, result.status), ` ${evaluation.version_display || ""} · ${evaluation.model} · ${facts.filter(Boolean).join(" · ")}`),
    result.error ? el("pre", {}, result.error) : null, result.output === null ? null : el("pre", {}, result.output), checks(result));
}

function caseNode(item) {
  const worst = ["error", "failed", "passed"].find((status) => item.results.some((result) => result.status === status));
  const why = item.results.find((result) => result.status !== "passed");
  const summary = el("summary", {}, el("span", { class: `mark ${worst}` }, worst), el("strong", {}, item.id), el("span", { class: "meta" }, item.prompt));
  for (const tag of item.tags) summary.append(el("span", { class: "tag" }, tag));
  if (why) summary.append(el("span", { class: "why" }, why.reason || why.error || ""));
  const node = el("details", { class: "case" }, summary);
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(el("div", { class: "sides" }, ...item.results.map(side)));
  });
  return node;
}

function fill(select, label, values) {
  select.append(el("option", { value: "" }, label));
  for (const value of values) select.append(el("option", { value }, value));
}

const cases = data.cases.map((item) => ({ ...item,
  statuses: new Set(item.results.map((result) => result.status)),
  text: [item.id, item.prompt, ...item.results.flatMap((result) => [result.output, result.reason, result.error])].join("\n").toLowerCase() }));
let shown = PAGE;

function show() {
  const wanted = byId("search").value.toLowerCase(), status = byId("status").value, tag = byId("tag").value, prompt = byId("prompt").value;
  const found = cases.filter((item) => (!wanted || item.text.includes(wanted)) && (!status || (status === "differ" ? item.statuses.size > 1 : item.statuses.has(status)))
    && (!tag || item.tags.includes(tag)) && (!prompt || item.prompt === prompt));
  byId("cases").replaceChildren(...found.slice(0, shown).map(caseNode));
  byId("count").textContent = `${found.length} of ${cases.length} cases`;
  byId("more").hidden = found.length <= shown;
}

document.title = byId("title").textContent = data.title;
byId("about").textContent = data.about;
if (data.review) byId("verdicts").before(reviewNode(data.review));
byId("verdicts").append(...data.evaluations.map(verdictCard));
const results = data.cases.flatMap((item) => item.results);
byId("charts").append(...[trend(data.trend), histogram("Score", results.map((result) => result.score), (value) => value.toFixed(2)),
  histogram("Latency", results.map((result) => result.latency_ms), time),
  histogram("Cost of a reply", results.map((result) => result.full_cost_nano_usd), money)].filter(Boolean));
fill(byId("status"), "any", ["failed", "error", "passed"]);
if (data.evaluations.length > 1) byId("status").append(el("option", { value: "differ" }, "differ between runs"));
fill(byId("tag"), "any", [...new Set(data.cases.flatMap((item) => item.tags))].sort());
fill(byId("prompt"), "any", [...new Set(data.cases.map((item) => item.prompt))].sort());
for (const id of ["search", "status", "tag", "prompt"]) byId(id).addEventListener("input", () => { shown = PAGE; show(); });
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", () => { shown += PAGE; show(); });
if (results.some((result) => result.status === "failed")) byId("status").value = "failed";
show();
