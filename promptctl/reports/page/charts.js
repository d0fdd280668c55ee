// Charts of plain boxes: each bar, point and row is a button that shows the cases behind it.
function figure(title, note, chart) {
  return el("figure", {}, el("figcaption", {}, el("b", {}, title), note ? el("span", {}, note) : null), chart);
}

function median(values) {
  const ordered = [...values].sort((one, other) => one - other), middle = (ordered.length - 1) / 2;
  return (ordered[Math.floor(middle)] + ordered[Math.ceil(middle)]) / 2;
}

const replies = (number) => number === 1 ? "1 reply" : `${count(number)} replies`;

// A group of buttons that Tab enters once; arrow keys walk through it.
function walked(buttons) {
  buttons.forEach((button, at) => {
    button.tabIndex = at === 0 ? 0 : -1;
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], next = step && buttons[at + step];
      if (!next) return;
      event.preventDefault();
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
  return buttons;
}

// How many replies lie where between the least and the largest value.
function histogram(title, key, values, format) {
  const known = values.filter(isKnown);
  const low = known.reduce((one, other) => Math.min(one, other), Infinity);
  const high = known.reduce((one, other) => Math.max(one, other), -Infinity);
  if (known.length < 2 || low === high) return null;
  const bins = Math.min(24, Math.max(8, Math.ceil(Math.sqrt(known.length))));
  const counts = new Array(bins).fill(0);
  const place = (value) => (value - low) / (high - low), binOf = (value) => Math.min(bins - 1, Math.floor(place(value) * bins));
  for (const value of known) counts[binOf(value)] += 1;
  const tallest = Math.max(...counts), middle = median(known), edge = (at) => low + (high - low) * at / bins;
  const bars = counts.map((number, at) => {
    if (number === 0) return el("i", {});
    const about = `${replies(number)}, ${format(edge(at))} to ${format(edge(at + 1))}`;
    // The last one takes its upper edge in.
    const range = [key, edge(at), at === bins - 1 ? Infinity : edge(at + 1)].join(":");
    return filterButton(el("span", { style: `height: ${Math.max(3, 100 * number / tallest)}%` }), { range }, about, "bin");
  });
  walked(bars.filter((bar) => bar.localName === "button"));
  return figure(title, `median ${format(middle)}`, el("div", { class: "histogram", role: "group", "aria-label": title },
    el("div", { class: "most" }, replies(tallest)), el("div", { class: "bins" }, bars, el("i", { class: "median", style: `left: ${100 * place(middle)}%` })),
    el("div", { class: "ends" }, el("span", {}, format(low)), el("span", {}, format(high)))));
}

// One bar for each evaluation, to compare them by where they differ. A bar is full at the largest value, or at `full`
// where that is more: half a share fills half of it.
function bars(title, items, format, full = 0) {
  const known = items.filter((item) => isKnown(item.value));
  const most = known.reduce((largest, item) => Math.max(largest, item.value), full);
  if (new Set(known.map((item) => item.value)).size < 2) return null;
  const rows = known.map((item) => el("div", { class: "row above" }, el("span", { class: "name", title: item.name }, item.name),
    el("span", { class: "track" }, el("span", { class: "fill", style: `width: ${100 * item.value / most}%` })), el("span", { class: "value" }, format(item.value))));
  return figure(title, null, el("div", { class: "rows" }, rows));
}

// Of errors alone no share is known: nobody saw a reply that could have passed.
const isGraded = (counts) => (counts.passed || 0) + (counts.failed || 0) > 0;
const rateOf = (counts) => isGraded(counts) ? `${percent(counts.pass_rate)} passed` : "nothing was graded";

// Passed, failed and errors of something as one bar, with the interval of the rate on it.
function rateBar(counts) {
  const parts = [["passed", counts.passed], ["failed", counts.failed], ["error", counts.errors]];
  const total = (counts.cases || 0) + (counts.never_run || 0);
  return el("span", { class: "rate", role: "img", "aria-label": rateOf(counts) },
    parts.map(([state, number]) => number ? el("span", { class: state, style: `width: ${100 * number / total}%` }) : null));
}

// Both ends have one decimal.
const within = (counts) => "95% interval " + [counts.low, counts.high].map((share) => percent(share).replace(/^(\d+)%/, "$1.0%")).join(" to ");

function interval(counts) {
  if (!isKnown(counts.low) || !isGraded(counts)) return null;
  return el("span", { class: "interval", title: within(counts) },
    el("span", { style: `left: ${100 * counts.low}%; width: ${Math.max(0.6, 100 * (counts.high - counts.low))}%` }));
}

// Versions from left to right: the rate of each as a point on its interval, and the labels that were moved to it below.
function versions(points, moves) {
  if (points.length < 2) return null;
  const columns = points.map((point, at) => {
    const about = [`${point.version}: ${isKnown(point.pass_rate) ? `${percent(point.pass_rate)} passed` : "nothing was graded"}`, isKnown(point.passed) ? `${count(point.passed)} of ${count(point.cases)} cases` : null,
      isKnown(point.low) ? within(point) : null, point.change ? `${CHANGES[point.change]}` : null,
      ...moves.filter((move) => move.version === point.version).map((move) => move.text)].filter(Boolean).join(", ");
    const range = isKnown(point.low) ? el("span", { class: "range", style: `bottom: ${100 * point.low}%; height: ${100 * (point.high - point.low)}%` }) : null;
    const isNamed = points.length <= 8 || at === 0 || at === points.length - 1 || ["better", "worse"].includes(point.change);
    const dot = isKnown(point.pass_rate) ? el("span", { class: `point ${point.change || ""} ${isNamed ? "" : "quiet"}`, style: `bottom: ${100 * point.pass_rate}%` }, el("small", {}, percent(point.pass_rate))) : null;
    const plot = el("span", { class: "plot" }, range, dot);
    const told = [el("b", {}, point.version), point.change && point.change !== "noise" ? el("span", { class: `tag ${point.change}` }, point.change) : null];
    const node = isKnown(point.evaluation_index) ? filterButton([plot, ...told], { in: String(point.evaluation_index) }, `${about}. Show its cases`, "version")
      : el("div", { class: "version", title: about }, plot, told);
    return el("li", {}, node, moves.filter((move) => move.version === point.version).map((move) => el("span", { class: `move ${move.is_now ? "now" : ""}`, title: move.text }, `▲ ${move.label}`)));
  });
  const shares = [1, 0.5, 0].map((share) => el("span", {}, percent(share)));
  const told = moves.slice(-8).reverse().map((move) => el("li", {}, move.text));
  return el("div", { class: "versions" }, el("div", { class: "shares", "aria-hidden": "true" }, shares),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Pass rate by version" }, el("ol", {}, columns)),
    told.length ? el("ul", { class: "moves meta" }, told) : null);
}

const CHANGES = { better: "better than the version before", worse: "worse than the version before", noise: "chance explains the difference to the version before" };
