// Values of templates: what may be given, how it becomes text, how it compares. As promptctl's renderer does it.
//
// A value is a string, a finite number, a bigint, true, false, null, an array or a Map; `Missing` for what is not
// there. No error shows a value, only its kind: inputs may be secret.

const MAX_DEPTH = 100;
const MAX_ROW = 1 << 20;

/** Error of inputs that do not fit the prompt, or of a template that fails with them. */
export class RenderError extends Error {
  name = "RenderError";
  /** The line of the template that failed. */
  line = undefined;
}

/** A variable or an item that is not there, with the sentence that says so. */
export class Missing {
  constructor(message) {
    this.message = message;
  }
}

/** Return a copy of what a caller gave, in the types of templates. Mappings become Maps, in their order. */
export function taken(value, depth = 0) {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new RenderError("a text holds half of a character");
    return value;
  }
  if (typeof value === "bigint") return small(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new RenderError("a number is infinite or not a number");
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new RenderError("a whole number is beyond 2^53: give it as a BigInt");
    }
    return value === 0 ? 0 : value; // -0 too
  }
  if (typeof value === "object" && depth > MAX_DEPTH) {
    throw new RenderError(`lists and mappings are nested more than ${MAX_DEPTH} levels deep`);
  }
  if (Array.isArray(value)) return Array.from(value, (item) => taken(item ?? null, depth + 1));
  const entries = entriesOf(value);
  if (entries === null) throw new RenderError("a value is not text, a number, true, false, null, a list or a mapping");
  const made = new Map();
  for (const [key, item] of entries) {
    if (typeof key !== "string") throw new RenderError("a mapping has a key that is not text");
    if (item !== undefined) made.set(taken(key), taken(item, depth + 1));
  }
  return made;
}

function entriesOf(value) {
  if (value instanceof Map) return value.entries();
  if (typeof value !== "object") return null;
  const parent = Object.getPrototypeOf(value);
  return parent === null || Object.getPrototypeOf(parent) === null ? Object.entries(value) : null;
}

/** Return a value as plain JSON data again. */
export function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  const made = {};
  for (const [key, item] of value) define(made, key, plain(item));
  return made;
}

/** Set a key of an object, `__proto__` too. */
export function define(object, key, value) {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Return the kind of a value with its article. */
export function kind(value) {
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "true or false";
  if (isNumber(value)) return "a number";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a mapping";
  return "undefined";
}

export function isNumber(value) {
  return typeof value === "number" || typeof value === "bigint";
}

/** Return the value, or raise the error of using one that is not there. */
export function there(value) {
  if (value instanceof Missing) throw new RenderError(value.message);
  return value;
}

/** Return a value as a prompt prints it; `undefined`, the value of an inline `if` without `else`, prints nothing. */
export function text(value, label = "this") {
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  if (there(value) === null) {
    throw new RenderError(`\`${label}\` is null, which has no text: write \`${label} | default('…', true)\``);
  }
  return json(value);
}

/** Return JSON as Python writes it: a blank after commas and colons, letters as they are, keys in their order. */
export function json(value, indent = null, margin = "\n") {
  if (there(value) === null) return "null";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "boolean") return value ? "true" : "false";
  if (isNumber(value)) return number(value);
  if (value === undefined) throw new RenderError("an item of the list is not defined");
  const inner = indent === null ? "" : margin + " ".repeat(indent);
  const between = indent === null ? ", " : `,${inner}`;
  const end = indent === null ? "" : margin;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[${inner}${value.map((item) => json(item, indent, inner)).join(between)}${end}]`;
  }
  if (value.size === 0) return "{}";
  const entries = [...value].map(([key, item]) => `${quoted(key)}: ${json(item, indent, inner)}`);
  return `{${inner}${entries.join(between)}${end}}`;
}

function quoted(value) {
  return JSON.stringify(value);
}

function number(value) {
  if (typeof value === "bigint" || Number.isInteger(value) || Math.abs(value) >= 1e-4) return String(value);
  const [digits, exponent] = value.toExponential().split("e-"); // as Python's repr: 1e-05
  return `${digits}e-${exponent.padStart(2, "0")}`;
}

/** Return true for what counts as true in a condition: not what is empty, zero, false or null. */
export function truth(value) {
  there(value);
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return Boolean(value);
}

/** Return the items of a list, the keys of a mapping, or the characters of a text. */
export function items(value, label = "this") {
  there(value);
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (typeof value === "string") return [...value];
  if (value instanceof Map) return [...value.keys()];
  throw new RenderError(`\`${label}\` is ${kind(value)}, not a list`);
}

