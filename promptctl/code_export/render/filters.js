// The filters, tests and methods that templates may use. What the writer refuses is not here.

import {
  RenderError, Missing, equal, holds, isFraction, isNumber, items, json, kind, order, small, text, there, truth, whole,
} from "./values.js";

// White space as Python's `str.strip` has it.
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${BLANK}]+`);
const BLANKS = new RegExp(`[${BLANK}]+`);
const IS_BLANK = new RegExp(`[${BLANK}]`);
const WORD_BEGINNINGS = new RegExp(`([-${BLANK}({[<]+)`);

export const FILTERS = {
  abs: (value) => (typeof value === "bigint" ? (value < 0n ? -value : value) : Math.abs(numeric(value, "abs"))),
  capitalize: (value) => capitalized(text(value)),
  default: (value, instead = "", orFalse = false) =>
    value === undefined || value instanceof Missing || (truth(orFalse) && !truth(value)) ? instead : value,
  dictsort: (value, caseSensitive = false, by = "key", reverse = false) => {
    if (by !== "key" && by !== "value") throw new RenderError("`dictsort` is by 'key' or 'value'");
    const place = by === "key" ? 0 : 1;
    return sorted(pairs(value, "dictsort"), (pair) => folded(pair[place], caseSensitive), reverse);
  },
  each: (values, apply) => items(values).map((item) => apply(item)),
  escape: (value) => text(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign]),
  first: (values) => end(items(values), 0, "first"),
  indent: (value, width = 4, first = false, blank = false) => indented(text(value), width, first, blank),
  items: (value) => pairs(value, "items"),
  join: (values, between = "", attribute = null) => {
    const list = attribute === null ? items(values) : items(values).map((item) => found(item, attribute));
    return list.map((item) => text(item, "an item of the list")).join(text(between));
  },
  last: (values) => end(items(values), -1, "last"),
  length: (values) => items(values).length,
  list: (values) => [...items(values)],
  lower: (value) => text(value).toLowerCase(),
  map: (values, attribute, instead) =>
    items(values).map((item) => {
      const value = found(item, attribute);
      return value instanceof Missing && instead !== undefined ? instead : value;
    }),
  max: (values, caseSensitive, attribute) => extreme(values, caseSensitive, attribute, 1),
  min: (values, caseSensitive, attribute) => extreme(values, caseSensitive, attribute, -1),
  reject: (values, ...test) => items(values).filter((item) => !passes(item, test)),
  rejectattr: (values, attribute, ...test) => items(values).filter((item) => !passes(found(item, attribute), test)),
  replace: (value, old, by, count = null) => replaced(text(value), text(old), text(by), count),
  reverse: (values) => {
    const list = [...items(values)].reverse();
    return typeof values === "string" ? list.join("") : list;
  },
  safe: (value) => value,
  select: (values, ...test) => items(values).filter((item) => passes(item, test)),
  selectattr: (values, attribute, ...test) => items(values).filter((item) => passes(found(item, attribute), test)),
  sort: (values, reverse = false, caseSensitive = false, attribute = null) => {
    const names = typeof attribute === "string" ? attribute.split(",") : [attribute];
    const keyOf = (item) => folded(found(item, names[0]), caseSensitive);
    const keysOf = (item) => names.map((name) => folded(found(item, name), caseSensitive));
    return sorted(items(values), names.length === 1 ? keyOf : keysOf, reverse);
  },
  string: (value) => text(value),
  sum: (values, attribute = null, start = 0) =>
    small(items(values).reduce((sum, item) => sum + whole(found(item, attribute), "sum"), whole(start, "sum"))),
  title: (value) =>
    text(value).split(WORD_BEGINNINGS).map((part) => {
      const [first = "", ...rest] = part;
      return first.toUpperCase() + rest.join("").toLowerCase();
    }).join(""),
  tojson: (value, indent = null) => {
    if (indent !== null && (!Number.isInteger(indent) || indent < 0 || indent > 16)) {
      throw new RenderError("`indent` is a number from 0 to 16");
    }
    return json(value, indent);
  },
  trim: (value, signs = null) => stripped(text(value), signs),
  truncate: (value, length = 255, words = false, sign = "...", leeway = 5) => {
    const chars = [...text(value)];
    const rest = length - [...sign].length;
    if (rest < 0) throw new RenderError("`length` of `truncate` is at least that of its `end`");
    if (chars.length <= length + leeway) return chars.join("");
    const cut = chars.slice(0, rest).join("");
    return (truth(words) || !cut.includes(" ") ? cut : cut.slice(0, cut.lastIndexOf(" "))) + sign;
  },
  unique: (values, caseSensitive = false, attribute = null) => {
    const kept = new Map();
    for (const item of items(values)) {
      const key = found(item, attribute);
      const number = typeof key === "boolean" ? Number(key) : key;
      const mark = typeof key === "string" ? folded(key, caseSensitive) : `\0${json(number)}`;
      if (!kept.has(mark)) kept.set(mark, item);
    }
    return [...kept.values()];
  },
  upper: (value) => text(value).toUpperCase(),
};

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" };

export const TESTS = {
  boolean: (value) => typeof value === "boolean",
  defined: (value) => !(value === undefined || value instanceof Missing),
  divisibleby: (value, by) => {
    if (whole(by, "divisibleby") === 0n) throw new RenderError("nothing is divisible by zero");
    return !isFraction(value) && whole(value, "divisibleby") % whole(by, "divisibleby") === 0n;
  },
  eq: equal,
  even: (value) => !isFraction(value) && whole(value, "even") % 2n === 0n,
  false: (value) => value === false,
  gt: (value, other) => order(value, other) > 0,
  gteq: (value, other) => order(value, other) >= 0,
  in: (value, list) => holds(list, value),
  integer: (value) => typeof value === "bigint" || Number.isInteger(value),
  iterable: (value) => value === undefined || isList(there(value)) || value instanceof Map,
  lt: (value, other) => order(value, other) < 0,
  lteq: (value, other) => order(value, other) <= 0,
  mapping: (value) => value instanceof Map,
  ne: (value, other) => !equal(value, other),
  none: (value) => value === null,
  number: (value) => isNumber(value) || typeof value === "boolean",
  odd: (value) => !isFraction(value) && whole(value, "odd") % 2n !== 0n,
  sequence: (value) => value === undefined || isList(there(value)) || value instanceof Map,
  string: (value) => typeof value === "string",
  true: (value) => value === true,
  undefined: (value) => value === undefined || value instanceof Missing,
};

const OF_TEXT = {
  capitalize: capitalized,
  endswith: (value, end) => value.endsWith(string(end)),
  join: (value, list) => FILTERS.join(list, value),
  lower: (value) => value.toLowerCase(),
  lstrip: (value) => value.replace(LEADING, ""),
  replace: (value, old, by) => replaced(value, text(old), text(by), null),
  rstrip: withoutTail,
  split: (value, between = null) => {
    if (between === null) return stripped(value, null) === "" ? [] : stripped(value, null).split(BLANKS);
    if (string(between) === "") throw new RenderError("`split` needs a separator that is not empty");
    return value.split(between);
  },
  startswith: (value, start) => value.startsWith(string(start)),
  strip: (value) => stripped(value, null),
  upper: (value) => value.toUpperCase(),
};

const OF_MAPPING = {
  get: (value, key, instead = null) => (value.has(key) ? value.get(key) : instead),
  items: (value) => [...value],
  keys: (value) => [...value.keys()],
  values: (value) => [...value.values()],
};

/** Return the method of a value, or null. */
export function method(value, name) {
  const methods = typeof value === "string" ? OF_TEXT : value instanceof Map ? OF_MAPPING : {};
  return Object.hasOwn(methods, name) ? methods[name] : null;
}

/** Return `value.name`: the item of a mapping. */
export function attribute(value, name) {
  if (there(value) instanceof Map && value.has(name)) return value.get(name);
  if (method(value, name)) throw new RenderError(`\`${name}\` is a function; call it with ()`);
  return missing(value, name);
}

/** Return `value[key]`: an item of a mapping, list or text. */
export function item(value, key) {
  there(value);
  if (value instanceof Map && typeof key === "string" && value.has(key)) return value.get(key);
  if ((Array.isArray(value) || typeof value === "string") && (isNumber(key) || typeof key === "boolean")) {
    const list = items(value);
    const place = Number(key) < 0 ? Number(key) + list.length : Number(key);
    if (Number.isInteger(place) && place >= 0 && place < list.length) return list[place];
  }
  return missing(value, there(key));
}

function missing(value, name) {
  const shown = typeof name === "string" || isNumber(name) ? `\`${String(name).slice(0, 40)}\`` : "this";
  return new Missing(`${value === undefined ? "undefined" : kind(value)} has no ${shown}`);
}

/** Return what `attribute='a.0.b'` finds in an item; the item itself without one. */
function found(value, path) {
  if (path === null || path === undefined) return value;
  if (typeof path !== "string") return item(value, path);
  return path.split(".").reduce((part, key) => item(part, /^[0-9]+$/.test(key) ? Number(key) : key), value);
}

function passes(value, test) {
  const [name, ...args] = test;
  return name === undefined ? truth(value) : TESTS[name](value, ...args);
}

function isList(value) {
  return Array.isArray(value) || typeof value === "string";
}

function string(value) {
  if (typeof there(value) !== "string") throw new RenderError(`this needs a text, and is given ${kind(value)}`);
  return value;
}

function numeric(value, name) {
  if (typeof value === "boolean") return Number(value);
  if (!isNumber(there(value))) throw new RenderError(`\`${name}\` needs a number, and this is ${kind(value)}`);
  return value;
}

function folded(value, caseSensitive) {
  return typeof value === "string" && !truth(caseSensitive) ? value.toLowerCase() : value;
}

function sorted(values, keyOf, reverse) {
  const keyed = values.map((value) => [keyOf(value), value]);
  const sign = truth(reverse) ? -1 : 1;
  return keyed.sort(([left], [right]) => sign * order(left, right)).map(([, value]) => value);
}

function extreme(values, caseSensitive, attribute, sign) {
  const list = items(values);
  if (list.length === 0) return new Missing("`max` and `min`: the list is empty");
  const keyOf = (value) => folded(found(value, attribute), caseSensitive);
  return list.reduce((best, value) => (sign * order(keyOf(value), keyOf(best)) > 0 ? value : best));
}

function end(list, place, name) {
  return list.length > 0 ? list.at(place) : new Missing(`\`${name}\`: the list is empty, so it has no ${name} item`);
}

function pairs(value, name) {
  if (!(there(value) instanceof Map)) throw new RenderError(`\`${name}\` needs a mapping, and this is ${kind(value)}`);
  return [...value];
}

function capitalized(value) {
  const [first = ""] = value;
  const upper = first.toUpperCase();
  // Letters whose form at the beginning of a word is not their capital, which JavaScript does not know.
  if ([...upper].length > 1 || /[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff\u1f80-\u1faf\u1fbc\u1fcc\u1ffc]/.test(first)) {
    throw new RenderError("`capitalize`: JavaScript does not know how this letter begins a word");
  }
  return upper + value.toLowerCase().slice(first.toLowerCase().length);
}

function stripped(value, signs) {
  if (signs === null) return withoutTail(value.replace(LEADING, ""));
  const chars = [...value];
  const set = new Set(string(signs));
  let [start, stop] = [0, chars.length];
  while (start < stop && set.has(chars[start])) start += 1;
  while (stop > start && set.has(chars[stop - 1])) stop -= 1;
  return chars.slice(start, stop).join("");
}

/** Return a text without the white space at its end, in linear time, which `/\s+$/` does not take. */
function withoutTail(value) {
  let stop = value.length;
  while (stop > 0 && IS_BLANK.test(value[stop - 1])) stop -= 1;
  return value.slice(0, stop);
}

function replaced(value, old, by, count) {
  const most = count === null ? Infinity : Number(whole(count, "count"));
  const parts = old === "" ? ["", ...value, ""] : value.split(old);
  if (most < 0 || parts.length - 1 <= most) return parts.join(by);
  return [...parts.slice(0, most), parts.slice(most).join(old)].join(by);
}

function indented(value, width, first, blank) {
  const margin = typeof width === "string" ? width : " ".repeat(Number(whole(width, "width")));
  const [top, ...rest] = value.split("\n");
  const moved = rest.map((line) => (line || truth(blank) ? margin + line : line));
  return [truth(first) ? margin + top : top, ...moved].join("\n");
}

