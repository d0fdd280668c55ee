// Programs: templates as data, run with the inputs of one call. A value is printed and never run.

import { FILTERS, TESTS, attribute, item, method } from "./filters.js";
import { Missing, RenderError, arithmetic, equal, holds, items, order, small, text, there, truth, whole } from "./values.js";

const MAX_RANGE = 100_000;

/** Variables of a block, and of the blocks around it. */
class Scope {
  constructor(outer, own = new Map()) {
    this.outer = outer;
    this.own = own;
  }

  get(name) {
    for (let scope = this; scope; scope = scope.outer) if (scope.own.has(name)) return scope.own.get(name);
    return new Missing(`\`${name}\` is not defined`);
  }

  bind(target, value) {
    if (typeof target === "string") {
      this.own.set(target, value);
      return;
    }
    const values = items(value);
    if (values.length !== target.length) throw new RenderError(`there are ${values.length} values for ${target.length} names`);
    target.forEach((each, index) => this.bind(each, values[index]));
  }
}

/** Return the text that a program prints with these variables, a Map. `where` names it in errors. */
export function run(program, variables, where) {
  return typeof program === "string" ? program : body(program, new Scope(null, variables), where);
}

function body(program, scope, where) {
  let made = "";
  for (const each of program) {
    if (typeof each === "string") {
      made += each;
      continue;
    }
    try {
      made += STATEMENTS[each[0]](each, scope, where);
    } catch (error) {
      throw placed(error, where, each[1]);
    }
  }
  return made;
}

function placed(error, where, line) {
  if (!(error instanceof RenderError) || error.line !== undefined) return error;
  error.message = `${where}, line ${line}: ${error.message}`;
  error.line = line;
  return error;
}

const STATEMENTS = {
  print: ([, , value], scope) => text(evaluate(value, scope), describe(value)),
  if: ([, , test, then, otherwise], scope, where) =>
    body(truth(evaluate(test, scope)) ? then : otherwise, scope, where),
  for: loop,
  set: ([, , target, value], scope) => {
    scope.bind(target, evaluate(value, scope));
    return "";
  },
  block: ([, , target, value, inner], scope, where) => {
    const made = body(inner, new Scope(scope), where);
    const result = evaluate(value, new Scope(scope, new Map([[" body", made]])));
    if (target === null) return text(result);
    scope.bind(target, result);
    return "";
  },
  with: ([, , bound, inner], scope, where) => {
    const own = new Scope(scope);
    for (const [target, value] of bound) own.bind(target, evaluate(value, scope));
    return body(inner, own, where);
  },
  include: ([, , path, inner], scope) => body(inner, new Scope(scope), path),
};

function loop([, , target, over, test, inner, otherwise, isCounted], scope, where) {
  const bound = (value) => {
    const own = new Scope(scope);
    own.bind(target, value);
    return own;
  };
  let values = items(evaluate(over, scope), describe(over));
  if (test !== null) values = values.filter((value) => truth(evaluate(test, bound(value))));
  let made = "";
  values.forEach((value, index) => {
    const own = bound(value);
    if (isCounted) own.own.set("loop", counts(values, index));
    made += body(inner, own, where);
  });
  return values.length > 0 ? made : body(otherwise, new Scope(scope), where);
}

function counts(values, index) {
  const { length } = values;
  return new Map(Object.entries({
    index: index + 1, index0: index, revindex: length - index, revindex0: length - index - 1,
    first: index === 0, last: index === length - 1, length, depth: 1, depth0: 0,
    previtem: index > 0 ? values[index - 1] : new Missing("there is no previous item"),
    nextitem: index < length - 1 ? values[index + 1] : new Missing("there is no next item"),
  }));
}

function evaluate(expression, scope) {
  return EXPRESSIONS[expression[0]](expression, scope);
}

function all(expressions, scope) {
  return expressions.map((each) => (each === null ? undefined : evaluate(each, scope)));
}

