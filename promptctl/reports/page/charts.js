// Charts: drawn as SVG, each with a title for whoever cannot see it.
const WIDE = 320, HIGH = 120, FLOOR = 92, TOP = 16;

function figure(title, note, chart) {
  return el("figure", {}, el("figcaption", {}, el("b", {}, title), note ? el("span", {}, note) : null), chart);
}

function axis(left, right, start = 0) {
  return [svg("line", { class: "axis", x1: start, y1: FLOOR + 0.5, x2: WIDE, y2: FLOOR + 0.5 }), svg("text", { x: start, y: 110 }, left),
    right === null ? null : svg("text", { x: WIDE, y: 110, "text-anchor": "end" }, right)];
}

function median(values) {
  const ordered = [...values].sort((one, other) => one - other), middle = (ordered.length - 1) / 2;
  return (ordered[Math.floor(middle)] + ordered[Math.ceil(middle)]) / 2;
}

const replies = (number) => number === 1 ? "1 reply" : `${count(number)} replies`;

// How many replies lie where between the least and the largest value; the height of the tallest bar stands above it.
function histogram(title, values, format) {
  const known = values.filter(isKnown);
  const low = known.reduce((one, other) => Math.min(one, other), Infinity);
  const high = known.reduce((one, other) => Math.max(one, other), -Infinity);
  if (known.length < 2 || low === high) return null;
  const bins = Math.min(32, Math.max(8, Math.ceil(Math.sqrt(known.length))));
  const counts = new Array(bins).fill(0);
  const place = (value) => (value - low) / (high - low);
  for (const value of known) counts[Math.min(bins - 1, Math.floor(place(value) * bins))] += 1;
  const tallest = Math.max(...counts), width = WIDE / bins, middle = median(known);
  const height = (number) => Math.max(2, (FLOOR - TOP) * number / tallest);
  const edge = (index) => format(low + (high - low) * index / bins);
  const bars = counts.map((number, index) => number === 0 ? null : svg("rect", { class: "bar", x: index * width + 1, width: width - 2,
    y: FLOOR - height(number), height: height(number), rx: 1.5 }, svg("title", {}, `${replies(number)}, ${edge(index)} to ${edge(index + 1)}`)));
  const line = svg("line", { class: "median", x1: WIDE * place(middle), x2: WIDE * place(middle), y1: TOP - 4, y2: FLOOR });
  const most = [svg("line", { class: "axis", x1: 0, y1: TOP, x2: WIDE, y2: TOP }), svg("text", { x: 0, y: 9 }, replies(tallest))];
  const chart = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${title}: ${format(low)} to ${format(high)}, half below ${format(middle)}` },
    most, bars, line, axis(format(low), format(high)));
  return figure(title, `median ${format(middle)}`, chart);
}

function trend(points) {
  if (points.length < 2) return null;
  const start = 36, x = (index) => start + 8 + (WIDE - start - 16) * index / (points.length - 1), y = (share) => FLOOR - (FLOOR - TOP) * (share || 0);
  const shares = [0, 0.5, 1].map((share) => [svg("line", { class: "axis", x1: start, y1: y(share), x2: WIDE, y2: y(share) }),
    svg("text", { x: start - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share))]).flat();
  const ranges = points.map((point, index) => isKnown(point.low)
    ? svg("line", { class: "range", x1: x(index), x2: x(index), y1: y(point.low), y2: y(point.high) }) : null);
  const line = svg("polyline", { class: "line", points: points.map((point, index) => `${x(index)},${y(point.pass_rate)}`).join(" ") });
  const dots = points.map((point, index) => svg("circle", { class: "dot", cx: x(index), cy: y(point.pass_rate), r: 4 },
    svg("title", {}, `${point.version}: ${percent(point.pass_rate)}, ${money(point.full_cost_nano_usd)}, ${time(point.p50_latency_ms)}`)));
  const last = points[points.length - 1];
  return figure("Pass rate by version", percent(last.pass_rate), svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "Pass rate by version" },
    shares, ranges, line, dots, axis(points[0].version, last.version, start)));
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

// Passed, failed and errors of something as one bar, with the interval of the rate on it.
function rateBar(counts) {
  const parts = [["passed", counts.passed], ["failed", counts.failed], ["error", counts.errors]];
  const total = (counts.cases || 0) + (counts.never_run || 0);
  const bar = el("div", { class: "rate", role: "img", "aria-label": `${percent(counts.pass_rate)} passed` },
    parts.map(([state, number]) => number ? el("span", { class: state, style: `width: ${100 * number / total}%` }) : null));
  return bar;
}

function interval(counts) {
  if (!isKnown(counts.low)) return null;
  return el("div", { class: "interval", "aria-hidden": "true" },
    el("span", { style: `left: ${100 * counts.low}%; width: ${Math.max(0.6, 100 * (counts.high - counts.low))}%` }));
}
