// The facts of the page: rows of sums, filtered by what is wanted and added up by time and by group.
const SUMS = ["calls", "attempts", "retries", "ok", "errors", "invalid_outputs", "blocked", "cancelled", "reused", "cache_hits", "input_tokens", "output_tokens",
  "cached_tokens", "cost_nano_usd", "priced", "unpriced"];
const FEWEST = 20, MOST_STEPS = 96, NONE = "(none)";
const names = data.names, kinds = names.error.length;
const starts = data.time.starts.map((text) => Date.parse(text)), end = Date.parse(data.time.end || data.made_at);
// From the first call to the last.
const covered = [Date.parse(data.time.first_call_at) || starts[0], Date.parse(data.time.last_call_at) || end];
const endOf = (bucket) => bucket + 1 < starts.length ? starts[bucket + 1] : end;

// Failures are sparse: each entry says by how many rows it is further on. A row's own are from its place to the next row's.
function opened(facts) {
  const at = new Int32Array(facts.rows + 1);
  let row = 0;
  for (const step of facts.failures.row) { row += step; at[row + 1] += 1; }
  for (let each = 0; each < facts.rows; each += 1) at[each + 1] += at[each];
  return { ...facts, latency: unpacked(facts.latency), failures: { ...facts.failures, at } };
}

// A row's counts are of buckets one after another: a digit of base 36 each, larger ones in parentheses.
function unpacked({ first, counts }) {
  const at = new Int32Array(counts.length + 1), bucket = [], count = [];
  counts.forEach((text, row) => {
    let each = first[row];
    for (const [, large, digit] of text.matchAll(/\((\d+)\)|(.)/g)) {
      const number = large ? Number(large) : parseInt(digit, 36);
      if (number) { bucket.push(each); count.push(number); }
      each += 1;
    }
    at[row + 1] = bucket.length;
  });
  return { at, bucket, count };
}

const FACTS = opened(data.calls), USERS = opened(data.users);
const range = (least, values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [least, -least]);
const buckets = FACTS.latency.bucket.concat(USERS.latency.bucket);
const [LEAST, MOST] = buckets.length ? range(Infinity, buckets) : [0, 0];
const BINS = MOST - LEAST + 1, growth = data.latency_scale.growth;
const msOf = (bin) => 2 * growth ** (bin + LEAST) / (growth + 1);

const isGlob = (text) => /[*?[]/.test(text);
// As in the log's commands: `*` is any text, with `/` too. A text without wildcard is an id, or what ids hold.
function matcher(pattern, known) {
  const wanted = pattern.trim();
  if (!wanted) return () => true;
  if (!isGlob(wanted)) return known.includes(wanted) ? (name) => name === wanted : (name) => String(name).toLowerCase().includes(wanted.toLowerCase());
  const source = wanted.replace(/\[[!^]?[^\]]+\]|[\s\S]/g, (part) => part.length > 1 ? "[" + (/^\[[!^]/.test(part) ? "^" : "") + part.replace(/^\[[!^]?|\]$/g, "").replace(/[\\\]^]/g, "\\$&") + "]"
    : part === "*" ? "[^]*" : part === "?" ? "[^]" : part.replace(/[.+^${}()|\\[\]/]/g, "\\$&"));
  try { const expression = new RegExp(`^(?:${source})$`); return (name) => expression.test(name); } catch { return (name) => name === wanted; }
}

const chosen = (list, wanted) => list.map((name) => !wanted || (wanted === NONE ? name === null : name === wanted));

// Each bucket's step in the view, or -1: a step is as many buckets together as it takes for `most` steps, or `least` ones.
function stepsOf(wanted, least = FACTS.time_step || 1, most = MOST_STEPS) {
  const [from, to] = periodOf(wanted), firstOf = (bucket) => bucket - bucket % least, lastOf = (bucket) => Math.min(starts.length, firstOf(bucket) + least) - 1;
  const inside = starts.map((_, bucket) => endOf(lastOf(bucket)) > from && starts[firstOf(bucket)] < to ? bucket : -1).filter((bucket) => bucket >= 0);
  const wide = [1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168].map((times) => times * least).find((width) => inside.length / width <= most) || least * Math.ceil(inside.length / most / least);
  const first = least > 1 ? 0 : Math.max(0, starts.findIndex((start) => wide > 1 && clock(start) === "00:00")) % wide;
  const placed = new Int32Array(starts.length).fill(-1), steps = [];
  let last = null;
  for (const bucket of inside) {
    const group = Math.floor((bucket - first) / wide);
    if (group !== last) { steps.push({ start: starts[bucket], end: endOf(bucket) }); last = group; }
    steps[steps.length - 1].end = endOf(bucket);
    placed[bucket] = steps.length - 1;
  }
  return { placed, steps };
}

const PRESETS = { "24h": 24, "7d": 168, "30d": 720, "90d": 2160 };
function periodOf(wanted) {
  const hours = PRESETS[wanted.time];
  if (hours) return [end - hours * 3600000, Infinity];
  const moment = (text, fallback) => Number.isNaN(Date.parse(text)) ? fallback : Date.parse(text);
  return [moment(wanted.from, -Infinity), moment(wanted.to, Infinity)];
}

