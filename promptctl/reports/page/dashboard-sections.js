// The first screen's three answers, what is compared side by side, and what the log knows beside its calls.
const STATES = { ok: ["passed", "Fine"], warning: ["error", "Look at it"], alarm: ["failed", "Wrong"], unknown: ["unknown", "Too little data"] };
const LEVELS = { alarm: "Wrong", warning: "Look at it", note: "To know" };
// The first part of a sentence is large, what explains it is not.
function said(sentence) {
  const whole = sentence.match(/^(.+?\.) (.+)$/s), [first, rest] = whole ? whole.slice(1) : names.prompt.includes(sentence.split(": ")[0]) ? [sentence] : sentence.split(/[:;] (.*)/s);
  return el("div", {}, el("p", { class: "sentence" }, first + (rest && !first.endsWith(".") ? "." : "")), rest ? el("p", { class: "meta" }, rest) : null);
}

const answer = (id, question, state, sentence, ...more) => el("article", { class: "card answer", id }, el("h2", {}, question), state ? el("p", {}, el("span", { class: `mark ${state[0]}` }, state[1])) : null, said(sentence), ...more);
// Days as the rest of the page writes them. What people wrote themselves, as ids of prompts and models, stays as it is.
const inDays = (text) => text.replace(/(?<![\w/@.:-])(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d)?(?:Z| UTC))?(?![\w/@-]|[.:]\w)/g, (_, date, at) => {
  const ms = Date.parse(`${date}T${at || "00:00"}:00Z`);
  return Number.isNaN(ms) || names.prompt.includes(date) ? _ : `${date.slice(0, 4) === new Date(end).toISOString().slice(0, 4) ? utcDay(ms) : utcWhole(ms)}${at && at !== "00:00" ? ` ${at} UTC` : ""}`;
});
const [utcDay, utcWhole] = [{}, { year: "numeric" }].map((more) => { const written = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", ...more }); return (ms) => written.format(ms).replaceAll(" ", "\u00a0"); });
const isMark = (item) => Object.hasOwn(MARK_NAMES, item.kind);
const textOf = (item) => isMark(item) ? item.text : inDays(item.text);
// Failures that are nearly all invalid outputs are one finding, said once.
function folded(items) {
  const failuresOf = (item) => item.kind === "invalid" && items.find((each) => each.kind === "failures" && each.prompt === item.prompt && each.at === item.at && item.after >= 0.9 * each.after);
  const within = new Map(items.filter(failuresOf).map((item) => [failuresOf(item), item]));
  return items.filter((item) => !failuresOf(item)).map((item) => within.has(item) ? { ...item, text: `${item.text} ${within.get(item).after < item.after ? "Nearly all" : "All"} of these failures are invalid outputs.` } : item);
}

function actsOf(item) {
  const alone = item.prompt && names.prompt.includes(item.prompt) && wanted.prompt !== item.prompt ? el("button", { type: "button", class: "quiet", "aria-label": `Show ${item.prompt} alone: ${item.text}` }, "Show alone") : null;
  alone?.addEventListener("click", () => go({ prompt: item.prompt }));
  return [alone, item.command ? put(copyButton(item.command, "Copy command", `Copy command for: ${item.text}`), { title: item.command }, []) : null].filter(Boolean);
}

function itemsNode(key, items) {
  if (!items.length) return null;
  // The text of a finding says its day itself.
  const node = (item) => el("li", { class: isMark(item) ? "happened" : item.level || "note" }, isMark(item) ? glyphIcon(item.kind) : null, el("p", {}, item.level && item.level !== "note" ? el("span", { class: "unseen" }, `${LEVELS[item.level]}: `) : null, textOf(item)),
    el("p", { class: "meta" }, item.at && (isMark(item) || item.kind === "evaluation") ? el("span", {}, `${day(Date.parse(item.at))}, ${clock(Date.parse(item.at))}`) : null, ...actsOf(item)));
  const rest = items.slice(3);
  return el("div", { class: "items" }, el("ul", {}, items.slice(0, 3).map(node)), rest.length ? keptOpen(key, el("details", {}, el("summary", {}, `${count(rest.length)} more`), el("ul", {}, rest.map(node)))) : null);
}

// The finding that the headline is: its command in full, as it is what one would do next.
const firstNode = (item) => el("div", { class: "items first" }, item.command ? el("p", { class: "command" }, el("code", {}, item.command), copyButton(item.command, "Copy", `Copy command for: ${item.text}`)) : null, el("p", { class: "meta" }, actsOf({ ...item, command: null })));

function nothingYet() {
  const commands = data.next.commands.map((command) => el("p", { class: "command" }, el("code", {}, command), copyButton(command, "Copy", `Copy command: ${command}`)));
  return [el("article", { class: "card answer empty" }, el("h2", {}, "What to do next"), el("p", { class: "sentence" }, data.next.sentence), commands)];
}

function noneSuch() {
  const button = el("button", { type: "button" }, "Clear the filters");
  button.addEventListener("click", clear);
  return el("article", { class: "card answer empty" }, el("p", { class: "sentence" }, "No call is like that."), el("p", {}, button));
}

function answers(view) {
  if (!FACTS.rows && data.next) return nothingYet();
  if (isFiltered() && !view.total.calls[0]) return [noneSuch()];
  const found = data.answers, filtered = isFiltered(), concerns = (item) => !item.prompt || view.isPrompt(item.prompt);
  const compared = [found.recent, found.earlier].filter(({ since, until }) => since !== until).map(({ since, until }) => span(Date.parse(since), Date.parse(until))).join(", compared with ");
  const findings = found.wrong.items.filter(concerns), wrong = folded(findings), moves = view.marks.filter((mark) => mark.kind !== "budget").reverse();
  const number = (kind) => view.marks.filter((mark) => mark.kind === kind).length;
  const rules = found.rules.length ? keptOpen("rules", el("details", { class: "rules" }, el("summary", {}, "How this is decided"), el("ul", {}, found.rules.map((rule) => el("li", {}, inDays(rule)))))) : null;
  const worst = ["alarm", "warning"].find((level) => wrong.some((item) => item.level === level));
  const state = !filtered ? found.wrong.state : worst || (found.wrong.state === "unknown" ? "unknown" : "ok");
  const first = !filtered && wrong.length && found.wrong.sentence.startsWith(findings[0].text) ? wrong[0] : null;
  const sentence = first ? first.text : !filtered ? found.wrong.sentence : wrong.length ? `${plural(wrong.length, "finding concerns", "findings concern")} these prompts.` : "No finding concerns these prompts.";
  const ofAll = filtered ? "Found over all labels, models and sources" : null, isTold = (item) => findings.some((each) => each.text === item.text), told = filtered ? 0 : found.changed.items.filter(isTold).length;
  return [answer("wrong", "Is anything wrong?", STATES[state], inDays(sentence), first ? firstNode(first) : null, itemsNode("wrong", first ? wrong.slice(1) : wrong), el("p", { class: "meta below" }, [ofAll, compared].filter(Boolean).map((text) => el("span", {}, text))), rules),
    answer("changed", "What changed?", null, filtered ? `${plural(number("label"), "label move")} and ${plural(number("version"), "new version")} in this view.` : found.changed.sentence,
      itemsNode("changed", filtered ? moves.slice(0, 12).map((mark) => ({ ...mark, text: mark.prompt ? `${mark.prompt}: ${mark.text}` : mark.text, level: "note", command: null })) : found.changed.items.filter((item) => !isTold(item))), told ? el("p", { class: "meta" }, `${plural(told, "number")} got worse: see “Is anything wrong?”.`) : null),
    answer("cost", "What does it cost?", null, filtered ? `${costs(view.total, 0)} in this view.` : inDays(found.cost.sentence), ...spending(view), itemsNode("cost", found.cost.items.filter((item) => concerns(item) && !(item.kind === "cost" && item.level === "note"))))];
}

function costs(sums, at) {
  const value = MEASURES.cost.value(sums, at);
  return [isKnown(value) ? money(value) : null, sums.unpriced[at] ? `${plural(sums.unpriced[at], "call")} without a price` : null, untold(sums, at) ? `${plural(untold(sums, at), "request")} that never told the cost` : null].filter(Boolean).join(" and ") || "No known cost";
}

function spending(view) {
  const { total } = view;
  if (!total.calls[0]) return [];
  const { days } = view, value = MEASURES.cost.value(total, 0), { items } = grouped("prompt", wanted, view.placed);
  const dear = items.filter((item) => item.sums.cost_nano_usd[item.at]).sort((one, other) => other.sums.cost_nano_usd[other.at] - one.sums.cost_nano_usd[one.at]);
  const fact = (name, text) => el("div", {}, el("dt", {}, name), el("dd", {}, text));
  const shares = !value ? [] : dear.slice(0, 3).map((item) => el("li", {}, el("span", { class: "name", title: item.name }, item.name), el("span", { class: "track", "aria-hidden": "true" }, fillTo(el("i"), item.sums.cost_nano_usd[item.at] / value)), el("span", { class: "value" }, percent(item.sums.cost_nano_usd[item.at] / value))));
  return [el("dl", { class: "facts-of" }, fact(isFiltered() ? "In this view" : days < 2 ? "In all" : `All ${count(Math.round(days))} days`, money(value)), days >= 2 && isKnown(value) ? fact("Per day", money(value / days)) : null, fact("Per call", money(MEASURES.per_call.value(total, 0)))),
    shares.length > 1 ? el("ul", { class: "shares", "aria-label": "Most expensive prompts" }, shares) : null];
}

let order = { by: "calls", isUp: false };
let mostRows = 25;
const COLUMNS = ["calls", "success", "failed", "invalid", "retries", "cache", "tokens", "cost", "per_call", "p50", "p95"];
const HEADS = { failed: "Failed", invalid: "Invalid", retries: "Retries", cache: "Cached", per_call: "Per call", p50: "p50", p95: "p95" };

function sideBySide(view) {
  const by = wanted.by, measure = MEASURES[wanted.measure], least = by === "user" ? USERS.time_step || 1 : FACTS.time_step || 1;
  const own = least !== (FACTS.time_step || 1) ? { ...view, ...stepsOf(wanted, least, view.most) } : view, { items, rows } = grouped(by, wanted, own.placed);
  const shown = items.slice(0, 12), sums = seriesOf(by, shown, rows, own), length = own.steps.length;
  const all = shown.map((item, index) => seriesFrom(measure, sums, index * length, length, "c1"));
  const values = all.flatMap((series) => own.steps.map((_, at) => series.value(at))).filter(isKnown), isShare = wanted.measure === "success";
  const scale = [isShare ? Math.min(1, ...values) : 0, isShare ? 1 : Math.max(0, ...values)];
  const isOf = { prompt: (mark, item) => mark.prompt === item.name, version: (mark, item) => mark.prompt === names.prompt[Math.floor(item.code / names.version.length)], label: (mark, item) => mark.kind !== "label" || mark.label === names.label[item.code] };
  const figures = shown.map((item, index) => {
    const value = measure.value(item.sums, item.at), behindIt = measure.of?.(item.sums, item.at), few = behindIt > 0 && behindIt < FEWEST, unpriced = measure.unit === "money" ? item.sums.unpriced[item.at] : 0;
    const note = [few ? `of only ${plural(behindIt, "call")}: thin` : plural(item.sums.calls[item.at], "call"), unpriced ? `${count(unpriced)} without a price` : ""].filter(Boolean).join(", ");
    return chartFigure({ title: item.name, level: "h3", isSmall: true, big: isKnown(value) ? measure.format(value) : null, note, columns: [stepColumn(own.steps), ...seriesColumns(all[index], measure, sums, index * length)],
      chart: { title: `${measure.name}, ${item.name}`, points: own.steps, from: own.from, to: own.to, zoom, high: 116, kind: measure.of ? "lines" : "bars", unit: measure.unit, series: [all[index]], scale, floor: isShare ? undefined : 0, ceiling: measure.unit === "share" ? 1 : undefined, least: { share: 0.02, time: 1 }[measure.unit] || 0,
        marks: own.marks.filter((mark) => wanted.marks.split(",").includes(mark.kind) && (mark.prompt === null || !isOf[by] || isOf[by](mark, item))), hasMarks: own.marks.length > 0, notes: behind(measure, sums, index * length) } });
  });
  byId("multiples").replaceChildren(...figures);
  groupTable(items, by, items.length > shown.length, view.total.calls[0] - items.reduce((sum, item) => sum + item.sums.calls[item.at], 0));
}

// Every group as a row; its heads sort, and its name shows it alone.
function groupTable(items, by, isMore, missing) {
  const value = (item, key) => MEASURES[key].value(item.sums, item.at), sign = order.isUp ? 1 : -1;
  const rows = [...items].sort((one, other) => order.by === "name" ? -sign * one.name.localeCompare(other.name) : sign * ((value(one, order.by) ?? -Infinity) - (value(other, order.by) ?? -Infinity)));
  const alone = (item) => ({ prompt: () => ({ prompt: item.name }), version: () => ({ prompt: names.prompt[Math.floor(item.code / names.version.length)] }), label: () => ({ label: names.label[item.code] ?? NONE }), model: () => ({ model: names.model[item.code] ?? NONE }), source: () => ({ source: item.name }) })[by];
  const nameNode = (row) => {
    const change = alone(rows[row]);
    if (!change) return rows[row].name;
    const button = el("button", { type: "button", class: "link", "aria-label": `Show ${rows[row].name} alone` }, rows[row].name);
    button.addEventListener("click", () => go(change()));
    return button;
  };
  const columns = [{ name: GROUPS[by].name, text: (row) => rows[row].name, raw: (row) => rows[row].name, node: nameNode },
    ...COLUMNS.map((key) => ({ ...valueColumn(HEADS[key] || MEASURES[key].name, MEASURES[key].unit, (row) => value(rows[row], key), MEASURES[key].format), key })),
    valueColumn("Unpriced", "count", (row) => rows[row].sums.unpriced[rows[row].at], count)];
  const again = (change, focus) => {
    const { scrollLeft } = byId("groups").querySelector(".scroll");
    order = change;
    groupTable(items, by, isMore, missing);
    byId("groups").querySelector(".scroll").scrollLeft = scrollLeft;
    byId("groups").querySelector(focus)?.focus();
  };
  const whole = rows.length > mostRows ? el("button", { type: "button", class: "quiet" }, `Show all ${count(rows.length)}`) : null;
  whole?.addEventListener("click", () => { mostRows = Infinity; again(order, ".scroll"); });
  const heads = columns.map((column, index) => {
    const key = index ? column.key : "name", button = key ? el("button", { type: "button", class: "link" }, column.name) : column.name;
    if (key) button.addEventListener("click", () => { again({ by: key, isUp: order.by === key ? !order.isUp : false }, "th[aria-sort] button"); });
    return el("th", { scope: "col", class: index ? "number" : null, "aria-sort": order.by === key ? (order.isUp ? "ascending" : "descending") : null }, button);
  });
  const note = [items.length > 1 ? "All charts use the same scale." : null, isMore ? `The charts show the 12 with the most calls; the table has all ${count(items.length)}.` : null, by === "user" && missing ? `${plural(missing, "call")} of further users are not shown by user.` : null].filter(Boolean).join(" ");
  byId("groups").replaceChildren(tableOf(`By ${GROUPS[by].name.toLowerCase()}`, columns, Math.min(mostRows, rows.length), heads), el("div", { class: "foot" }, el("p", { class: "meta" }, note, whole), copyButton(() => csvOf(columns, rows.length), "Copy as CSV", `Copy the table by ${by} as CSV`)));
}

function ranks(view) {
  const items = grouped("prompt", wanted, view.placed).items.filter((item) => !isRest("prompt", item.code)), of = (item, key) => MEASURES[key].value(item.sums, item.at);
  const dear = items.filter((item) => item.sums.calls[item.at]).map((item) => ({ ...item, value: of(item, "cost") ?? 0, text: isKnown(of(item, "cost")) ? money(of(item, "cost")) : "unknown", note: [isKnown(of(item, "per_call")) ? `${money(of(item, "per_call"))} per call` : "", item.sums.unpriced[item.at] ? `${count(item.sums.unpriced[item.at])} of ${plural(item.sums.calls[item.at], "call")} without a price` : plural(item.sums.calls[item.at], "call")].filter(Boolean).join(", ") })).sort((one, other) => other.value - one.value);
  const slow = items.filter((item) => isKnown(of(item, "p95"))).map((item) => ({ ...item, value: of(item, "p95"), isThin: timed(item.sums, item.at) < FEWEST, text: time(of(item, "p95")), note: `p50 ${time(of(item, "p50"))}, ${plural(timed(item.sums, item.at), "reply", "replies")}${timed(item.sums, item.at) < FEWEST ? ": thin" : ""}` })).sort((one, other) => one.isThin - other.isThin || other.value - one.value);
  const columns = (rows, keys) => [{ name: "Prompt", text: (row) => rows[row].name, raw: (row) => rows[row].name }, ...keys.map((key) => valueColumn(MEASURES[key].name, MEASURES[key].unit, (row) => of(rows[row], key), MEASURES[key].format)), valueColumn("Unpriced calls", "count", (row) => rows[row].sums.unpriced[rows[row].at], count)];
  const alone = (item) => go({ prompt: item.name });
  return [rank("Most expensive prompts", "by all that they cost", dear, columns(dear, ["cost", "per_call", "calls"]), alone), rank("Slowest prompts", "by p95, which 95% of their replies are within", slow, columns(slow, ["p95", "p50", "calls"]).slice(0, -1), alone)];
}