const EXPRESSIONS = {
  value: ([, value]) => value,
  body: (_, scope) => scope.get(" body"),
  quote: ([, filter], scope) => (value) => {
    const [, name, , args] = filter;
    return FILTERS[name](value, ...all(args, scope));
  },
  name: ([, name], scope) => scope.get(name),
  ".": ([, of, name], scope) => attribute(evaluate(of, scope), name),
  "[]": ([, of, key], scope) => item(evaluate(of, scope), evaluate(key, scope)),
  slice: ([, of, from, to], scope) => {
    const value = there(evaluate(of, scope));
    if (value instanceof Map) throw new RenderError("a mapping has no slices");
    const part = items(value).slice(...[from, to].map((bound) => cut(evaluate(bound, scope))));
    return typeof value === "string" ? part.join("") : part;
  },
  "|": ([, name, of, args], scope) => FILTERS[name](evaluate(of, scope), ...all(args, scope)),
  is: ([, name, of, args], scope) => TESTS[name](evaluate(of, scope), ...all(args, scope)),
  call: ([, of, name, args], scope) => {
    const value = there(evaluate(of, scope));
    const called = value instanceof Map && value.has(name) ? null : method(value, name);
    if (!called) throw new RenderError(`\`${name}\` cannot be called here`);
    return called(value, ...all(args, scope));
  },
  range: ([, args], scope) => range(...all(args, scope).map((each) => Number(whole(each, "range")))),
  cycle: ([, args], scope) => {
    const values = all(args, scope);
    return values[attribute(scope.get("loop"), "index0") % values.length];
  },
  and: ([, left, right], scope) => {
    const value = evaluate(left, scope);
    return truth(value) ? evaluate(right, scope) : value;
  },
  or: ([, left, right], scope) => {
    const value = evaluate(left, scope);
    return truth(value) ? value : evaluate(right, scope);
  },
  not: ([, of], scope) => !truth(evaluate(of, scope)),
  neg: ([, of], scope) => {
    const value = evaluate(of, scope);
    return typeof value === "number" && !Number.isInteger(value) ? -value : small(-whole(value, "-"));
  },
  if: ([, test, then, otherwise], scope) => {
    if (truth(evaluate(test, scope))) return evaluate(then, scope);
    return otherwise === null ? undefined : evaluate(otherwise, scope);
  },
  compare: ([, first, rest], scope) => {
    let left = evaluate(first, scope);
    for (const [operator, other] of rest) {
      const right = evaluate(other, scope);
      if (!COMPARISONS[operator](left, right)) return false;
      left = right;
    }
    return true;
  },
  "~": ([, parts], scope) => parts.map((part) => text(evaluate(part, scope), describe(part))).join(""),
  list: ([, parts], scope) => all(parts, scope),
  dict: ([, entries], scope) => new Map(entries.map(([key, value]) => [key, evaluate(value, scope)])),
  "+": operation, "-": operation, "*": operation,
};

const COMPARISONS = {
  eq: equal,
  ne: (left, right) => !equal(left, right),
  lt: (left, right) => order(left, right) < 0,
  lteq: (left, right) => order(left, right) <= 0,
  gt: (left, right) => order(left, right) > 0,
  gteq: (left, right) => order(left, right) >= 0,
  in: (left, right) => holds(right, left),
  notin: (left, right) => !holds(right, left),
};

function operation([operator, left, right], scope) {
  return arithmetic(operator, evaluate(left, scope), evaluate(right, scope));
}

function cut(bound) {
  return there(bound) === null ? undefined : Number(whole(bound, "a slice"));
}

function range(...bounds) {
  const [from, to, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
  if (step === 0) throw new RenderError("`range` needs a step that is not zero");
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (length > MAX_RANGE) throw new RenderError("`range` has more than 100,000 numbers");
  return Array.from({ length }, (_, index) => from + index * step);
}

/** Return an expression as its author wrote it, or nearly. */
function describe([operation, first, second]) {
  if (operation === "name") return first;
  if (operation === ".") return `${describe(first)}.${second}`;
  if (operation === "|") return `${describe(second)} | ${first}`;
  return "this expression";
}
