// The page: what is wrong, what changed and what it costs first; then charts over time. What is filtered stands in the address.
const FIRST = { prompt: "", label: "", model: "", source: "", time: "", from: "", to: "", by: "prompt", measure: "success", marks: "label,version,budget" };
const wanted = { ...FIRST };
const TIMES = { "": "All time", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days", custom: "A period …" };
const FILTERS = ["prompt", "label", "model", "source", "time", "from", "to"];
const isFiltered = () => FILTERS.some((key) => wanted[key]);

function fromAddress() {
  Object.assign(wanted, FIRST);
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (Object.hasOwn(FIRST, key)) wanted[key] = value;
  if (!Object.hasOwn(GROUPS, wanted.by)) wanted.by = FIRST.by;
  if (!Object.hasOwn(MEASURES, wanted.measure)) wanted.measure = FIRST.measure;
  if (!Object.hasOwn(TIMES, wanted.time)) wanted.time = "";
  for (const key of ["from", "to"]) if (Number.isNaN(Date.parse(wanted[key]))) wanted[key] = "";
  if (wanted.from || wanted.to) wanted.time = "custom";
}

function toAddress(way) {
  const differing = Object.entries(wanted).filter(([key, value]) => value !== FIRST[key] && !(key === "time" && value === "custom"));
  const address = differing.length ? "#" + new URLSearchParams(differing) : "";
  try { history[address === location.hash ? "replaceState" : way](null, "", address || location.pathname + location.search); } catch { /* a page shown within another may not */ }
}

// What is compared side by side changes nothing else.
function choose(change, way = "replaceState") {
  Object.assign(wanted, change);
  toAddress(way);
  if (Object.keys(change).every((key) => key === "by" || key === "measure")) compare(); else show();
}

function compare() {
  hideReading();
  const view = viewOf(wanted);
  sideBySide(view);
  showFilters(view);
  drawAll(byId("parts"));
}

function clear() {
  choose(Object.fromEntries(FILTERS.map((key) => [key, ""])));
  byId("prompt").focus();
}

// What a click on a chart or a name shows, Back takes back.
const go = (change) => choose(change, "pushState");
const zoom = (from, to) => go({ time: "custom", from: new Date(from).toISOString(), to: new Date(to).toISOString() });

function overTime(view) {
  const { steps: points, sums, total } = view, length = points.length;
  const base = { points, from: view.from, to: view.to, marks: view.marks.filter((mark) => wanted.marks.split(",").includes(mark.kind)), zoom };
  const one = (key, options = {}) => {
    const measure = MEASURES[key], value = measure.value(total, 0), series = seriesFrom(measure, sums, 0, length, options.colour || "c1");
    return chartFigure({ title: options.title || measure.name, big: isKnown(value) ? measure.format(value) : null, note: options.note, columns: [stepColumn(points), ofSeries(series, measure), ...options.columns || []],
      chart: { ...base, title: options.title || measure.name, kind: measure.of ? "lines" : "bars", unit: measure.unit, series: [series], floor: measure.of && key === "success" ? undefined : 0, ceiling: measure.unit === "share" ? 1 : undefined, least: measure.unit === "share" ? 0.02 : 0, notes: behind(measure, sums) } });
  };
  const callsColumn = valueColumn("Calls", "count", (row) => sums.calls[row], count);
  const several = (title, keys, options) => {
    const measures = keys.map((each) => MEASURES[each[0]]), series = keys.map(([, colour, name], index) => seriesFrom(measures[index], sums, 0, length, colour, name));
    return chartFigure({ title, big: options.big, note: options.note, keys: keys.map(([, colour, name], index) => { const value = measures[index].value(total, 0); return [colour, name, isKnown(value) ? measures[index].format(value) : "–"]; }),
      columns: [stepColumn(points), ...series.map((each, index) => ofSeries(each, measures[index])), callsColumn], chart: { ...base, title, kind: "lines", unit: measures[0].unit, floor: 0, least: options.least || { time: 1 }[measures[0].unit] || 0, ceiling: measures[0].unit === "share" ? 1 : undefined,
        series: series.map((each) => ({ ...each, low: undefined, high: undefined })), notes: behind(measures[0], sums) } });
  };
  const [low, high] = MEASURES.success.interval(total, 0), rate = total.calls[0] ? (number) => count(Math.round(number)) : count;
  const { days } = view, unpriced = total.unpriced[0];
  const success = one("success", { note: asked(total, 0) ? `of ${plural(asked(total, 0), "call")}; 95% interval ${percent(low)} to ${percent(high)}` : "no calls", columns: [valueColumn("Low", "share", (row) => MEASURES.success.interval(sums, row)[0], percent), valueColumn("High", "share", (row) => MEASURES.success.interval(sums, row)[1], percent), callsColumn] });
  return [success, total.failures.some(Boolean) ? errorsFigure(view, base) : null, one("calls", { note: days >= 2 ? `${rate(total.calls[0] / days)} per day` : null }),
    one("cost", { note: [isKnown(MEASURES.per_call.value(total, 0)) ? `${money(MEASURES.per_call.value(total, 0))} per call` : "", unpriced ? `${plural(unpriced, "call")} without a price` : ""].filter(Boolean).join("; "), columns: [valueColumn("Unpriced calls", "count", (row) => sums.unpriced[row], count), callsColumn] }),
    several("Latency", [["p50", "c1", "p50"], ["p95", "c2", "p95"]], { big: isKnown(quantile(total, 0, 0.95)) ? time(quantile(total, 0, 0.95)) : null, note: `p95: 95% of ${plural(timed(total, 0), "fresh reply", "fresh replies")} are within that, ±${percent(data.latency_scale.relative_error)}` }),
    tokensFigure(view, base, callsColumn),
    total.invalid_outputs[0] || total.retries[0] ? several("Invalid outputs and retries", [["invalid", "c2", "invalid outputs"], ["retries", "c6", "retries of a call"]], { big: isKnown(MEASURES.invalid.value(total, 0)) ? percent(MEASURES.invalid.value(total, 0)) : null, note: `${plural(total.invalid_outputs[0], "invalid output")}, ${plural(total.retries[0], "retry", "retries")}`, least: 0.02 }) : null,
    total.cache_hits[0] ? one("cache", { note: `${plural(total.cache_hits[0], "reply", "replies")}, for no new cost`, colour: "c3", columns: [valueColumn("Cache hits", "count", (row) => sums.cache_hits[row], count), callsColumn] }) : null,
    ...feedbackFigures(view, base)].filter(Boolean);
}

// What there was none of needs no chart.
function noneOf(total) {
  const none = [total.failures.some(Boolean) ? "" : "failed attempt", total.invalid_outputs[0] || total.retries[0] ? "" : "invalid output, retry", total.cache_hits[0] ? "" : "reply from the cache"].filter(Boolean).join(", ");
  return none ? `Not drawn, as there was none: ${none}.` : "";
}

// Bars of several parts on each other; `parts`: [[colour, name, values(at), whole]]
function stacked(title, big, note, parts, view, base, more) {
  const series = parts.map(([colour, name, value]) => ({ name, colour, value, text: (at) => count(value(at)) }));
  return chartFigure({ title, big, note, keys: parts.map(([colour, name, , whole]) => [colour, name, count(whole)]), columns: [stepColumn(view.steps), ...series.map((each) => valueColumn(each.name, "count", each.value, count)), ...more],
    chart: { ...base, title, kind: "bars", unit: "count", floor: 0, series, notes: (at) => [`of ${plural(view.sums.calls[at], "call")}`] } });
}

// A kind of error has one colour on every page, and an invalid output the same in every chart.
const KIND_COLOURS = { invalid_output: "c2", timeout: "c4", rate_limit: "c3" };
const KINDS = (() => {
  const { failures } = addUp(FACTS, Array.from({ length: FACTS.rows }, (_, row) => row), () => 0, 1), order = names.error.map((_, kind) => kind).sort((one, other) => failures[other] - failures[one]);
  const shown = order.slice(0, kinds > 5 ? 4 : 5), free = ["c1", "c6", "c4", "c3", "c2"].filter((colour) => !shown.some((kind) => KIND_COLOURS[names.error[kind]] === colour));
  return { shown: shown.map((kind) => [kind, KIND_COLOURS[names.error[kind]] || free.shift()]), rest: order.slice(shown.length) };
})();

function errorsFigure(view, base) {
  const { sums, total } = view, failed = MEASURES.failed.value(total, 0), sumOf = (of, at) => KINDS.rest.reduce((sum, kind) => sum + of.failures[at * kinds + kind], 0);
  const parts = KINDS.shown.map(([kind, colour]) => [colour, String(names.error[kind]).replaceAll("_", " "), (at) => sums.failures[at * kinds + kind], total.failures[kind]]).filter(([, , , number]) => number);
  if (sumOf(total, 0)) parts.push(["c5", "other kinds", (at) => sumOf(sums, at), sumOf(total, 0)]);
  const attempts = total.failures.reduce((sum, number) => sum + number, 0);
  return stacked("Errors by kind", count(attempts), `failed ${attempts === 1 ? "attempt" : "attempts"}${attempts || failed ? `; ${plural(failed, "call")} failed in the end` : ""}`, parts, view, base, [valueColumn("Failed calls", "count", (row) => MEASURES.failed.value(sums, row), count), valueColumn("Calls", "count", (row) => sums.calls[row], count)]);
}

function tokensFigure(view, base, callsColumn) {
  const { sums, total } = view, cached = part(total.cached_tokens[0], total.input_tokens[0]);
  const parts = [["c1", "input", (at) => sums.input_tokens[at], total.input_tokens[0]], ["c3", "output", (at) => sums.output_tokens[at], total.output_tokens[0]]];
  return stacked("Tokens", count(total.input_tokens[0] + total.output_tokens[0]), cached ? `${percent(cached)} of the input was cached by the provider` : null, parts, view, base, [valueColumn("Cached input", "count", (row) => sums.cached_tokens[row], count), callsColumn]);
}

// Scores are known by prompt and version alone: any other filter leaves them out.
function feedbackFigures(view, base) {
  const facts = data.feedback;
  if (!facts.rows || wanted.label || wanted.model || wanted.source) return [];
  return names.feedback.map((name, code) => {
    const calls = new Float64Array(view.steps.length), total = new Float64Array(view.steps.length);
    for (let row = 0; row < facts.rows; row += 1) {
      const at = view.placed[facts.time[row]];
      if (at < 0 || facts.name[row] !== code || !view.isPrompt(names.prompt[facts.prompt[row]])) continue;
      calls[at] += facts.calls[row];
      total[at] += facts.total[row];
    }
    const all = calls.reduce((sum, each) => sum + each, 0), value = (at) => part(total[at], calls[at]), title = `Feedback: ${name}`;
    if (!all) return null;
    return chartFigure({ title, big: score(total.reduce((sum, each) => sum + each, 0) / all), note: `mean of ${plural(all, "score")}`, columns: [stepColumn(view.steps), { ...valueColumn("Mean", "count", value, score) }, valueColumn("Scores", "count", (row) => calls[row], count)],
      chart: { ...base, title, kind: "lines", unit: "number", floor: 0, least: 1, series: [{ name: "mean", colour: "c4", value, text: (at) => isKnown(value(at)) ? score(value(at)) : "none", isThin: (at) => calls[at] < FEWEST }], notes: (at) => calls[at] ? [`of ${plural(calls[at], "score")}${calls[at] < FEWEST ? ": thin" : ""}`] : [] } });
  }).filter(Boolean).slice(0, 6);
}

const lasting = (ms) => ms >= DAY ? plural(Math.round(ms / DAY), "day") : ms >= HOUR ? plural(Math.round(ms / HOUR), "hour") : plural(Math.round(ms / 60000), "minute");
// Links within the page leave the address alone, as what is filtered stands there.
function leadTo(link, heading) {
  heading.tabIndex = -1;
  link.addEventListener("click", (event) => { event.preventDefault(); heading.scrollIntoView(); heading.focus({ preventScroll: true }); });
  return link;
}

function sectionLinks() {
  const headings = [...document.querySelectorAll("main h2")].filter((heading) => !heading.closest("[hidden], .answer"));
  byId("sections").replaceChildren(...headings.map((heading, at) => leadTo(el("a", { href: `#${heading.id ||= `part-${at}`}` }, heading.textContent), heading)));
}

let shown = 0;
// A page that nobody sees has no frames.
const afterFrame = (act) => document.hidden ? setTimeout(act) : requestAnimationFrame(() => setTimeout(act));
// The answers and the charts over time first; what is further down follows when these are on the screen.
function show() {
  const focused = document.activeElement?.getAttribute("aria-label");
  hideReading();
  const view = viewOf(wanted), hasCalls = view.total.calls[0] > 0;
  byId("answers").replaceChildren(...answers(view));
  for (const id of ["time-charts", "parts", "ranks"]) byId(id).hidden = !hasCalls;
  byId("steps").textContent = view.steps.length ? `${lasting(Math.max(...view.steps.map((step) => step.end - step.start)))} per step; ${span(view.from, view.to)}, ${zone}` : "";
  const hasParts = view.steps.some((step) => step.isPart && view.sums.calls[view.steps.indexOf(step)]);
  if (hasParts) byId("steps").append(" · ", el("i", { class: "swatch hatched", "aria-hidden": "true" }), "the log covers a part of the step");
  byId("charts").replaceChildren(...hasCalls ? overTime(view) : []);
  byId("none-of").textContent = hasCalls ? noneOf(view.total) : "";
  showFilters(view);
  drawAll(byId("charts"));
  const turn = shown += 1;
  afterFrame(() => {
    if (turn !== shown) return;
    if (hasCalls) {
      sideBySide(view);
      byId("ranks").replaceChildren(...ranks(view));
    }
    byId("more").replaceChildren(...sections(view));
    for (const id of ["parts", "more"]) drawAll(byId(id));
    sectionLinks();
    document.body.dataset.drawn = "whole";
    if (focused && document.activeElement === document.body) ([...document.querySelectorAll("[aria-label]")].find((node) => node.getAttribute("aria-label") === focused) || byId("clear")).focus({ preventScroll: true });
  });
  delete document.body.dataset.drawn;
}

function showFilters(view) {
  for (const key of ["label", "model", "source", "time", "measure"]) byId(key).value = wanted[key];
  if (byId("prompt").value !== wanted.prompt) byId("prompt").value = wanted.prompt;
  byId("period").hidden = wanted.time !== "custom";
  const dates = { from: wanted.from && dateOf(Date.parse(wanted.from)), to: wanted.to && dateOf(Date.parse(wanted.to) - 1) };
  for (const [key, value] of Object.entries(dates)) if (document.activeElement !== byId(key)) byId(key).value = value;  // nor what is being typed
  byId("clear").hidden = !isFiltered();
  byId("count").textContent = !isFiltered() ? "" : `${count(view.total.calls[0])} of ${count(data.calls.calls.reduce((sum, each) => sum + each, 0))} calls`;
  byId("filtered").textContent = isFiltered() ? visible(`Only ${["prompt", "label", "model", "source"].filter((key) => wanted[key]).map((key) => `${key} ${wanted[key]}`).concat(wanted.time === "custom" ? [byId("steps").textContent] : wanted.time ? [TIMES[wanted.time].toLowerCase()] : []).join(", ")}`) : "";
  for (const button of byId("by").children) button.setAttribute("aria-pressed", String(button.value === wanted.by));
  for (const button of byId("marks").children) button.setAttribute("aria-pressed", String(wanted.marks.split(",").includes(button.value)));
}

function options(id, items, fewest = 0) {
  byId(id).replaceChildren(...items.map(([value, text]) => el("option", { value }, text)));
  byId(id).closest("label").hidden = items.length < fewest;
  byId(id).addEventListener("change", () => choose(id === "time" ? { time: byId(id).value, from: "", to: "" } : { [id]: byId(id).value }));
}

function dayOf(text, plus) {
  const date = Date.parse(text);
  return Number.isNaN(date) ? "" : new Date(midnight(date + plus * DAY)).toISOString();
}

function begin() {
  leadTo(byId("skip"), byId("time-title"));
  document.body.append(svg("svg", { id: "hatches", "aria-hidden": "true" }, ["c1", "c2", "c3", "c4", "c5", "c6"].map((colour) => svg("pattern", { id: `hatch-${colour}`, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("rect", { class: colour, width: 2, height: 5 })))));
  document.title = `${data.workspace}: dashboard`;
  byId("title").textContent = visible(data.workspace);
  const all = data.calls.calls.reduce((sum, each) => sum + each, 0), of = Object.entries(data.filter || {}).filter(([key, value]) => isKnown(value) && value.length && !["since", "until"].includes(key) && value !== "app").map(([key, value]) => `${key.replace("prompts", "prompt")} ${[value].flat().join(", ")}`);
  byId("about").append(...[starts.length ? [...new Set([whole(starts[0]), whole(end - 1)])].join(" – ") : null, all ? plural(all, "call") : null, of.length ? `only ${of.join(", ")}` : null, `made ${whole(Date.parse(data.made_at))} ${clock(Date.parse(data.made_at))}`]
    .filter(Boolean).map((text) => el("span", {}, text)));
  const listed = (list, none) => list.map((name) => name === null ? [NONE, none] : [name, name]);
  byId("prompts").append(...names.prompt.slice(0, 500).map((name) => el("option", { value: name })));
  options("label", [["", "Any label"], ...listed(names.label, "without a label")], 3);
  options("model", [["", "Any model"], ...listed(names.model, "without a model")], 3);
  options("source", [["", "Any source"], ...listed(names.source, "none")], 3);
  options("time", Object.entries(TIMES).filter(([key]) => !key || key === "custom" || (starts.length && end - starts[0] > PRESETS[key] * HOUR && PRESETS[key] * HOUR >= (endOf(0) - starts[0]) * (FACTS.time_step || 1))));
  options("measure", Object.entries(MEASURES).map(([key, measure]) => [key, measure.name.toLowerCase()]));
  for (const [key, group] of Object.entries(GROUPS)) {
    const button = el("button", { type: "button", value: key }, group.name);
    button.addEventListener("click", () => choose({ by: key }));
    byId("by").append(button);
  }
  for (const kind of Object.keys(MARK_NAMES)) {
    if (!MARKS.some((mark) => mark.kind === kind)) continue;
    const button = el("button", { type: "button", value: kind, class: "quiet" }, glyphIcon(kind), MARK_NAMES[kind]);
    button.addEventListener("click", () => choose({ marks: Object.keys(MARK_NAMES).filter((each) => wanted.marks.split(",").includes(each) !== (each === kind)).join(",") }));
    byId("marks").append(button);
  }
  byId("prompt").addEventListener("input", () => choose({ prompt: byId("prompt").value }));
  byId("from").addEventListener("change", () => choose({ from: dayOf(byId("from").value, 0) }));
  byId("to").addEventListener("change", () => choose({ to: dayOf(byId("to").value, 1) }));
  byId("clear").addEventListener("click", clear);
  byId("count").before(copyButton(() => location.href, "Copy link", "Copy the link to this view"));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").hidden = !FACTS.rows;
  addEventListener("hashchange", () => { fromAddress(); show(); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; hideReading(); drawAll(); } });
  addEventListener("scroll", () => {
    if (!reading) return;
    if (document.activeElement === reading.plot) reading.show(); else hideReading();
  }, { passive: true });
  fromAddress();
  show();
}

begin();