/** Return true if two values are equal: numbers by their value, of which true is 1; lists and mappings by theirs. */
export function equal(left, right) {
  there(left), there(right);
  if (left === undefined || right === undefined) return left === right;
  const [a, b] = [counted(left), counted(right)];
  if (isNumber(a) && isNumber(b)) return a == b;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (left instanceof Map && right instanceof Map) {
    return left.size === right.size && [...left].every(([key, item]) => right.has(key) && equal(item, right.get(key)));
  }
  return left === right;
}

function counted(value) {
  return typeof value === "boolean" ? Number(value) : value;
}

/** Return a negative number, 0 or a positive number for two numbers, two texts or two lists in order. */
export function order(left, right) {
  there(left), there(right);
  const [a, b] = [counted(left), counted(right)];
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "string" && typeof b === "string") return orderOfTexts(a, b);
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
      if (!equal(a[index], b[index])) return order(a[index], b[index]);
    }
    return a.length - b.length;
  }
  throw new RenderError(`${kind(left)} and ${kind(right)} have no order`);
}

/** Compare by code points; `<` compares halves of characters. */
function orderOfTexts(left, right) {
  if (left === right) return 0;
  let at = 0;
  while (at < left.length && left[at] === right[at]) at += 1;
  if (at > 0 && /[\uD800-\uDBFF]/.test(left[at - 1])) at -= 1; // back to where the character begins
  return (left.codePointAt(at) ?? -1) - (right.codePointAt(at) ?? -1);
}

/** Return true if a list, mapping or text holds the value. */
export function holds(whole, value) {
  there(whole);
  if (typeof whole === "string") {
    if (typeof there(value) !== "string") throw new RenderError(`a text cannot hold ${kind(value)}`);
    return whole.includes(value);
  }
  if (whole instanceof Map) {
    if (Array.isArray(there(value)) || value instanceof Map) throw new RenderError(`${kind(value)} is no key`);
    return typeof value === "string" && whole.has(value);
  }
  if (Array.isArray(whole)) return whole.some((item) => equal(item, value));
  if (whole === undefined) return false;
  throw new RenderError(`${kind(whole)} holds nothing: \`in\` needs a list, a mapping or a text`);
}

/** Return `left operator right` for two numbers, two texts or two lists. */
export function arithmetic(operator, left, right) {
  there(left), there(right);
  if (operator === "+" && typeof left === "string" && typeof right === "string") return left + right;
  if (operator === "+" && Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
  if (operator === "*" && (isRow(left) || isRow(right))) return repeated(left, right);
  const areNumbers = isNumber(counted(left)) && isNumber(counted(right));
  if (areNumbers && (isFraction(left) || isFraction(right))) return fraction(calculated(operator, ...[left, right].map(Number)));
  return small(calculated(operator, whole(left, operator), whole(right, operator)));
}

function isRow(value) {
  return typeof value === "string" || Array.isArray(value);
}

/** Return a text or a list as often as a number says. */
function repeated(left, right) {
  const [row, number] = isRow(left) ? [left, right] : [right, left];
  const count = Math.max(0, Number(whole(number, "*")));
  if (row.length * count > MAX_ROW) throw new RenderError("`*` makes a value that is too large");
  if (typeof row === "string") return row.repeat(count);
  return Array.from({ length: count }, () => row).flat();
}

function calculated(operator, left, right) {
  return operator === "+" ? left + right : operator === "-" ? left - right : left * right;
}

export function isFraction(value) {
  return typeof value === "number" && !Number.isInteger(value);
}

/** Return the result of counting with fractions. As a whole number it is 2.0 in Python, which JavaScript has not. */
function fraction(value) {
  if (isFraction(value) && Number.isFinite(value)) return value;
  throw new RenderError("fractions make a whole number here, which reads differently in each language");
}

/** Return a whole number as a bigint. */
export function whole(value, name) {
  const number = counted(there(value));
  if (typeof number === "bigint") return number;
  if (typeof number !== "number") throw new RenderError(`\`${name}\` needs numbers, and this is ${kind(value)}`);
  if (!Number.isInteger(number)) {
    throw new RenderError(`\`${name}\` counts with whole numbers alone: fractions read differently in each language`);
  }
  return BigInt(number);
}

/** Return a bigint as a number if it is no larger than numbers count to. */
export function small(value) {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  if (value > 2n ** 4096n || value < -(2n ** 4096n)) throw new RenderError("a whole number has more than a thousand digits");
  return value;
}
