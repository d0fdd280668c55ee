// The page: verdicts and charts above, filters and cases below. What is filtered stands in the address, to be shared.
const PAGE = 200;
const isMany = new Set(data.cases.map((item) => item.prompt)).size > 1;
const results = data.cases.flatMap((item) => item.results);

function tile(name, value, note) {
  return el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, String(value), note ? el("small", {}, note) : null));
}

function about(evaluation) {
  const parts = [evaluation.side, evaluation.version_display, evaluation.label ? `@${evaluation.label}` : null, evaluation.model, evaluation.dataset,
    ...Object.entries(evaluation.parameters || {}).map(([name, value]) => `${name}: ${plain(value)}`), evaluation.judges?.length ? `judged by ${evaluation.judges.join(", ")}` : null,
    ...(evaluation.judged || []).filter((each) => isKnown(each.corrected_rate)).map((each) =>
      `${each.type}${each.rubric ? ` (${each.rubric.text})` : ""}: ${percent(each.pass_rate)} raw, ${percent(each.corrected_rate)} corrected (${percent(each.corrected_low)} to ${percent(each.corrected_high)})`)];
  return parts.filter(Boolean).map((part) => el("span", {}, part));
}

// What was spent; replies without a price are said to be so, and are not free.
function cost(evaluation) {
  if (!evaluation.unpriced) return money(evaluation.cost_nano_usd);
  return evaluation.cost_nano_usd ? `${money(evaluation.cost_nano_usd)} + ${count(evaluation.unpriced)} unpriced` : "unpriced";
}

function ofCases(evaluation) {
  const within = isKnown(evaluation.low) ? `, 95% interval ${percent(evaluation.low)} to ${percent(evaluation.high)}` : "";
  return `${count(evaluation.passed)} of ${count(evaluation.expected_cases ?? evaluation.cases)} cases${within}`;
}

function tiles(evaluation) {
  const left = evaluation.never_run ? [tile(notRun(evaluation), count(evaluation.never_run))] : [];
  const repeats = evaluation.repeats > 1 ? [tile(`pass@${evaluation.repeats}`, percent(evaluation.pass_at_k)), tile(`pass^${evaluation.repeats}`, percent(evaluation.pass_hat_k)),
    tile("flaky", count(evaluation.flaky.length))] : [];
  const metrics = Object.entries(evaluation.metrics || {}).map(([name, value]) => tile(name, score(value)));
  const reused = isKnown(evaluation.full_cost_nano_usd) && evaluation.full_cost_nano_usd > evaluation.cost_nano_usd ? `of ${money(evaluation.full_cost_nano_usd)}, the rest reused` : null;
  const time50 = isKnown(evaluation.p50_latency_ms) ? [tile("half within", time(evaluation.p50_latency_ms)), tile("95% within", time(evaluation.p95_latency_ms))] : [];
  return el("dl", { class: "tiles" }, tile("passed", count(evaluation.passed)), tile("failed", count(evaluation.failed)), tile("errors", count(evaluation.errors)), left, repeats,
    metrics, tile("cost", cost(evaluation), reused), time50);
}

function only(evaluation) {
  return el("article", { class: `only ${evaluation.verdict}` },
    el("div", { class: "headline" }, el("p", { class: "verdict" }, el("span", { class: `mark ${evaluation.verdict}` }, evaluation.verdict), el("span", {}, evaluation.reason)),
      isKnown(evaluation.pass_rate) ? el("p", { class: "big" }, percent(evaluation.pass_rate)) : null, rateBar(evaluation), interval(evaluation), el("p", { class: "meta" }, ofCases(evaluation)),
      el("p", { class: "meta parts" }, about(evaluation))),
    tiles(evaluation));
}

// Cases without a result: once it was decided, nobody asked for them.
function notRun(evaluation) {
  return evaluation.stopped === "decided" ? "not asked" : "not run";
}

function oneOfMany(evaluation) {
  const numbers = [[evaluation.failed, "failed"], [evaluation.errors, "errors"], [evaluation.never_run, notRun(evaluation)]].filter(([number]) => number);
  const spent = [cost(evaluation), isKnown(evaluation.p50_latency_ms) ? time(evaluation.p50_latency_ms) : null].filter(Boolean);
  return el("article", { class: `run ${evaluation.verdict}` },
    el("div", { class: "name" }, el("h3", {}, evaluation.prompt), el("p", { class: "meta parts" }, about(evaluation))),
    el("div", { class: "bar" }, rateBar(evaluation), interval(evaluation)),
    el("p", { class: "number" }, percent(evaluation.pass_rate), el("small", {}, `${count(evaluation.passed)} of ${count(evaluation.expected_cases ?? evaluation.cases)}`)),
    el("p", { class: "meta wrong" }, numbers.map(([number, name]) => el("span", {}, `${count(number)} ${name}`))),
    el("p", { class: "meta spent" }, spent.map((fact) => el("span", {}, fact))));
}

// Tags, and assertions, with how their cases came out; the weakest first.
function parts(title, found) {
  const rows = Object.entries(found).sort(([, one], [, other]) => one.pass_rate - other.pass_rate).slice(0, 12)
    .map(([name, counts]) => el("div", { class: "row" }, el("span", { class: "name" }, name), el("span", { class: "track" }, rateBar(counts)), el("span", { class: "value" }, percent(counts.pass_rate))));
  return rows.length ? figure(title, null, el("div", { class: "rows" }, rows)) : null;
}

