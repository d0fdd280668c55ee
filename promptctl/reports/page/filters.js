// What is shown of the cases stands in the address, so that a view can be sent on.
const NOTHING = { status: "", in: "", but: "", search: "", tag: "", prompt: "", dataset: "", check: "", range: "", order: "dataset", view: "", case: "" };
const wanted = { ...NOTHING };
const isMatrix = data.columns.length > 1;
// So many cases are drawn at once that a filter answers while one types.
const PAGE = isMatrix ? 40 : 150;
let shown = PAGE;

const columnOf = data.evaluations.map((_, at) => data.columns.findIndex((column) => column.evaluations.includes(at)));
const nameOf = (at) => data.columns[at]?.name || "";

// A case that is expected to fail counts nowhere, whatever it came to.
const stateOf = (item, result) => item.xfail ? { failed: "xfailed", passed: "xpassed" }[result.outcome || result.status] || "error" : result.outcome || result.status;

// A case is named by its id, and by its prompt and dataset too where several have that id.
const ids = new Map();
for (const { id } of data.cases) ids.set(id, (ids.get(id) || 0) + 1);

const cases = data.cases.map((item, position) => {
  const cells = data.columns.map(() => []);
  for (const result of item.results) cells[columnOf[result.e]]?.push(result);
  const states = cells.map((cell) => cell.length ? stateOf(item, cell[0]) : null), came = states.filter(Boolean);
  const known = (key) => item.results.map((result) => result[key]).filter(isKnown);
  const largest = (key) => known(key).reduce((one, other) => Math.max(one, other), -1);
  return { ...item, key: ids.get(item.id) > 1 ? [item.id, item.prompt, item.dataset].join(" ") : item.id, position, cells, states, isFlaky: item.results.some((result) => result.passes > 0 && result.passes < result.of), disagrees: new Set(came).size > 1,
    worst: ["failed", "error", "xpassed", "passed", "xfailed"].find((state) => came.includes(state)),
    score: known("score").length ? Math.min(...known("score")) : null, latency: largest("latency_ms"), cost: largest("full_cost_nano_usd") };
});

// A prompt as cases name it: with its model if several are compared.
const promptOf = (prompt, model) => [`${prompt} · ${model}`, prompt].find((name) => cases.some((item) => item.prompt === name)) ?? "";

// Made when somebody searches: it is as long as all replies.
function textOf(item) {
  item.text ??= [item.id, item.prompt, ...item.tags, ...item.request.flat(), ...item.results.flatMap((result) =>
    [result.output, result.reason, result.error, result.execution, ...result.messages.flat()])].join("\n").toLowerCase();
  return item.text;
}

const ORDERS = { dataset: ["as in the dataset", (one, other) => one.position - other.position], score: ["lowest score", (one, other) => (one.score ?? 2) - (other.score ?? 2)],
  latency: ["slowest", (one, other) => other.latency - one.latency], cost: ["most expensive", (one, other) => other.cost - one.cost] };
const STATES = { "": "All", regressed: "Regressed", improved: "Improved", noise: "Noise", differ: isMatrix ? "Disagree" : "Flaky", failed: "Failed", error: "Errors", passed: "Passed",
  xfailed: "Expected failures", xpassed: "Passed unexpectedly" };

const flipOf = (item) => !item.flip ? null : item.flip.certainty === "noise" ? "noise" : item.flip.way;

function isOfStatus(item, status, at = "") {
  if (status === "" || flipOf(item) === status) return true;
  if (status === "differ") return item.disagrees || item.isFlaky;
  return at === "" ? item.states.includes(status) : item.states[at] === status;
}

// A reply that does not fit the output schema failed before any check looked at it.
const SCHEMA = "output schema";
const isUnfit = (result) => result.status === "failed" && !result.assertions.length;
const checksOf = (result) => isUnfit(result) ? [{ type: SCHEMA, passed: false }] : result.assertions;

// A check by its type; with "!" only where it was not met.
function hasCheck(item) {
  const isMissed = wanted.check.startsWith("!"), type = wanted.check.slice(isMissed ? 1 : 0);
  return item.results.some((result) => isOfColumn(result) && checksOf(result).some((each) => each.type === type && (!isMissed || each.passed !== true)));
}

// An error without a reply took time, and says nothing of how long a reply takes.
const hasReply = (result) => result.status !== "error" || isKnown(result.output);

function isInRange(item) {
  const [key, low, high] = wanted.range.split(":");
  return item.results.some((result) => isOfColumn(result) && hasReply(result) && isKnown(result[key]) && result[key] >= Number(low) && result[key] < Number(high));
}

