// The page: its sentence, numbers and charts above, filters and cases below.
const varied = (list, read) => new Set(list.map(read)).size;
const isMany = varied(data.cases, (item) => item.prompt) > 1, isManyPrompts = varied(data.evaluations, (each) => each.prompt) > 1;
// Datasets are told apart where a prompt has several.
const hasDatasets = varied(data.evaluations, (each) => `${each.prompt} ${each.dataset}`) > varied(data.evaluations, (each) => each.prompt);
const results = data.cases.flatMap((item) => item.results);

function tile(name, value, note) {
  return el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null));
}

// What was evaluated, in parts.
function partsOf(evaluation) {
  const version = evaluation.version_display || "", number = version.startsWith("v") ? version.replace(/ \(.*/, "") : null;
  const parts = [data.evaluations.length === 1 ? version : number, evaluation.label ? `@${evaluation.label}` : null, evaluation.model, evaluation.dataset,
    ...Object.entries(evaluation.parameters || {}).map(([name, value]) => `${name}: ${plain(value)}`), evaluation.judges?.length ? `judged by ${evaluation.judges.join(", ")}` : null,
    ...(evaluation.judged || []).filter((each) => isKnown(each.corrected_rate)).map((each) =>
      `${each.type}${each.rubric ? ` (${each.rubric.text})` : ""}: ${percent(each.pass_rate)} raw, ${percent(each.corrected_rate)} corrected (${percent(each.corrected_low)} to ${percent(each.corrected_high)})`)];
  return parts.filter(Boolean);
}

// What holds for all evaluations is said once, at the top.
const common = data.evaluations.length > 1 ? partsOf(data.evaluations[0]).filter((part) => data.evaluations.every((each) => partsOf(each).includes(part))) : [];
const about = (evaluation, name) => partsOf(evaluation).filter((part) => !common.includes(part) && !name?.split(" · ").includes(part)).map((part) => el("span", {}, part));

// What was spent; replies without a price are said to be so, and are not free.
function cost(evaluation) {
  if (!evaluation.unpriced) return money(evaluation.cost_nano_usd);
  return evaluation.cost_nano_usd ? `${money(evaluation.cost_nano_usd)} + ${count(evaluation.unpriced)} unpriced` : "unpriced";
}

const answered = (evaluation) => Object.values(evaluation.reply_sources || {}).reduce((sum, number) => sum + number, 0);

// Replies that were not asked for now, and what they cost when they were.
function reused(evaluation) {
  const sources = evaluation.reply_sources || {}, kinds = [[sources.cache, "cached"], [sources.replay, "recorded"]].filter(([number]) => number);
  const full = isKnown(evaluation.full_cost_nano_usd) && evaluation.full_cost_nano_usd > evaluation.cost_nano_usd ? `${money(evaluation.full_cost_nano_usd)} when asked for` : null;
  return [...kinds.map(([number, kind]) => `${replies(number)} ${kind}`), full].filter(Boolean).join(", ");
}

function tiles(evaluation) {
  const left = evaluation.never_run ? [tile(notRun(evaluation), count(evaluation.never_run), STOPPED[evaluation.stopped])] : [];
  const repeats = evaluation.repeats > 1 ? [tile("at least once", percent(evaluation.pass_at_k), `of ${evaluation.repeats} times`), tile("every time", percent(evaluation.pass_hat_k), `all ${evaluation.repeats} times`),
    tile("flaky", leading(evaluation.flaky.length, "", { status: "differ" }))] : [];
  const expected = [["expected failures", evaluation.xfailed, "xfailed"], ["passed unexpectedly", evaluation.xpassed, "xpassed"]].filter(([, ids]) => ids?.length)
    .map(([name, ids, status]) => tile(name, leading(ids.length, "", { status })));
  const metrics = Object.entries(evaluation.metrics || {}).map(([name, value]) => tile(name, score(value), "mean"));
  const time50 = isGraded(evaluation) && isKnown(evaluation.p50_latency_ms) ? [tile("median latency", time(evaluation.p50_latency_ms)), tile("p95 latency", time(evaluation.p95_latency_ms), answered(evaluation) < 20 ? `of only ${replies(answered(evaluation))}` : null)] : [];
  return el("dl", { class: "tiles" }, tile("passed", leading(evaluation.passed, "", { status: "passed" })), tile("failed", leading(evaluation.failed, "", { status: "failed" })),
    tile("errors", leading(evaluation.errors, "", { status: "error" })), left, expected, repeats, metrics, isGraded(evaluation) || evaluation.cost_nano_usd ? tile("cost", el("span", { title: exactly(evaluation.cost_nano_usd) }, cost(evaluation)), reused(evaluation)) : [], time50);
}

// The command that shows an evaluation in a terminal, to copy; a review names none.
function showButton(evaluation) {
  const command = evaluation.evaluation ? `promptctl results show ${ending(evaluation.evaluation)}` : null;
  return command ? el("p", { class: "copies" }, copyButton(command, "Copy command", `Copy the command ${command}`)) : null;
}

// What to do where nothing was graded: what went wrong, if it is one thing, and the command that asks again.
function askAgain(evaluation) {
  const kinds = Object.keys(evaluation.error_types ?? {}), anew = `promptctl eval ${evaluation.prompt}`;
  // The prompt or its cases are to be mended, and then are others, with which this evaluation cannot go on.
  const isOfFiles = kinds.length && kinds.every((kind) => ["InputError", "RenderError", "RenderLimitExceeded"].includes(kind));
  const again = kinds.includes("ReplyNotRecorded") ? `${anew} --replies record` : isOfFiles ? anew : `promptctl eval resume ${ending(evaluation.evaluation)} --retry-errors`;
  const command = evaluation.evaluation && evaluation.errors ? again : null;
  return [sharedWhy ? el("pre", { class: "problem" }, sharedWhy) : null,
    command ? el("p", { class: "command" }, el("code", {}, command), copyButton(command, "Copy", `Copy the command ${command}`)) : null];
}

function only(evaluation) {
  return el("article", { class: `only ${evaluation.verdict}` },
    el("div", { class: "headline" }, isGraded(evaluation) ? el("p", { class: "big" }, percent(evaluation.pass_rate)) : el("p", { class: "big none" }, "–"), rateBar(evaluation), interval(evaluation),
      el("p", { class: "meta" }, !isGraded(evaluation) ? "nothing was graded" : isKnown(evaluation.low) ? `${within(evaluation)} for inputs like these` : null),
      isGraded(evaluation) ? null : askAgain(evaluation), el("p", { class: "meta parts" }, about(evaluation)), showButton(evaluation)),
    tiles(evaluation));
}

const STOPPED = { interrupted: "it was interrupted", "fail-fast": "it ended at the first failure", "max-cost": "the most it may cost was reached", budget: "a budget was spent", refused: "the provider refused",
  log: "the log could not be written", decided: "they could change nothing" };

// Cases without a result: once it was decided, nobody asked for them.
function notRun(evaluation) {
  return evaluation.stopped === "decided" ? "not asked" : "not run";
}

// How it does beside the one that passes most: each number leads to the cases.
function beside(evaluation, at) {
  const found = evaluation.beside;
  if (!found) return null;
  const flips = [leading(found.worse, "worse", { in: String(at), status: "failed", but: String(found.best) }), leading(found.better, "better", { in: String(found.best), status: "failed", but: String(at) })];
  return el("p", { class: "meta beside" }, el("span", {}, `beside ${nameOf(found.best)}: `, flips[0], " and ", flips[1]), el("span", {}, found.said));
}

function oneOfMany(evaluation, index) {
  const at = columnOf[index], inIt = { ...(isMatrix ? { in: String(at) } : {}), ...(isMany ? { prompt: promptOf(evaluation.prompt, evaluation.model) } : {}), ...(hasDatasets ? { dataset: evaluation.dataset } : {}) };
  const own = isMatrix && !evaluation.side ? nameOf(at) : "";
  const name = !own ? evaluation.prompt : isManyPrompts && !own.split(" · ").includes(evaluation.prompt) ? `${evaluation.prompt} · ${own}` : own;
  const most = (key) => Math.max(...data.evaluations.map((each) => each[key] || 0));
  const measured = (key, text, note) => el("div", { class: "spent" }, text,
    isKnown(evaluation[key]) && most(key) ? el("span", { class: "track" }, el("span", { class: "fill", style: `width: ${100 * evaluation[key] / most(key)}%` })) : null, note ? el("small", {}, note) : null);
  const priced = isKnown(evaluation.full_cost_nano_usd) && !evaluation.unpriced ? money(evaluation.full_cost_nano_usd) : evaluation.unpriced ? cost(evaluation) : "unpriced";
  const wrong = [leading(evaluation.failed, "failed", { ...inIt, status: "failed" }), evaluation.errors ? leading(evaluation.errors, evaluation.errors === 1 ? "error" : "errors", { ...inIt, status: "error" }) : null,
    evaluation.never_run ? el("span", {}, `${count(evaluation.never_run)} ${notRun(evaluation)}`) : null];
  return el("article", { class: `run ${evaluation.verdict}` },
    el("div", { class: "name" }, el("h2", {}, name), el("p", { class: "meta parts" }, about(evaluation, name), isKnown(evaluation.score) ? el("span", {}, `mean score ${score(evaluation.score)}`) : null), beside(evaluation, at), showButton(evaluation)),
    el("div", { class: "bar" }, rateBar(evaluation), interval(evaluation)),
    el("p", { class: "number" }, isGraded(evaluation) ? percent(evaluation.pass_rate) : "–", el("small", {}, leading(evaluation.passed, `of ${count(evaluation.cases + evaluation.never_run)}`, { ...inIt, status: "passed" }))),
    el("p", { class: "meta wrong" }, wrong.filter(Boolean)),
    measured("full_cost_nano_usd", priced, evaluation.full_cost_nano_usd > evaluation.cost_nano_usd ? `${money(evaluation.cost_nano_usd)} spent, replies reused` : answered(evaluation) ? `for ${replies(answered(evaluation))}` : ""),
    measured("p50_latency_ms", isKnown(evaluation.p50_latency_ms) ? time(evaluation.p50_latency_ms) : "-", isKnown(evaluation.p50_latency_ms) ? "median" : "not timed"));
}

// Tags, and assertions, with how their cases came out; the weakest first. A row shows its cases.
function parts(title, found, change, none) {
  const rows = Object.entries(found).sort(([, one], [, other]) => one.pass_rate - other.pass_rate).slice(0, 12).map(([name, counts]) =>
    filterButton([el("span", { class: "name" }, name), el("span", { class: "track" }, rateBar(counts)), el("span", { class: "value" }, `${count(counts.passed)} of ${count(counts.cases)}`)],
      change(name, counts), `${name}: ${count(counts.passed)} of ${count(counts.cases)} passed`, "row"));
  const isGood = Object.values(found).every((counts) => counts.passed === counts.cases);
  return rows.length ? figure(title, isGood ? none : null, el("div", { class: "rows" }, walked(rows))) : null;
}

// Replies that fit the output schema, where one does not.
function fitting(evaluation) {
  const unfit = results.filter(isUnfit).length, replied = answered(evaluation) - results.filter((result) => !hasReply(result)).length;
  return unfit ? { [SCHEMA]: { passed: replied - unfit, failed: unfit, errors: 0, cases: replied, pass_rate: (replied - unfit) / replied } } : {};
}

function chartNodes() {
  const trend = versions(data.trend, data.moves || []), byVersion = trend ? [figure("How does each version do?", null, trend)] : [];
  if (data.evaluations.length === 1) {
    const [one] = data.evaluations, values = (key) => results.filter(hasReply).map((result) => result[key]);
    const isMissed = (counts) => counts.passed < counts.cases;
    return [...byVersion, isGraded(one) ? parts("Which tags fail?", one.by_tag, (tag, counts) => ({ tag, status: isMissed(counts) && counts.failed ? "failed" : "" }), one.passed === one.cases ? "none" : null) : null,
      parts("How often does each check pass?", { ...fitting(one), ...one.by_assertion }, (name, counts) => ({ check: `${isMissed(counts) ? "!" : ""}${name}` }), "every time"), histogram("How good are the replies?", "score", values("score"), score),
      histogram("How long do they take?", "latency_ms", values("latency_ms"), time), histogram("What does one cost?", "full_cost_nano_usd", values("full_cost_nano_usd"), money)];
  }
  const named = (read) => data.evaluations.map((each, at) => ({ value: read(each), name: isMatrix ? [each.side ? each.prompt : null, nameOf(columnOf[at])].filter(Boolean).join(", ") : each.prompt }));
  const metrics = [...new Set(data.evaluations.flatMap((each) => Object.keys(each.metrics || {})))].slice(0, 6);
  return [...byVersion, ...metrics.map((name) => bars(`Mean ${name}`, named((each) => each.metrics?.[name]), score, 1))];
}

// Cards in up to three columns of about the same height: in as many as leave the smallest hole.
function inColumns(figures) {
  const heights = figures.map((each) => each.querySelectorAll(".row").length * 28 + (each.querySelector(".histogram") ? 170 : 60));
  const [best] = [3, 2, 1].filter((number) => number <= figures.length).map((number) => {
    const columns = [...Array(number)].map(() => ({ height: 0, cards: [] }));
    figures.forEach((each, at) => {
      const shortest = columns.reduce((one, other) => other.height < one.height ? other : one);
      shortest.height += heights[at];
      shortest.cards.push(each);
    });
    const tallest = Math.max(...columns.map(({ height }) => height)), filled = heights.reduce((sum, height) => sum + height, 0);
    return { columns, loss: 1 - filled / (number * tallest) + 0.15 * (number < 3 && figures.length > 3) + 0.3 * (number === 1) };
  }).sort((one, other) => one.loss - other.loss);
  return best ? el("div", { class: `columns of-${best.columns.length}` }, best.columns.map(({ cards }) => el("div", {}, cards))) : null;
}

const wantedCases = () => cases.filter(isWanted).sort(ORDERS[wanted.order][1]);
const firstOf = (node) => node?.querySelector("summary, .opens");

function show() {
  const found = wantedCases();
  shown = Math.max(shown, PAGE * Math.ceil((found.findIndex(isNamed) + 1) / PAGE));
  const some = found.slice(0, shown);
  const none = el("p", { class: "meta nothing" }, cases.length ? "No case is like that." : "No case has been run yet.");
  byId("cases").replaceChildren(...!found.length ? [none] : isMatrix ? [matrixNode(some)] : some.map(caseNode));
  // Of versions the newest are seen first, which stand last.
  const box = byId("cases").querySelector(".wide");
  if (data.moves && box) box.scrollLeft = box.scrollWidth;
  byId("count").textContent = `${found.length === cases.length ? "" : `${count(found.length)} of `}${count(cases.length)} ${cases.length === 1 ? "case" : "cases"}`;
  showRest(found);
  byId("chips").replaceChildren(...chips());
  for (const id of ["status", "view"]) for (const button of byId(id).children) button.setAttribute("aria-pressed", String(button.value === wanted[id]));
  for (const id of ["tag", "prompt", "dataset", "order", "search"]) if (byId(id).value !== wanted[id]) byId(id).value = wanted[id];
  writeAddress();
}

// How many more there are: for a button, and for paper, which has no filters either.
function showRest(found) {
  const isCut = found.length > shown, words = filterWords().join(", ");
  byId("more").hidden = !isCut;
  byId("more").textContent = `Show ${count(Math.min(PAGE, found.length - shown))} more of ${count(found.length)}`;
  byId("printed").textContent = words || isCut ? visible(`${words ? `Only ${words}: ` : ""}${byId("count").textContent}${isCut ? `, the first ${count(shown)} of them` : ""}`) : "";
}

function showMore() {
  const found = wantedCases(), next = found.slice(shown, shown + PAGE), into = isMatrix ? byId("cases").querySelector("tbody") : byId("cases"), last = into.lastElementChild;
  shown += PAGE;
  if (isMatrix) addRows(into, next); else into.append(...next.map(caseNode));
  showRest(found);
  firstOf(last.nextElementSibling)?.focus({ preventScroll: true });
}

function arrive() {
  readAddress();
  show();
  byId("cases").querySelectorAll(".case, tr:has(.opens)")[wantedCases().findIndex(isNamed)]?.scrollIntoView();
}

function fillSelect(id, items, fewest) {
  byId(id).append(...items.map(([value, text]) => el("option", { value }, text)));
  byId(id).closest("label").hidden = items.length < fewest;
  byId(id).addEventListener("input", () => choose({ [id]: byId(id).value }));
}

function choices(id, items) {
  byId(id).append(...items.map(([value, name, number]) => {
    const button = el("button", { type: "button", value, class: value || "all" }, name, isKnown(number) ? el("small", {}, count(number)) : null);
    button.addEventListener("click", () => choose({ [id]: value }));
    return button;
  }));
  byId(id).hidden = items.length < 2;
}

function start() {
  document.title = data.title;
  byId("subject").append(...[data.state ? el("span", { class: `mark ${data.state.replaceAll(" ", "-")}` }, data.state) : null, ...[data.title, ...common].map((part) => el("span", {}, part))].filter(Boolean));
  byId("title").replaceChildren(...unbroken(data.sentence));
  byId("more-said").textContent = visible((data.more || []).join(" "));
  byId("more-said").hidden = !data.more?.length;
  byId("about").textContent = visible(data.about);
  document.body.classList.toggle("broad", data.columns.length > 3);
  if (data.review) byId("verdicts").before(...reviewNodes(data.review));
  // Both sides of a comparison stand in its row already; of a trend the newest version comes first, below its chart.
  const listed = data.evaluations.length === 1 ? [only(data.evaluations[0])] : data.evaluations.map((each, at) => each.side ? null : oneOfMany(each, at)).filter(Boolean);
  const isLong = data.moves && listed.length > 6;
  put(byId("verdicts"), {}, [data.moves ? el("details", isLong ? {} : { open: "" }, el("summary", {}, `Numbers of ${count(listed.length)} versions`), listed.reverse()) : listed]);
  const charts = chartNodes().filter(Boolean);
  put(byId("charts"), {}, [charts.filter((each) => each.querySelector(".versions")), inColumns(charts.filter((each) => !each.querySelector(".versions")))]);
  if (data.moves) byId("verdicts").before(byId("charts"));
  byId("cases-title").closest("section").hidden = !data.cases.length && !data.evaluations.length;
  for (const id of ["verdicts", "charts"]) byId(id).hidden = !byId(id).children.length;
  const of = (status) => cases.filter((item) => isOfStatus(item, status)).length;
  choices("status", Object.entries(STATES).map(([status, name]) => [status, name, of(status)]).filter(([status, , number]) => !status || number));
  choices("view", isMatrix ? [[data.columns.length > FEW ? "replies" : "", "Replies"], [data.columns.length > FEW ? "" : "marks", "Marks only"]] : []);
  const unique = (values) => [...new Set(values)].sort().map((value) => [value, value]);
  fillSelect("tag", [["", "any tag"], ...unique(data.cases.flatMap((item) => item.tags))], 2);
  fillSelect("prompt", [["", "any prompt"], ...unique(data.cases.map((item) => item.prompt))], 3);
  fillSelect("dataset", [["", "any dataset"], ...(hasDatasets ? unique(data.evaluations.map((each) => each.dataset)) : [])], 3);
  fillSelect("order", Object.entries(ORDERS).map(([value, [name]]) => [value, name]), 2);
  byId("search").addEventListener("input", () => choose({ search: byId("search").value }));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", showMore);
  addEventListener("hashchange", arrive);
  new ResizeObserver(([entry]) => document.body.style.setProperty("--filters", `${entry.target.offsetHeight}px`)).observe(byId("filters"));
  arrive();
}

start();
