// Charts over time, as SVG: bars or lines, with the moves of labels, new versions and stops of budgets as marks on each.
// A chart is a slider for the keyboard and screen readers: its arrows go from step to step and read the values there.
const zone = (() => { try { new Intl.DateTimeFormat("en-GB", { timeZone: data.time.zone }); return data.time.zone; } catch { return "UTC"; } })();
const dated = (options) => { const written = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }); return (ms) => written.format(ms); };
const day = dated({ day: "numeric", month: "short" }), clock = dated({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const whole = dated({ day: "numeric", month: "short", year: "numeric" }), monthly = dated({ month: "short" }), yearly = dated({ year: "numeric" });
const HOUR = 3600000, DAY = 24 * HOUR;
// What a clock of the page's zone shows, as if it stood in UTC; and the moment at which that day begins there.
const wall = (() => {
  const written = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  return (ms) => { const { year, month, day: date, hour, minute, second } = Object.fromEntries(written.formatToParts(ms).map(({ type, value }) => [type, Number(value)])); return new Date(Date.UTC(2000, 0, 1, hour, minute, second)).setUTCFullYear(year, month - 1, date); };
})();
const dateOf = (ms) => new Date(wall(ms)).toISOString().slice(0, 10);
const midnight = (date) => { const near = 2 * date - wall(date); return date + near - wall(near); };
const sorted = (values) => [...values].sort((one, other) => one - other);

function span(start, until) {
  const last = until - 1;
  if (yearly(start) !== yearly(last)) return `${whole(start)} – ${whole(last)}`;
  if (until - start > 20 * HOUR) return day(start) === day(last) ? day(start) : `${day(start)} – ${day(last)}`;
  if (until === start) return `${day(start)} ${clock(start)}`;
  return day(start) === day(last) ? `${day(start)} ${clock(start)}–${clock(until)}` : `${day(start)} ${clock(start)} – ${day(until)} ${clock(until)}`;
}

// Compact numbers for axes: all ticks of an axis in one unit.
function short(unit, most) {
  const plainly = (value, digits) => String(Number(value.toFixed(digits)));
  if (unit === "share") return (value) => plainly(100 * value, most < 0.02 ? 2 : 1) + "%";
  if (unit === "points") return (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + plainly(Math.abs(100 * value), 1);
  if (unit === "time") return (value) => !value ? "0" : most >= 120000 ? plainly(value / 60000, 1) + " min" : most >= 2000 ? plainly(value / 1000, 1) + " s" : plainly(value, most < 0.1 ? 3 : most < 1 ? 2 : most < 10 ? 1 : 0) + " ms";
  const [by, letter] = unit === "money" ? [1e9, ""] : [1, ""];
  const scaled = most / by, [per, mark] = scaled >= 2e9 ? [1e9, "B"] : scaled >= 2e6 ? [1e6, "M"] : scaled >= 2e3 ? [1e3, "k"] : [1, letter];
  const digits = scaled / per >= 10 ? 0 : scaled / per >= 1 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(scaled / per || 1)));
  return (value) => (unit === "money" ? "$" : "") + plainly(value / by / per, digits) + (value ? mark : "");
}

// Round ticks from `low` to at least `high`: steps of 1, 2 or 5.
function ticksOf(low, high, most = 4, least = 0) {
  const raw = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(least, [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw - 1e-12));
  const first = Math.floor(low / step + 1e-9), ticks = [];
  for (let at = first; ; at += 1) {
    ticks.push(Number((at * step).toPrecision(12)));
    if (at * step >= high - step * 1e-9) return ticks;
  }
}

// Round moments: hours, days, Mondays, months or years of the page's time zone; none finer than the steps are.
function momentsOf(from, to, width, step) {
  const room = Math.max(3, Math.floor(width / 62)), per = Math.max((to - from) / room, step > 12 * HOUR ? Math.min(step, DAY) : 0), shift = step > 20 * HOUR ? Math.min(step, DAY) / 2 : 0;
  const found = [];
  if (per <= HOUR / 2) {
    const step = [1, 2, 5, 10, 15, 30].find((each) => each * 60000 >= per) * 60000;
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push([at, clock(at)]);
    return found;
  }
  if (per <= 12 * HOUR) {
    const hours = [1, 2, 3, 6, 12].find((each) => each * HOUR >= per);
    for (let at = Math.ceil(from / HOUR) * HOUR; at <= to; at += HOUR) {
      const hour = Number(clock(at).slice(0, 2));
      if (hour % hours === 0 && clock(at).endsWith("00")) found.push([at, hour === 0 ? day(at) : clock(at)]);
    }
    return found;
  }
  const days = [1, 2, 4, 7, 14, 28].find((each) => each * DAY >= per), months = [1, 2, 3, 6, 12, 24, 60].find((each) => each * 30.5 * DAY >= per) || 120;
  const offset = DAY - (Number(clock(from).slice(0, 2)) * HOUR + Number(clock(from).slice(3)) * 60000 + from % 60000);
  let count = 0;
  for (let at = from + offset % DAY; at <= to; at += DAY, count += 1) {
    const date = new Date(at + 12 * HOUR);
    if (days) {
      if (days >= 7 ? date.getUTCDay() === 1 && Math.round(at / DAY / 7) % (days / 7) === 0 : count % days === 0) found.push([at + shift, day(at + 12 * HOUR)]);
    } else if (date.getUTCDate() === 1 && (date.getUTCFullYear() * 12 + date.getUTCMonth()) % months === 0) {
      found.push([at, date.getUTCMonth() === 0 ? yearly(at + 12 * HOUR) : monthly(at + 12 * HOUR)]);
    }
  }
  return found;
}

const ruler = document.createElement("canvas").getContext("2d");
ruler.font = "11px system-ui, sans-serif";
const widths = new Map();
function widthOf(text) {
  if (!widths.has(text)) widths.set(text, ruler.measureText(text).width);
  return widths.get(text);
}

const GLYPHS = { label: "M0,-5 L5,0 L0,5 L-5,0 Z", version: "M-4,0 A4,4 0 1 0 4,0 A4,4 0 1 0 -4,0", budget: "M-4.5,-4.5 H4.5 V4.5 H-4.5 Z" };
const MARK_NAMES = { label: "label moved", version: "new version", budget: "budget stopped calls" };
const glyph = (kind, x, y) => svg("path", { class: `glyph ${kind}`, d: GLYPHS[kind], transform: `translate(${x} ${y})` });
const glyphIcon = (kind) => svg("svg", { viewBox: "-6 -6 12 12", width: 12, height: 12, "aria-hidden": "true" }, glyph(kind, 0, 0));

// What a mark may be called, the longest first; of which prompt it is, where there are several.
function namesOf(marks, hasSeveral) {
  if (marks.length > 1) return [[...new Set(marks.map((mark) => namesOf([mark], hasSeveral)[0]))].join(", "), `${marks.length} changes`, String(marks.length)];
  const [mark] = marks, prompt = hasSeveral && mark.prompt ? `${mark.prompt} ` : "", to = mark.version_display ? `→ ${mark.version_display}` : "";
  const [brief, briefer] = mark.kind === "budget" ? ["budget"] : mark.kind === "label" ? [`${mark.label} ${to}`.trim(), to] : [mark.version_display || "version"];
  return [prompt + brief, briefer ? prompt + briefer : "", brief, briefer].filter(Boolean);
}

// Marks that would touch are one with their number. A text stands beside a mark where there is room: those of findings
// first, which may stand a line lower if that `hasLow`, then the newest. `isLow` of a group: its text is in that lower line.
function placed(marks, x, left, right, hasLow) {
  let groups = [];
  for (let near = 13; ; near *= 1.5) {
    groups = [];
    for (const mark of marks) {
      const at = x(mark.ms), last = groups[groups.length - 1];
      if (last && at - last.at < near && !mark.isFound && !last.isFound) last.marks.push(mark); else groups.push({ at, marks: [mark], isFound: mark.isFound });
    }
    if (groups.length * 26 <= right - left || near > right - left) break;
  }
  const hasSeveral = new Set(marks.map((mark) => mark.prompt).filter(isKnown)).size > 1;
  const taken = [groups.map(({ at }) => [at - 9, at + 9]), []];
  for (const group of [...groups].reverse().sort((one, other) => Number(other.isFound) - Number(one.isFound))) {
    const places = (text, isLow) => [[group.at + (isLow ? 5 : 9), 1], [group.at - (isLow ? 5 : 9) - widthOf(text), -1]].map(([from, side]) => ({ text, isLow, side, from, to: from + widthOf(text) }));
    const texts = namesOf(group.marks, hasSeveral), all = group.isFound && hasLow ? [...places(texts[0], false), ...texts.flatMap((text) => places(text, true))] : texts.flatMap((text) => places(text, false));
    const isFree = ({ from, to, isLow }) => from >= left - 30 && to <= right && !taken[Number(isLow)].some(([start, until]) => until > from + 1 && start < to - 1 && !(start === group.at - 9 && until === group.at + 9));
    const found = all.find(isFree);
    if (!found) continue;
    taken[Number(found.isLow)].push([found.from - 6, found.to + 6]);
    Object.assign(group, found);
  }
  return groups;
}

function marksNode(groups, high) {
  return groups.map(({ at, marks: those, isFound, text, isLow, side }) => {
    const kind = those.find((mark) => mark.kind === "budget")?.kind || those.find((mark) => mark.kind === "label")?.kind || "version";
    return svg("g", { class: `mark-at ${kind}${isFound ? " found" : ""}` }, svg("line", { x1: at, x2: at, y1: 15, y2: high }), glyph(kind, at, 9), text ? svg("text", { x: at + side * (isLow ? 5 : 9), y: isLow ? 27 : 13, "text-anchor": side < 0 ? "end" : null }, text) : null);
  });
}

// All charts on the page share one moment, and one reading beside it.
const charts = new Set();
let reading = null;
// All widths are read before anything is drawn: else the browser would lay the page out once for each chart.
function drawAll(within = document.body) {
  for (const chart of charts) if (!chart.plot.isConnected) charts.delete(chart);
  const found = [...charts].filter((chart) => within.contains(chart.plot)).map((chart) => [chart, Math.round(chart.plot.clientWidth)]);
  for (const [chart, width] of found) chart.draw(width);
}
function pointAt(ms) { for (const chart of charts) chart.point(ms); }
function hideReading() {
  byId("reading").hidden = true;
  reading = null;
  for (const chart of charts) chart.point(null);
}

const notesOf = (chart, at) => [...chart.notes(at), ...chart.points[at].isPart ? ["the log covers a part of this step"] : []];

function rowsOf(chart, at) {
  const marks = chart.marksAt(at);
  return [el("b", {}, chart.stepName(at)),
    ...chart.series.map((series) => el("span", { class: "of" }, el("i", { class: `swatch ${series.colour}` }), el("span", {}, series.name), el("strong", {}, series.text(at)))),
    ...notesOf(chart, at).map((text) => el("small", {}, text)),
    ...marks.slice(0, 5).map((mark) => el("span", { class: `happened ${mark.kind}` }, glyphIcon(mark.kind), el("span", {}, mark.prompt ? el("b", {}, mark.prompt) : null, mark.prompt ? " " : null, mark.text))),
    marks.length > 5 ? el("small", {}, `and ${marks.length - 5} more`) : null].filter(Boolean);
}

function read(chart, at, left, top) {
  reading = chart;
  const box = byId("reading");
  box.replaceChildren(...rowsOf(chart, at));
  box.hidden = false;
  const { offsetWidth: wide, offsetHeight: high } = box, room = document.documentElement.clientWidth;
  box.style.left = `${Math.max(6, left + 16 + wide > room - 6 ? left - wide - 16 : left + 16)}px`;
  box.style.top = `${Math.max(6, Math.min(top - 12, innerHeight - high - 6))}px`;
}

function valueText(chart, at) {
  return [chart.stepName(at), ...chart.series.map((series) => `${series.name} ${series.text(at)}`), ...notesOf(chart, at), ...chart.marksAt(at).map((mark) => `${mark.prompt || ""} ${mark.text}`.trim())].join("; ");
}

/* chart: { title, points: [{start, end}], from, to, marks, kind: "bars" | "lines", unit, series: [{name, colour, value(at), text(at), low?(at), high?(at), isThin?(at)}],
   lines: [{value, name}], floor, high: px, least: smallest span, zoom: what a selected period does, notes(at) } */
function timeChart(chart) {
  const plot = el("div", { class: "plot", role: "slider", tabindex: "0", "aria-label": `${chart.title} over time`, "aria-valuemin": "0", "aria-valuemax": String(Math.max(0, chart.points.length - 1)) });
  // Of a step that the log covers in part, a value stands in the middle of that part.
  const middle = (point) => point.isPart ? (Math.max(point.start, covered[0]) + Math.min(point.end, covered[1])) / 2 : (point.start + point.end) / 2;
  let at = chart.points.length - 1, drawn = null, anchor = null;
  chart.notes ||= () => [];
  chart.stepName = (index) => span(chart.points[index].start, chart.points[index].end);
  chart.marksAt = (index) => {
    const point = chart.points[index], slack = drawn ? 7 * drawn.msPerPixel : 0;
    return chart.marks.filter((mark) => mark.ms >= Math.min(point.start, middle(point) - slack) && mark.ms < Math.max(point.end, middle(point) + slack));
  };
  const nearest = (ms) => chart.points.reduce((best, point, index) => Math.abs(middle(point) - ms) < Math.abs(middle(chart.points[best]) - ms) ? index : best, 0);
  const say = () => { plot.setAttribute("aria-valuenow", String(Math.max(0, at))); plot.setAttribute("aria-valuetext", chart.points.length ? valueText(chart, at) : "no calls"); };

  chart.plot = plot;
  chart.draw = (width) => {
    const high = chart.high || 176;
    if (!width) return;
    drawn = picture(chart, width, high, middle);
    plot.replaceChildren(drawn.node);
  };
  chart.point = (ms) => {
    if (!drawn) return;
    drawn.cursor.replaceChildren();
    if (ms === null || !chart.points.length || ms < chart.from || ms > chart.to) return;
    const index = nearest(ms), x = drawn.x(middle(chart.points[index]));
    drawn.cursor.append(svg("line", { x1: x, x2: x, y1: drawn.top, y2: drawn.floor }),
      ...chart.kind === "bars" ? [] : chart.series.filter((series) => isKnown(series.value(index))).map((series) => svg("circle", { class: series.colour, cx: x, cy: drawn.y(series.value(index)), r: 4 })));
  };
  const msAt = (event) => drawn.ms(event.clientX - plot.getBoundingClientRect().left);
  const select = (one, other) => {
    const [x1, x2] = sorted([drawn.x(one), drawn.x(other)]);
    drawn.cursor.append(svg("rect", { class: "chosen", x: x1, width: x2 - x1, y: drawn.top, height: drawn.floor - drawn.top }));
  };
  const zoomed = (one, other) => {
    const [first, last] = sorted([nearest(one), nearest(other)]);
    chart.zoom(chart.points[first].start, chart.points[last].end);
  };
  plot.addEventListener("pointermove", (event) => {
    if (!drawn || !chart.points.length) return;
    at = nearest(msAt(event));
    pointAt(middle(chart.points[at]));
    if (anchor !== null) select(anchor, msAt(event));
    read(chart, at, event.clientX, event.clientY);
  });
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hideReading(); anchor = null; });
  plot.addEventListener("pointerdown", (event) => { if (chart.zoom && event.pointerType === "mouse" && drawn) anchor = msAt(event); });
  plot.addEventListener("pointerup", (event) => {
    if (anchor !== null && Math.abs(drawn.x(anchor) - drawn.x(msAt(event))) > 8) zoomed(anchor, msAt(event));
    anchor = null;
  });
  const show = () => {
    if (!drawn || !chart.points.length) return;
    const box = plot.getBoundingClientRect();
    pointAt(middle(chart.points[at]));
    if (anchor !== null) select(anchor, middle(chart.points[at]));
    const room = innerHeight - box.bottom > 240;  // below the chart, which is to be seen, or above it
    read(chart, at, box.left + drawn.x(middle(chart.points[at])), room ? box.bottom + 18 : Math.max(0, box.top - 240));
    say();
  };
  chart.show = show;
  const nextMark = (way) => {
    const found = chart.marks.map((mark) => nearest(mark.ms)).filter((index) => way > 0 ? index > at : index < at);
    return found.length ? (way > 0 ? Math.min(...found) : Math.max(...found)) : at;
  };
  plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(); });
  plot.addEventListener("blur", () => { anchor = null; hideReading(); });
  plot.addEventListener("keydown", (event) => {
    if (!chart.points.length) return;
    const last = chart.points.length - 1;
    const moves = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last, PageUp: nextMark(-1), PageDown: nextMark(1) };
    if (event.key === "Escape") { anchor = null; hideReading(); return; }
    if (event.key === "Enter" && anchor !== null && chart.zoom) { zoomed(anchor, middle(chart.points[at])); return; }
    if (!(event.key in moves)) return;
    event.preventDefault();
    if (!event.shiftKey) anchor = null;
    else if (anchor === null && chart.zoom) anchor = middle(chart.points[at]);
    at = Math.min(last, Math.max(0, moves[event.key]));
    show();
  });
  say();
  charts.add(chart);
  return plot;
}