// The rows that are wanted, and the step of each.
function select(facts, wanted, placed) {
  const isPrompt = names.prompt.map(matcher(wanted.prompt, names.prompt)), isLabel = chosen(names.label, wanted.label), isModel = chosen(names.model, wanted.model), isSource = chosen(names.source, wanted.source);
  const rows = [];
  for (let row = 0; row < facts.rows; row += 1) {
    if (placed[facts.time[row]] >= 0 && isPrompt[facts.prompt[row]] && isLabel[facts.label[row]] && isModel[facts.model[row]] && isSource[facts.source[row]]) rows.push(row);
  }
  return rows;
}

// Sums of rows at places 0 to `length`; a row whose place is -1 is left out.
function addUp(facts, rows, placeOf, length) {
  const sums = { length, latency: new Float64Array(length * BINS), failures: new Float64Array(length * kinds) };
  const places = Int32Array.from(rows, placeOf);
  for (const name of SUMS) {
    const column = facts[name], into = sums[name] = new Float64Array(length);
    for (let at = 0; at < rows.length; at += 1) if (places[at] >= 0) into[places[at]] += column[rows[at]];
  }
  const spread = (into, size, least, offsets, codes, counts) => {
    for (let at = 0; at < rows.length; at += 1) {
      if (places[at] < 0) continue;
      for (let each = offsets[rows[at]]; each < offsets[rows[at] + 1]; each += 1) into[places[at] * size + codes[each] - least] += counts[each];
    }
  };
  spread(sums.latency, BINS, LEAST, facts.latency.at, facts.latency.bucket, facts.latency.count);
  spread(sums.failures, kinds, 0, facts.failures.at, facts.failures.error, facts.failures.count);
  return sums;
}

function timed(sums, at) {
  let number = 0;
  for (let bin = at * BINS; bin < (at + 1) * BINS; bin += 1) number += sums.latency[bin];
  return number;
}

function quantile(sums, at, share) {
  const needed = Math.ceil(share * timed(sums, at));
  if (!needed) return null;
  let seen = 0;
  for (let bin = 0; bin < BINS; bin += 1) {
    seen += sums.latency[at * BINS + bin];
    if (seen >= needed) return msOf(bin);
  }
  return null;
}

// Wilson's interval of a share, at 95 %.
function wilson(passed, of) {
  if (!of) return [null, null];
  const z = 1.96, share = passed / of, middle = (share + z * z / (2 * of)) / (1 + z * z / of);
  const half = z / (1 + z * z / of) * Math.sqrt(share * (1 - share) / of + z * z / (4 * of * of));
  return [passed === 0 ? 0 : middle - half, passed === of ? 1 : middle + half];
}

const asked = (sums, at) => sums.calls[at] - sums.blocked[at];
const part = (numerator, denominator) => denominator ? numerator / denominator : null;
// As the averages of `promptctl cost`: where replies have no price and nothing else cost anything, no cost is known.
// Nor where nothing but refused requests told theirs beside others that never did.
const isPriced = (sums, at) => sums.priced[at] > 0 && (sums.cost_nano_usd[at] > 0 || !sums.unpriced[at] && (!untold(sums, at) || sums.ok[at] + sums.invalid_outputs[at] > 0));
const known = (sums, at) => {
  if (!isPriced(sums, at)) return 0;
  const open = asked(sums, at) - sums.unpriced[at], most = Math.max(0, Math.min(sums.priced[at], open));
  if (!untold(sums, at) || !(sums.ok[at] || sums.invalid_outputs[at])) return most;
  const invalidAtLast = Math.max(0, sums.invalid_outputs[at] - (sums.attempts[at] - sums.calls[at]));
  return Math.min(most, Math.max(1, open - untold(sums, at), sums.ok[at] + invalidAtLast - sums.unpriced[at]));
};
const untold = (sums, at) => Math.max(0, sums.attempts[at] - sums.blocked[at] - sums.priced[at] - sums.unpriced[at]);
// What the page measures. `of` is the number behind a value: fewer than 20 of them are thin.
const MEASURES = {
  success: { name: "Success", format: percent, unit: "share", of: asked, value: (sums, at) => part(sums.ok[at], asked(sums, at)), interval: (sums, at) => wilson(sums.ok[at], asked(sums, at)) },
  failed: { name: "Failed calls", format: count, unit: "count", value: (sums, at) => sums.calls[at] - sums.ok[at] },
  calls: { name: "Calls", format: count, unit: "count", value: (sums, at) => sums.calls[at] },
  cost: { name: "Cost", format: money, unit: "money", value: (sums, at) => isPriced(sums, at) || !(asked(sums, at) || sums.unpriced[at]) ? sums.cost_nano_usd[at] : null },
  per_call: { name: "Cost of a call", format: money, unit: "money", of: known, value: (sums, at) => part(sums.cost_nano_usd[at], known(sums, at)) },
  p50: { name: "Latency p50", format: time, unit: "time", of: timed, value: (sums, at) => quantile(sums, at, 0.5) },
  p95: { name: "Latency p95", format: time, unit: "time", of: timed, value: (sums, at) => quantile(sums, at, 0.95) },
  tokens: { name: "Tokens", format: count, unit: "count", value: (sums, at) => sums.input_tokens[at] + sums.output_tokens[at] },
  invalid: { name: "Invalid outputs", format: percent, unit: "share", of: asked, value: (sums, at) => part(sums.invalid_outputs[at], asked(sums, at)), interval: (sums, at) => wilson(sums.invalid_outputs[at], asked(sums, at)) },
  retries: { name: "Retries of a call", format: percent, unit: "share", of: asked, value: (sums, at) => part(sums.retries[at], asked(sums, at)) },
  cache: { name: "Replies from the cache", format: percent, unit: "share", of: asked, value: (sums, at) => part(sums.cache_hits[at], asked(sums, at)) },
};

