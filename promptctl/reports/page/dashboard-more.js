// Budgets, experiments, evaluations, all changes, examples of failures, and what these numbers leave out.
const MOST_CHANGES = 40, MOST_EVALUATIONS = 12;
const section = (title, ...children) => el("section", { class: "part" }, el("h2", {}, title), ...children);
const amounts = { nano_usd: money, calls: (value) => plural(value, "call"), tokens: (value) => plural(value, "token") };
const BUDGET_STATES = { ok: "passed", warned: "error", exceeded: "failed", blocked: "failed", disabled: "failed" };
const points = (value) => !isKnown(value) ? "unknown" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(100 * value).toFixed(1)}`;

function budgetNode(budget) {
  const amount = amounts[budget.unit] || count, share = part(budget.spent, budget.limit), accounts = budget.accounts || [];
  const bar = (of, isMain) => {
    const spent = fillTo(el("i", { class: BUDGET_STATES[of.state] || "passed" }), part(of.spent, budget.limit) || 0), held = fillTo(el("i", { class: "held" }), part(of.reserved, budget.limit) || 0);
    const warn = isMain && isKnown(budget.warn_at) && budget.warn_at < 1 ? el("b", { class: "warn-at" }) : null;
    if (warn) warn.style.left = `${100 * budget.warn_at}%`;
    return el("span", { class: "track", "aria-hidden": "true" }, spent, held, warn);
  };
  const facts = [`${budget.unit === "nano_usd" ? amount(budget.spent) : count(budget.spent)} of ${amount(budget.limit)}${isKnown(share) ? ` (${percent(share)})` : ""}`, budget.reserved ? `${amount(budget.reserved)} reserved` : null, budget.kept ? `${amount(budget.kept)} of it by requests that never told their cost` : null,
    budget.per === "total" ? "in all" : `per ${budget.per}`, budget.each ? `for each ${budget.each}` : null, budget.window_end ? `resets ${day(Date.parse(budget.window_end))}` : null].filter(Boolean);
  const rest = budget.each && accounts.length ? el("ul", { class: "shares" }, accounts.slice(0, 6).map((account) => el("li", {}, el("span", { class: "name" }, account.account ?? "none given"), bar(account), el("span", { class: "value" }, amount(account.spent))))) : null;
  const more = accounts.length > 6 ? el("p", { class: "meta" }, `and ${count(accounts.length - 6)} more: promptctl budget show ${quoted(budget.budget)}`) : null;
  return el("article", { class: "card budget" }, el("h3", {}, budget.budget, " ", el("span", { class: `mark ${BUDGET_STATES[budget.state] || "unknown"}` }, budget.state)), budget.each ? rest : bar(budget, true), el("p", { class: "meta" }, facts.map((fact) => el("span", {}, fact))), more, budget.reason && budget.state !== "warned" ? el("p", { class: "meta" }, budget.reason) : null);
}

// The difference of one arm to control, with its interval, as it grew.
function experimentNodes(experiment) {
  const { primary } = experiment, by = primary.relative ? "%" : " points", voided = experiment.voided || [];
  return experiment.arms.slice(1).map((arm) => {
    const grown = experiment.growth.filter((point) => point.arm === arm.arm && isKnown(point.value)), last = grown[grown.length - 1], title = `${experiment.experiment}: ${arm.arm}`;
    const moments = grown.map((point) => ({ start: Date.parse(point.at), end: Date.parse(point.at) })), from = moments.length ? moments[0].start : 0, to = moments.length ? moments[moments.length - 1].end : 0;
    const verdict = voided.length ? `void: ${voided[0]}` : arm.verdict || "undecided", within = (point) => `${points(point.low)} to ${points(point.high)}${by}`;
    const note = [last ? within(last) : null, arm.more_keys ? `${plural(arm.more_keys, `more ${experiment.key}`)} in each arm would show ${points(primary.minimum)}${by}` : null].filter(Boolean).join("; ");
    const isLower = primary.direction === "lower", lines = [{ value: 0, name: "no difference", isBelow: !isLower }, ...primary.minimum ? [{ value: isLower ? -primary.minimum : primary.minimum, name: "asked for", isBelow: isLower }] : []];
    // The first intervals are so wide that nothing else could be seen beside them: these are cut off.
    const wide = (point) => (point.high ?? Infinity) - (point.low ?? -Infinity), settled = grown.filter((point) => wide(point) <= 5 * wide(last) && wide(point) < Infinity);
    const seen = [...settled.flatMap((point) => [point.low, point.high]), ...grown.map((point) => point.value), ...lines.map((line) => line.value)], scale = settled.length ? [Math.min(...seen), Math.max(...seen)] : undefined;
    const bounded = (key) => (at) => Math.max(-2, Math.min(2, grown[at][key] ?? (key === "low" ? -2 : 2)));
    const figure = chartFigure({ title, big: last ? `${points(last.value)}${by}` : null, note, columns: [{ ...stepColumn(moments), raw: (row) => grown[row].at }, valueColumn("Difference", "number", (row) => grown[row].value, points), valueColumn("Low", "number", (row) => grown[row].low, points), valueColumn("High", "number", (row) => grown[row].high, points), valueColumn("Values", "count", (row) => grown[row].values, count)],
      chart: { title, points: moments, from, to, marks: MARKS.filter((mark) => mark.ms >= from && mark.ms <= to && mark.prompt === experiment.prompt), kind: "lines", unit: "points", lines, scale, series: [{ name: "difference to control", colour: "c1", value: (at) => grown[at].value, text: (at) => `${points(grown[at].value)}${by}`, low: bounded("low"), high: bounded("high") }],
        notes: (at) => [`95% interval ${within(grown[at])}`, plural(grown[at].values, experiment.key)] } });
    figure.querySelector("h3").after(el("p", { class: "meta" }, el("span", {}, el("span", { class: `mark ${{ better: "passed", worse: "failed" }[arm.verdict] && !voided.length ? { better: "passed", worse: "failed" }[arm.verdict] : "unknown"}` }, verdict)),
      el("span", {}, `${primary.outcome}, ${primary.direction} is better`), experiment.hypothesis ? el("span", {}, experiment.hypothesis) : null));
    return figure;
  });
}

// Where nothing was graded, as each case ended in an error, there is no pass rate.
const graded = (found) => ({ ...found, rows: found.rows.map((row) => row.passed + row.failed ? row : { ...row, pass_rate: null, low: null, high: null }) });

// Pass rates from version to version: these stand side by side, as a version is no moment.
function evaluationNode(found) {
  const rows = found.rows, width = 340, high = 150, left = 40, right = width - 14, roof = 14, floor = high - 26, last = rows[rows.length - 1];
  const least = Math.min(...rows.flatMap((row) => [row.low, row.pass_rate]).filter(isKnown), 1), ticks = ticksOf(Math.max(0, least), 1, 3).filter((tick) => tick <= 1), bottom = ticks[0];
  const x = (at) => rows.length === 1 ? (left + right) / 2 : left + 16 + (right - left - 32) * at / (rows.length - 1), y = (share) => floor - (floor - roof) * (share - bottom) / (1 - bottom || 1);
  const version = (row) => String(row.version_display || "v?").replace(/ \(.*/, ""), title = `${found.prompt} on ${found.dataset}`;
  let before = -Infinity;
  const labels = rows.map((row, at) => {
    const text = version(row) + (row.same_cases ? "" : "*"), half = widthOf(text) / 2;
    if (x(at) - half < before + 8 && at < rows.length) return null;
    before = x(at) + half;
    return svg("text", { x: x(at), y: high - 6, "text-anchor": "middle" }, text);
  });
  const line = rows.map((row, at) => isKnown(row.pass_rate) ? `${x(at)},${y(row.pass_rate)}` : null).filter(Boolean).join("L"), joined = line ? svg("path", { class: "line c1", d: `M${line}` }) : null;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${high}`, class: "ordinal", role: "img", "aria-label": rows.map((row) => `${version(row)} ${percent(row.pass_rate)}`).join(", ") },
    ticks.map((tick) => [svg("line", { class: "axis", x1: left, x2: right, y1: y(tick), y2: y(tick) }), svg("text", { x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick))]), joined,
    rows.map((row, at) => isKnown(row.pass_rate) ? [isKnown(row.low) ? svg("line", { class: "whisker c1", x1: x(at), x2: x(at), y1: y(Math.max(bottom, row.low)), y2: y(row.high) }) : null,
      svg("circle", { class: `dot c1${row.same_cases ? "" : " thin"}`, cx: x(at), cy: y(row.pass_rate), r: 4 }, svg("title", {}, `${version(row)}: ${percent(row.pass_rate)}`))] : null), labels);
  const columns = [{ name: "Version", text: (at) => rows[at].version_display ?? "v?", raw: (at) => rows[at].version_display ?? "", }, { name: "Evaluated", isText: true, text: (at) => whole(Date.parse(rows[at].started_at)), raw: (at) => rows[at].started_at },
    valueColumn("Pass rate", "share", (at) => rows[at].pass_rate, percent), valueColumn("Low", "share", (at) => rows[at].low, percent), valueColumn("High", "share", (at) => rows[at].high, percent), valueColumn("Passed", "count", (at) => rows[at].passed, count), valueColumn("Cases", "count", (at) => rows[at].cases, count), valueColumn("Cost", "money", (at) => rows[at].cost_nano_usd, money)];
  const fell = rows.length > 1 && isKnown(last.low) && rows.slice(0, -1).some((row) => row.same_cases && isKnown(row.low) && row.low > last.high);
  const note = [`${version(last)}: ${count(last.passed)} of ${plural(last.cases, "case")}`, isKnown(last.low) ? `95% interval ${percent(last.low)} to ${percent(last.high)}` : null].filter(Boolean).join("; ");
  return el("figure", { class: "chart" }, el("figcaption", {}, el("h3", {}, found.prompt), el("p", { class: "meta" }, el("span", {}, found.dataset), found.model ? el("span", {}, found.model) : null), el("p", { class: "big" }, percent(last.pass_rate), el("small", {}, note))), chart,
    fell ? el("p", { class: "meta" }, "An earlier version was better beyond chance.") : null, rows.some((row) => !row.same_cases) ? el("p", { class: "meta" }, "* had different cases") : null, tableUnder(title, columns, rows.length));
}