function picture(chart, width, high, middle) {
  const indices = chart.points.map((_, index) => index), values = [];
  for (const index of indices) {
    const here = chart.series.map((series) => series.value(index)).filter(isKnown);
    if (chart.kind === "bars") values.push(here.reduce((sum, value) => sum + value, 0));
    // The wide interval of a thin value would flatten all others: it is drawn as far as the chart goes.
    else for (const series of chart.series) values.push(...[series.value(index), ...series.isThin?.(index) ? [] : [series.low?.(index), series.high?.(index)]].filter(isKnown));
  }
  for (const line of chart.lines || []) values.push(line.value);
  const [least, most] = chart.scale || [values.length ? Math.min(...values) : 0, values.length ? Math.max(...values) : 0];
  // Values that hardly differ are drawn in the middle of a span that is worth looking at.
  const spare = Math.max(0, (chart.least || 0) - (most - least)) / 2, isFree = chart.floor === undefined, above = isFree ? Math.min(spare, (chart.ceiling ?? Infinity) - most) : 0;
  const low = isFree ? least - 2 * spare + above : Math.min(chart.floor, least), top = (isFree ? most + above : Math.max(most, low + (chart.least || 0))) || { money: 1e7, time: 10 }[chart.unit] || 1;
  const ticks = ticksOf(low, Math.min(top, chart.ceiling ?? Infinity), high > 150 ? 4 : 2, chart.unit === "count" ? 1 : 0);
  // A line that lies on the axis would be taken for it.
  const lowest = chart.scale ? least : Math.min(...indices.flatMap((index) => chart.series.map((series) => series.value(index)).filter(isKnown)));
  if (isFree && ticks.length > 1 && lowest - ticks[0] < (ticks[1] - ticks[0]) / 20) ticks.unshift(Number((2 * ticks[0] - ticks[1]).toPrecision(12)));
  const bottom = ticks[0], peak = ticks[ticks.length - 1];
  const written = short(chart.unit, Math.max(Math.abs(bottom), Math.abs(peak))), left = Math.max(high > 150 ? 46 : 40, Math.ceil(Math.max(...ticks.map((tick) => widthOf(written(tick))))) + 10), right = width - 6;
  const floor = high - 22, wide = Math.max(1, chart.to - chart.from);
  const x = (ms) => Math.round(10 * (left + (right - left) * (ms - chart.from) / wide)) / 10, marks = placed(chart.marks, x, left, right, high > 150);
  const roof = marks.some((group) => group.isLow) ? 40 : chart.hasMarks ?? marks.length ? 26 : 12, y = (value) => Math.round(10 * (floor - (floor - roof) * (value - bottom) / (peak - bottom || 1))) / 10;
  const cursor = svg("g", { class: "cursor" });
  const grid = ticks.map((tick) => [svg("line", { class: tick === 0 || tick === bottom ? "axis base" : "axis", x1: left, x2: right, y1: y(tick), y2: y(tick) }), svg("text", { x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, written(tick))]);
  let before = -Infinity;
  const moments = momentsOf(chart.from, chart.to, right - left, chart.points.length ? chart.points[0].end - chart.points[0].start : 0).map(([ms, text]) => {
    const half = widthOf(text) / 2, place = Math.min(right - half, Math.max(left + half, x(ms)));
    if (place - half < before + 10 || Math.abs(place - x(ms)) > 20) return null;
    before = place + half;
    return [svg("line", { class: "tick", x1: x(ms), x2: x(ms), y1: floor, y2: floor + 4 }), svg("text", { x: place, y: high - 4, "text-anchor": "middle" }, text)];
  });
  const straight = (chart.lines || []).map((line) => svg("g", { class: "reference" }, svg("line", { x1: left, x2: right, y1: y(line.value), y2: y(line.value) }), svg("text", { x: right, y: y(line.value) + (line.isBelow ? 13 : -5), "text-anchor": "end" }, line.name)));
  const body = chart.kind === "bars" ? bars(chart, indices, x, y) : chart.series.map((series) => lineOf(series, chart.points, (index) => x(middle(chart.points[index])), (value) => Math.min(floor, Math.max(roof, y(value))), high > 150 ? 3 : 2));
  const node = svg("svg", { width, height: high, viewBox: `0 0 ${width} ${high}`, "aria-hidden": "true", focusable: "false" }, grid, moments, marksNode(marks, floor), body, straight, cursor,
    values.some((value) => value || chart.kind === "lines") ? null : svg("text", { class: "nothing", x: (left + right) / 2, y: (roof + floor) / 2, "text-anchor": "middle" }, "none"));
  return { node, cursor, x, y, top: roof - 6, floor, msPerPixel: wide / (right - left), ms: (pixel) => chart.from + wide * (pixel - left) / (right - left) };
}

// One path a series, and a hatched one for steps that the log covers in part: a page of many bars stays quick.
function bars(chart, indices, x, y) {
  const drawn = chart.series.map(() => ["", ""]);
  for (const index of indices) {
    const left = x(chart.points[index].start), room = x(chart.points[index].end) - left, gap = room > 5 ? 1 : room > 2 ? 0.5 : 0, wide = Math.max(1, room - 2 * gap);
    let below = 0;
    chart.series.forEach((series, at) => {
      const value = series.value(index);
      if (!value) return;
      const from = y(below), to = y(below + value);
      drawn[at][Number(Boolean(chart.points[index].isPart))] += `M${(left + (room - wide) / 2).toFixed(1)},${to}h${wide.toFixed(1)}v${Math.max(1, from - to - (below ? 1 : 0)).toFixed(1)}h-${wide.toFixed(1)}z`;
      below += value;
    });
  }
  return chart.series.map((series, at) => drawn[at].map((d, isPart) => d ? svg("path", { class: `bar ${series.colour}${isPart ? " part" : ""}`, d }) : null));
}

// A line with a gap where nothing is known; the band is the interval of 95 %; a thin value is hollow.
function lineOf(series, points, x, y, radius) {
  const runs = [];
  let run = [];
  points.forEach((_, index) => {
    if (isKnown(series.value(index))) { run.push(index); return; }
    if (run.length) runs.push(run);
    run = [];
  });
  if (run.length) runs.push(run);
  const joined = (indices, value) => indices.map((index) => `${x(index)},${y(value(index))}`).join("L");
  const isSparse = points.length <= 14;
  return [runs.map((each) => series.low && each.length > 1 ? svg("path", { class: `band ${series.colour}`, d: `M${joined(each, series.high)}L${joined([...each].reverse(), series.low)}Z` }) : null),
    runs.map((each) => svg("path", { class: `line ${series.colour}`, d: `M${joined(each, series.value)}` })),
    points.map((_, index) => {
      const isAlone = runs.some((each) => each.length === 1 && each[0] === index), isThin = series.isThin?.(index);
      if (!isKnown(series.value(index)) || !(isThin || isAlone || isSparse)) return null;
      return [series.low && isAlone ? svg("line", { class: `whisker ${series.colour}`, x1: x(index), x2: x(index), y1: y(series.low(index)), y2: y(series.high(index)) }) : null,
        svg("circle", { class: `dot ${series.colour}${isThin ? " thin" : ""}`, cx: x(index), cy: y(series.value(index)), r: radius })];
    })];
}
