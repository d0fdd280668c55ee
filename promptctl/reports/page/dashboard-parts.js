// What the sections of the page are made of: figures, tables with their CSV, ranks, and what one chart shows.
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
// What was opened stays open when the page is drawn again; `key` tells it from others.
const openParts = new Set();
function keptOpen(key, details) {
  details.open = openParts.has(key);
  details.addEventListener("toggle", () => openParts[details.open ? "add" : "delete"](key));
  return details;
}

// As in the reports of the command line: all in quotes, and no cell that a spreadsheet would run as a formula.
function csvOf(columns, length) {
  const cell = (value) => `"${(typeof value === "string" && /^[ \u00a0\u200b\ufeff]*[=+\-@\t\r\n＝＋－＠]/.test(value) ? "'" : "") + String(value ?? "").replace(/"/g, '""')}"`;
  const line = (values) => values.map(cell).join(",") + "\n";
  return line(columns.map((column) => column.csv || column.name)) + Array.from({ length }, (_, row) => line(columns.map((column) => column.raw(row)))).join("");
}

// columns: [{name, csv: its name with a unit, text(row), raw(row), isText}]
function tableOf(title, columns, length, head = null) {
  const rows = Array.from({ length }, (_, row) => el("tr", {}, columns.map((column, index) => el(index ? "td" : "th", index ? { class: column.isText ? null : "number" } : { scope: "row" }, column.node ? column.node(row) : column.text(row)))));
  const heads = head || columns.map((column, index) => el("th", { scope: "col", class: index && !column.isText ? "number" : null }, column.name));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${title}` }, el("table", {}, el("caption", { class: "unseen" }, title), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)));
}

function tableUnder(title, columns, length) {
  const details = keptOpen(`table ${title}`, el("details", { class: "under" }, el("summary", { "aria-label": `Table of ${title}` }, "Table")));
  const fill = () => { if (details.open && details.children.length === 1) details.append(tableOf(title, columns, length)); };
  details.addEventListener("toggle", fill);
  fill();
  return el("div", { class: "foot" }, details, copyButton(() => csvOf(columns, length), "Copy as CSV", `Copy ${title} as CSV`));
}

const swatch = (colour) => el("i", { class: `swatch ${colour}`, "aria-hidden": "true" });

function chartFigure({ title, big, note, keys = [], chart, columns, level = "h3", isSmall = false }) {
  const head = el("figcaption", {}, el(level, {}, title), el("p", { class: "big" }, big ?? "–", note ? el("small", {}, note) : null),
    keys.length ? el("p", { class: "keys" }, keys.map(([colour, name, value]) => el("span", {}, swatch(colour), name, value ? el("b", {}, value) : null))) : null);
  return el("figure", { class: isSmall ? "chart small" : "chart" }, head, timeChart(chart), tableUnder(chart.title, columns, chart.points.length));
}

const stepColumn = (points) => ({ name: "Time", csv: `time (${zone})`, text: (row) => span(points[row].start, points[row].end), raw: (row) => new Date(points[row].start).toISOString() });
const UNITS = { money: ["USD", (value) => value / 1e9], time: ["ms", (value) => Math.round(value * 10) / 10], share: ["share", (value) => Number(value.toFixed(6))], count: ["", (value) => value], number: ["", (value) => Number(value.toFixed(4))] };

function valueColumn(name, unit, value, format) {
  const [word, raw] = UNITS[unit];
  return { name, csv: word ? `${name.toLowerCase()} (${word})` : name.toLowerCase(), text: (row) => isKnown(value(row)) ? format(value(row)) : "–", raw: (row) => isKnown(value(row)) ? raw(value(row)) : "" };
}

// One measure of sums, read once: places from `first` on are the steps of a view.
function seriesFrom(measure, sums, first, length, colour, name = measure.name) {
  const values = Array.from({ length }, (_, at) => measure.value(sums, first + at)), bounds = measure.interval ? values.map((_, at) => measure.interval(sums, first + at)) : null;
  return { name, colour, value: (at) => values[at], text: (at) => isKnown(values[at]) ? measure.format(values[at]) : "none", ...(bounds ? { low: (at) => bounds[at][0], high: (at) => bounds[at][1] } : {}),
    isThin: measure.of ? (at) => measure.of(sums, first + at) < FEWEST : null };
}

// What stands below the values of a step: how many calls are behind them, and if they are few.
function behind(measure, sums, first = 0) {
  return (at) => {
    const number = (measure.of || ((all, place) => all.calls[place]))(sums, first + at), unpriced = measure.unit === "money" ? sums.unpriced[first + at] : 0;
    const thin = measure.of && number > 0 && number < FEWEST;
    return [thin ? `of only ${plural(number, "call")}: thin` : measure === MEASURES.calls ? "" : `of ${plural(number, "call")}`, unpriced ? `${plural(unpriced, "call")} without a price` : ""].filter(Boolean);
  };
}

// Everything of a small chart's step: the value, its interval if it has one, and what is behind them.
function seriesColumns(series, measure, sums, first) {
  const columns = [ofSeries(series, measure)];
  if (series.low) columns.push(valueColumn("Low", measure.unit, series.low, measure.format), valueColumn("High", measure.unit, series.high, measure.format));
  if (measure !== MEASURES.calls) columns.push(valueColumn("Calls", "count", (row) => sums.calls[first + row], count));
  if (measure.unit === "money") columns.push(valueColumn("Unpriced calls", "count", (row) => sums.unpriced[first + row], count));
  return columns;
}

const ofSeries = (series, measure) => valueColumn(series.name, measure.unit, series.value, measure.format);

// Names with a bar each, the largest first. items: [{name, code, value, text, note, isThin}]
function rank(title, about, items, columns, choose) {
  const most = items.reduce((largest, item) => Math.max(largest, item.value), 0) || 1;
  const rows = items.slice(0, 8).map((item) => {
    const button = el("button", { type: "button", class: "name link", title: item.name, "aria-label": `Show ${item.name} alone` }, item.name);
    button.addEventListener("click", () => choose(item));
    return el("li", { class: item.isThin ? "thin" : null }, button, el("span", { class: "track", "aria-hidden": "true" }, item.value ? fillTo(el("i"), item.value / most) : null), el("span", { class: "value" }, item.text), el("small", {}, item.note));
  });
  const rest = items.length > 8 ? el("p", { class: "meta" }, `${plural(items.length - 8, "more")} in the table`.replace("mores", "more")) : null;
  return el("figure", { class: "rank" }, el("figcaption", {}, el("h3", {}, title), el("p", { class: "meta" }, about)), items.length ? el("ol", {}, rows) : el("p", { class: "meta none" }, "No calls here."), rest, tableUnder(title, columns, items.length));
}

function fillTo(node, share) {
  node.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return node;
}