// The code of a name that stands for several rare ones.
const isRest = (kind, code) => (data.rests || {})[kind] === code;
// The names that rows are grouped by: a version is one of its prompt.
const GROUPS = {
  prompt: { name: "Prompt", facts: FACTS, key: (row) => FACTS.prompt[row], text: (code) => names.prompt[code] },
  version: { name: "Version", facts: FACTS, key: (row) => FACTS.prompt[row] * names.version.length + FACTS.version[row], text: (code) => `${names.prompt[Math.floor(code / names.version.length)]} ${names.version[code % names.version.length]}` },
  label: { name: "Label", facts: FACTS, key: (row) => FACTS.label[row], text: (code) => names.label[code] ?? "no label" },
  model: { name: "Model", facts: FACTS, key: (row) => FACTS.model[row], text: (code) => names.model[code] ?? "no model" },
  user: { name: "User", facts: USERS, key: (row) => USERS.user[row], text: (code) => names.user[code] ?? "no user given" },
  source: { name: "Source", facts: FACTS, key: (row) => FACTS.source[row], text: (code) => names.source[code] },
};

// Every group with its sums over the whole view, those with the most calls first.
function grouped(by, wanted, placed) {
  const group = GROUPS[by], rows = select(group.facts, wanted, placed), codes = new Map();
  for (const row of rows) if (!codes.has(group.key(row))) codes.set(group.key(row), codes.size);
  const sums = addUp(group.facts, rows, (row) => codes.get(group.key(row)), codes.size);
  const items = [...codes].map(([code, at]) => ({ code, at, name: group.text(code), sums }));
  return { items: items.sort((one, other) => sums.calls[other.at] - sums.calls[one.at]), rows };
}

// The sums of a few groups by step: the place of a step of group g is g * steps + step.
function seriesOf(by, items, rows, view) {
  const group = GROUPS[by], of = new Map(items.map((item, index) => [item.code, index])), size = view.steps.length;
  return addUp(group.facts, rows, (row) => of.has(group.key(row)) ? of.get(group.key(row)) * size + view.placed[group.facts.time[row]] : -1, items.length * size);
}

function viewOf(wanted) {
  const all = stepsOf(wanted), rows = select(FACTS, wanted, all.placed);
  // A few calls are not scattered over many steps.
  const calls = rows.reduce((sum, row) => sum + FACTS.calls[row], 0), most = Math.min(MOST_STEPS, Math.max(12, Math.ceil(calls / 5)));
  const { placed, steps } = all.steps.length > most ? stepsOf(wanted, FACTS.time_step || 1, most) : all;
  for (const step of steps) step.isPart = step.start < covered[0] - (step.end - step.start) / 20 || step.end > covered[1] + (step.end - step.start) / 20;
  const isPrompt = matcher(wanted.prompt, names.prompt), from = steps.length ? steps[0].start : -Infinity, to = steps.length ? steps[steps.length - 1].end : Infinity;
  const marks = MARKS.filter((mark) => mark.ms >= from && mark.ms <= to && (mark.prompt === null || isPrompt(mark.prompt)) && (!wanted.label || mark.kind !== "label" || mark.label === wanted.label));
  return { placed, steps, most, from, to, days: Math.max(1, (Math.min(to, covered[1]) - Math.max(from, covered[0])) / 86400000), marks, isPrompt, rows, sums: addUp(FACTS, rows, (row) => placed[FACTS.time[row]], steps.length), total: addUp(FACTS, rows, () => 0, 1) };
}

// A mark `isFound` if what changed with it is a finding.
const isOfFinding = (mark, ms) => mark.kind === "label" && data.answers.wrong.items.some((item) => item.prompt === mark.prompt && item.at && item.kind !== "burst" && ms >= Date.parse(item.at) && ms < Date.parse(item.at) + data.time.seconds * 1000);
const MARKS = data.marks.map((mark) => ({ ...mark, ms: Date.parse(mark.at), isFound: isOfFinding(mark, Date.parse(mark.at)) }));