function chartNodes() {
  const one = data.evaluations.length === 1 ? data.evaluations[0] : null;
  const telling = [], name = (each) => telling.map((part) => each[part]).filter(Boolean).join(" · ");
  const kinds = () => new Set(data.evaluations.map(name)).size;
  for (const part of ["prompt", "model", "side", "version_display", "dataset"]) {
    const before = kinds();
    telling.push(part);
    if (kinds() === before) telling.pop();
  }
  const named = (key) => data.evaluations.map((each) => ({ value: key === "full_cost_nano_usd" && each.unpriced ? null : each[key], name: name(each) }));
  const values = (key) => results.map((result) => result[key]);
  const charts = one
    ? [trend(data.trend), parts("By tag", one.by_tag), parts("By assertion", one.by_assertion), histogram("Score", values("score"), score),
      histogram("Latency", values("latency_ms"), time), histogram("Cost of a reply", values("full_cost_nano_usd"), money)]
    : [trend(data.trend), bars("Mean score", named("score"), score, 1), bars("Latency, half within", named("p50_latency_ms"), time), bars("Cost", named("full_cost_nano_usd"), money)];
  return charts.filter(Boolean);
}

const ORDERS = { dataset: ["as in the dataset", (one, other) => one.position - other.position], score: ["lowest score", (one, other) => (one.score ?? 2) - (other.score ?? 2)],
  latency: ["slowest", (one, other) => other.latency - one.latency], cost: ["costliest", (one, other) => other.cost - one.cost] };
const STATES = { "": "All", regressed: "Regressed", improved: "Improved", noise: "Noise", failed: "Failed", error: "Errors", passed: "Passed", differ: "Differ" };
const wanted = { status: "", search: "", tag: "", prompt: "", order: "dataset" };
let shown = PAGE;

const flipOf = (item) => !item.flip ? null : item.flip.certainty === "noise" ? "noise" : item.flip.way;
const isOfStatus = (item, status) => status === "" || flipOf(item) === status || (status === "differ" ? item.differs : item.states.has(status));
const isWanted = (item) => isOfStatus(item, wanted.status) && (!wanted.tag || item.tags.includes(wanted.tag)) && (!wanted.prompt || item.prompt === wanted.prompt)
  && (!wanted.search || item.text.includes(wanted.search.toLowerCase()));

function show() {
  const found = cases.filter(isWanted).sort(ORDERS[wanted.order][1]);
  const none = el("p", { class: "meta none" }, cases.length ? "No case is like that." : "No case has been run yet.");
  byId("cases").replaceChildren(...found.length ? found.slice(0, shown).map(caseNode) : [none]);
  byId("count").textContent = found.length === cases.length ? `${count(cases.length)} cases` : `${count(found.length)} of ${count(cases.length)} cases`;
  byId("more").hidden = found.length <= shown;
  for (const button of byId("status").children) button.setAttribute("aria-pressed", String(button.value === wanted.status));
  const differing = Object.entries(wanted).filter(([key, value]) => value !== (key === "order" ? "dataset" : ""));
  const address = differing.length ? "#" + new URLSearchParams(differing) : location.pathname + location.search;
  try { history.replaceState(null, "", address); } catch { /* a page shown within another may not */ }
}

function choose(key, value) {
  wanted[key] = value;
  shown = PAGE;
  show();
}

function fillSelect(id, items, fewest) {
  byId(id).append(...items.map(([value, text]) => el("option", { value }, text)));
  byId(id).value = wanted[id];
  byId(id).closest("label").hidden = items.length < fewest;
  byId(id).addEventListener("input", () => choose(id, byId(id).value));
}

function start() {
  document.title = data.title;
  byId("title").textContent = data.title;
  byId("about").textContent = data.about;
  if (data.review) byId("verdicts").before(reviewNode(data.review));
  byId("verdicts").append(...data.evaluations.map(data.evaluations.length === 1 ? only : oneOfMany));
  byId("charts").append(...chartNodes());
  const of = (status) => cases.filter((item) => isOfStatus(item, status)).length;
  wanted.status = ["regressed", "failed"].find(of) || "";
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (key in wanted && (key !== "order" || value in ORDERS)) wanted[key] = value;
  for (const [status, name] of Object.entries(STATES)) {
    if (status && !of(status)) continue;
    const button = el("button", { type: "button", value: status, class: status || "all" }, name, el("small", {}, count(of(status))));
    button.addEventListener("click", () => choose("status", status));
    byId("status").append(button);
  }
  const unique = (values) => [...new Set(values)].sort().map((value) => [value, value]);
  fillSelect("tag", [["", "any tag"], ...unique(data.cases.flatMap((item) => item.tags))], 2);
  fillSelect("prompt", [["", "any prompt"], ...unique(data.cases.map((item) => item.prompt))], 3);
  fillSelect("order", Object.entries(ORDERS).map(([value, [name]]) => [value, name]), 2);
  byId("search").value = wanted.search;
  byId("search").addEventListener("input", () => choose("search", byId("search").value));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { shown += PAGE; show(); });
  show();
}

start();