// One version alone is no course: these are rows.
function alonesNode(evaluations) {
  const rows = evaluations.map((found) => ({ ...found.rows[0], prompt: found.prompt, dataset: found.dataset, model: found.model })), title = "Evaluations of one version";
  const texts = (name, text) => ({ name, isText: true, text: (at) => text(rows[at]), raw: (at) => text(rows[at]) }), share = (key) => valueColumn(key.replace("_", " "), "share", (at) => rows[at][key], percent);
  const first = [texts("Prompt", (row) => row.prompt), texts("Version", (row) => String(row.version_display || "v?").replace(/ \(.*/, "")), texts("Dataset", (row) => row.dataset), texts("Model", (row) => row.model)];
  const interval = texts("95% interval", (row) => isKnown(row.low) ? `${percent(row.low)} to ${percent(row.high)}` : "–"), passed = texts("Passed", (row) => `${count(row.passed)} of ${count(row.cases)}${row.errors ? `, ${plural(row.errors, "error")}` : ""}`);
  const seen = [...first, { ...share("pass_rate"), name: "Pass rate" }, interval, passed, { name: "Evaluated", isText: true, text: (at) => whole(Date.parse(rows[at].started_at)).replaceAll(" ", "\u00a0") }];
  const copied = [...first, share("pass_rate"), share("low"), share("high"), ...["passed", "failed", "errors", "cases"].map((key) => valueColumn(key, "count", (at) => rows[at][key], count)), { name: "evaluated", raw: (at) => rows[at].started_at }];
  return [el("h3", { class: "lone" }, title), tableOf(title, seen, rows.length), el("div", { class: "foot" }, el("span"), copyButton(() => csvOf(copied, rows.length), "Copy as CSV", `Copy ${title} as CSV`))];
}

function changesNode(marks) {
  const list = [...marks].reverse(), columns = [{ name: "When", text: (at) => `${day(list[at].ms)}, ${clock(list[at].ms)}`, raw: (at) => list[at].at }, { name: "What", isText: true, text: (at) => MARK_NAMES[list[at].kind] || list[at].kind, raw: (at) => list[at].kind, node: (at) => el("span", { class: "kind" }, glyphIcon(list[at].kind), MARK_NAMES[list[at].kind] || list[at].kind) },
    { name: "Prompt", isText: true, text: (at) => list[at].prompt ?? "–", raw: (at) => list[at].prompt ?? "" }, { name: "Change", isText: true, text: (at) => list[at].text, raw: (at) => list[at].text }];
  return [tableOf("Changes", columns, Math.min(MOST_CHANGES, list.length)), el("div", { class: "foot" }, el("p", { class: "meta" }, list.length > MOST_CHANGES ? `The newest ${MOST_CHANGES} of ${count(list.length)}; the CSV has all.` : ""), copyButton(() => csvOf(columns, list.length), "Copy as CSV", "Copy the changes as CSV"))];
}

function exampleNode(example) {
  const texts = [["Error", example.message], ["Sent", example.input], ["Answered", example.reply]].filter(([, text]) => isKnown(text) && text !== example.error);
  return keptOpen(`example ${example.execution}`, el("details", { class: "example" }, el("summary", {}, el("span", { class: "mark failed" }, String(example.error || example.status).replaceAll("_", " ")), " ", el("b", {}, `${example.prompt} ${example.version_display ?? ""}`), " ", el("small", {}, `${day(Date.parse(example.at))}, ${clock(Date.parse(example.at))} · ${example.model}`)),
    texts.map(([name, text]) => [el("h3", {}, name), el("pre", {}, plain(text))]), isKnown(example.input) || isKnown(example.reply) ? null : el("p", { class: "meta" }, "What was sent and answered is not kept: the prompt's log rule says `content: metadata`."), copyButton(`promptctl log show ${example.execution}`, "Copy command", `Copy command: log show ${example.execution}`)));
}

function leftOut() {
  const { evaluations: ofEvaluations, without_row: without } = data.not_counted || {}, be = (number) => number === 1 ? "is" : "are", number = (found, words) => found ? `${plural(found.calls, "call")} ${words} ${be(found.calls)} not in these charts${found.cost_nano_usd ? `, ${money(found.cost_nano_usd)}` : ""}${found.unpriced ? `, ${count(found.unpriced)} of them without a price` : ""}` : null;
  return [...data.notes, ...data.merged.map((each) => each.text), data.marks_left_out ? `${plural(data.marks_left_out, "earlier change")} ${be(data.marks_left_out)} not marked.` : null, data.unpriced_models.length ? `No price is known of ${data.unpriced_models.map((each) => `${each.model} (${plural(each.replies, "reply", "replies")})`).join(", ")}: \`promptctl cost\` says how to give one. The costs here are of the others.` : null,
    number(ofEvaluations, "of evaluations"), number(without, "kept no row in the log, by a log rule or after pruning, and"),
    `Latencies are of fresh whole replies and exact to ±${percent(data.latency_scale.relative_error)}. Fewer than ${FEWEST} calls are called thin: a hollow dot. Bands and whiskers are 95% intervals.`]
    .filter(Boolean).map((text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : "."));
}

function sections(view) {
  const isOf = (each) => view.isPrompt(each.prompt), grid = (nodes) => el("div", { class: "grid" }, nodes);
  const experiments = data.experiments.filter(isOf).flatMap(experimentNodes), evaluations = data.evaluations.filter((each) => isOf(each) && each.rows.length).map(graded), examples = data.examples.filter(isOf);
  const marks = FACTS.rows ? view.marks : MARKS, courses = evaluations.filter((each) => each.rows.length > 1), alone = evaluations.filter((each) => each.rows.length === 1), shown = courses.slice(0, MOST_EVALUATIONS);
  return [data.budgets.length ? section("Budgets", el("div", { class: "budgets" }, data.budgets.map(budgetNode))) : null,
    experiments.length ? section("Experiments", el("div", { class: "charts" }, experiments)) : null,
    evaluations.length ? section(courses.length ? "Evaluations from version to version" : "Evaluations", courses.length ? grid(shown.map(evaluationNode)) : null, courses.length > MOST_EVALUATIONS ? el("p", { class: "meta" }, `${MOST_EVALUATIONS} of ${count(courses.length)}; a prompt in the filter above shows its own.`) : null, alone.length ? alonesNode(alone) : null) : null,
    examples.length ? section("Examples of failures", examples.map(exampleNode)) : null,
    marks.length ? section("All changes", ...changesNode(marks)) : null,
    view.total.calls[0] > 0 ? section("About these numbers", el("ul", { class: "notes" }, leftOut().map((text) => el("li", {}, text)))) : null].filter(Boolean);
}