const isOfColumn = (result) => wanted.in === "" || columnOf[result.e] === Number(wanted.in);
const isWanted = (item) => isOfStatus(item, wanted.status, wanted.in) && (wanted.in === "" || item.cells[wanted.in]?.length > 0) && (wanted.but === "" || item.states[wanted.but] === "passed")
  && (!wanted.tag || item.tags.includes(wanted.tag)) && (!wanted.prompt || item.prompt === wanted.prompt) && (!wanted.dataset || item.dataset === wanted.dataset) && (!wanted.check || hasCheck(item)) && (!wanted.range || isInRange(item))
  && (!wanted.search || textOf(item).includes(wanted.search.toLowerCase()));

// What is shown unless the address says something else: what went wrong, if anything did.
const usualStatus = () => ["regressed", "failed"].find((status) => cases.some((item) => isOfStatus(item, status))) || "";

// What was opened stays open, whatever is shown beside it.
const openCases = new Set();
const isNamed = (item) => wanted.case === item.key || wanted.case === item.id;

function writeAddress(way = "replaceState") {
  const usual = { ...NOTHING, status: usualStatus() }, isUsual = Object.entries(wanted).every(([key, value]) => value === usual[key]);
  const differing = Object.entries(wanted).filter(([key, value]) => value !== NOTHING[key]);
  const address = isUsual ? location.pathname + location.search : differing.length ? "#" + new URLSearchParams(differing) : "#status=";
  try { history[new URL(address, location.href).href === location.href ? "replaceState" : way](null, "", address); } catch { /* a page shown within another may not */ }
}

function readAddress() {
  const found = [...new URLSearchParams(location.hash.slice(1))].filter(([key]) => key in NOTHING);
  Object.assign(wanted, NOTHING);
  Object.assign(wanted, found.length ? {} : { status: usualStatus() }, Object.fromEntries(found));
  if (!(wanted.order in ORDERS)) wanted.order = NOTHING.order;
  for (const key of ["in", "but"]) if (!(wanted[key] in data.columns)) wanted[key] = "";
  for (const item of cases) if (isNamed(item)) openCases.add(item);
  shown = PAGE;
}

// Shows the cases behind a number, whatever was shown before; Back leads there again.
function go(change) {
  Object.assign(wanted, NOTHING, { order: wanted.order, view: wanted.view }, change);
  shown = PAGE;
  writeAddress("pushState");
  show();
  firstOf(byId("cases"))?.focus({ preventScroll: true });
  byId("cases-title").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function filterButton(content, change, about, kind = "link") {
  const button = el("button", { type: "button", class: kind, title: about, "aria-label": about }, content);
  button.addEventListener("click", () => go(change));
  return button;
}

// A number that leads to its cases; none lead nowhere.
function leading(number, noun, change, kind = "link") {
  const text = `${count(number)}${noun ? ` ${noun}` : ""}`;
  return number ? filterButton(text, change, `${text}: show the cases`, kind) : el("span", {}, text);
}

function choose(change) {
  Object.assign(wanted, change, { case: "" });
  shown = PAGE;
  show();
}

// Filters that have no field of their own, in words.
function chipWords() {
  const format = { score, latency_ms: time, full_cost_nano_usd: money }, [key, low, high] = wanted.range.split(":");
  const between = wanted.range && format[key] ? `${{ score: "score", latency_ms: "latency", full_cost_nano_usd: "cost" }[key]} ${format[key](Number(low))} ${high === "Infinity" ? "and more" : `to ${format[key](Number(high))}`}` : wanted.range;
  const told = { in: `${wanted.status ? "" : "has "}${nameOf(wanted.in)}`, but: `passed by ${nameOf(wanted.but)}`, check: wanted.check.startsWith("!") ? `${wanted.check.slice(1)} not met` : `checked by ${wanted.check}`, range: between };
  return Object.entries(told).filter(([name]) => wanted[name]);
}

// Each with a way to take it back.
function chips() {
  return chipWords().map(([name, text]) => {
    const chip = el("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${text}` }, text, el("span", { "aria-hidden": "true" }, " ×"));
    chip.addEventListener("click", () => { choose({ [name]: "" }); byId("status").querySelector("[aria-pressed=true]")?.focus({ preventScroll: true }); });
    return chip;
  });
}

// All filters in words, for paper.
const filterWords = () => [wanted.status && STATES[wanted.status]?.toLowerCase(), wanted.search && `with “${wanted.search}”`, wanted.tag && `tagged ${wanted.tag}`, wanted.prompt, wanted.dataset, ...chipWords().map(([, text]) => text)].filter(Boolean);
