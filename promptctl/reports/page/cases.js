// A case: its input, what is expected, each reply with its checks, and where the log has the call.
const WORDS = 400;
const LINES = 18, LETTERS = 1600;

const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
const lines = (text) => text.match(/[^\n]*\n|[^\n]+$/g) || [];

const LONGEST_INDENTED = 50000, MOST_NESTED = 100, MOST_INDENTS = 400000;

// A JSON text on several lines, each token as it was written: numbers keep their digits, keys their order. As in `browse`.
function indented(text) {
  if (text.length > LONGEST_INDENTED || !/^\s*[[{]/.test(text)) return text;
  try { JSON.parse(text); } catch { return text; }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g), isOne = (token, of) => token !== undefined && of.includes(token);
  let shown = "", depth = 0, indents = 0;
  for (const [at, token] of tokens.entries()) {
    indents += 2 * depth;
    const opens = isOne(token, "{[") && !isOne(tokens[at + 1], "}]"), closes = isOne(token, "}]") && !isOne(tokens[at - 1], "{[");
    depth += opens - closes;
    // Of lists within lists, indents are far longer than their text.
    if (depth > MOST_NESTED || indents > MOST_INDENTS) return text;
    const line = "\n" + "  ".repeat(depth);
    shown += opens || token === "," ? token + line : closes ? line + token : token === ":" ? ": " : token;
  }
  return shown;
}

const readable = (text) => indented(plain(text));

// The longest common run of parts of two texts; what is not in it was taken out or put in. Words, or lines of long texts.
function difference(before, after) {
  let [old, now] = [words(before), words(after)];
  if (old.length > WORDS || now.length > WORDS) [old, now] = [lines(before), lines(after)];
  if (old.length > WORDS || now.length > WORDS) return null;
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) lengths[i][j] = old[i] === now[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
  }
  if (lengths[0][0] * 2 < Math.max(old.length, now.length)) return null;
  const removed = [], added = [];
  for (let i = 0, j = 0; i < old.length || j < now.length;) {
    if (i < old.length && j < now.length && old[i] === now[j]) { removed.push(old[i]); added.push(now[j]); i += 1; j += 1; }
    else if (j >= now.length || (i < old.length && lengths[i + 1][j] >= lengths[i][j + 1])) { removed.push(el("del", {}, old[i])); i += 1; }
    else { added.push(el("ins", {}, now[j])); j += 1; }
  }
  return [removed, added];
}

function compared(expected, got) {
  const [one, other] = [readable(expected), readable(got)], [wanted, came] = difference(one, other) || [one, other];
  return el("dl", {}, el("dt", {}, "expected"), el("dd", {}, wanted), el("dt", {}, "got"), el("dd", {}, came));
}

function checkNode(check) {
  const state = check.passed === null ? "error" : check.passed ? "passed" : "failed";
  const hasBoth = state !== "passed" && isKnown(check.expected);
  return el("li", { class: state }, el("span", { class: "unseen" }, `${state}: `), el("b", {}, check.judge ? `${check.type}, judged by ${check.judge}` : check.type), ` ${check.reason ?? ""}`,
    hasBoth ? compared(check.expected, check.got ?? "") : null);
}

// A text as it is; a long one shows its beginning until it is asked for. `parts` are its own, marked.
function folded(text, kind = "", parts = [text]) {
  const node = el("pre", { class: kind }, text === "" ? el("i", {}, "an empty reply") : parts);
  const number = lines(text).length;
  if (number <= LINES && text.length <= LETTERS) return node;
  node.classList.add("folded");
  const all = number > LINES ? `all ${count(number)} lines` : `all ${count(text.length)} characters`;
  const button = el("button", { type: "button", class: "unfold", "aria-expanded": "false" }, `Show ${all}`);
  button.addEventListener("click", () => {
    const isFolded = node.classList.toggle("folded");
    button.textContent = isFolded ? `Show ${all}` : "Show less";
    button.setAttribute("aria-expanded", String(!isFolded));
  });
  return el("div", {}, node, button);
}

// A name and a text for each part: inputs of a case, or messages of a request.
function named(pairs) {
  return pairs.flatMap(([name, text]) => [el("dt", {}, name.replace(/^input\./, "")), el("dd", {}, folded(readable(text ?? ""), name === "expected" ? "expected" : ""))]);
}

const ending = (id) => id.slice(-8);
const SOURCES = { cache: "cached reply", replay: "recorded reply" };

// A kept reply costs nothing now; that its first cost is not known is said all the same.
const isPriced = (result) => isKnown(result.cost_nano_usd) && (isKnown(result.full_cost_nano_usd) || !(result.source in SOURCES));

const factsOf = (result) => [SOURCES[result.source] ?? (result.source === "model" ? null : result.source), isKnown(result.score) && result.score < 1 ? `score ${score(result.score)}` : null,
  isKnown(result.latency_ms) ? time(result.latency_ms) : null, isPriced(result) ? money(isKnown(result.full_cost_nano_usd) ? result.full_cost_nano_usd : result.cost_nano_usd) : result.execution ? "unpriced" : null].filter(Boolean);

function side(item, result, parts) {
  const evaluation = data.evaluations[result.e], output = isKnown(result.output) ? readable(result.output) : null;
  const name = isMatrix ? nameOf(columnOf[result.e]) : null;
  const facts = [evaluation.repeats > 1 ? `repeat ${result.repeat}` : null, ...factsOf(result)];
  const copies = [output ? copyButton(result.output, "Copy reply") : null, result.execution ? copyButton(`promptctl log show ${ending(result.execution)}`, `Copy log show ${ending(result.execution)}`, `Copy the command promptctl log show ${ending(result.execution)}`) : null];
  return el("div", { class: "side" }, name ? el("h3", {}, name) : null,
    el("p", { class: "meta" }, el("span", { class: `mark ${result.status}` }, result.status), facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    result.error ? el("pre", { class: "problem" }, result.error) : null,
    output === null ? null : folded(output, "reply", parts || [output]),
    result.assertions.length ? el("ul", { class: "checks" }, result.assertions.map(checkNode)) : result.reason ? el("p", { class: "meta" }, result.reason) : null,
    el("p", { class: "copies" }, copies),
    result.messages.length ? el("details", { class: "sent" }, el("summary", {}, "Messages sent"), el("dl", { class: "request" }, named(result.messages))) : null);
}

// What flipped: how sure that is, and each assertion with the part of the reply that it looks at, before and after.
function flipNode(flip) {
  return el("div", { class: "flip" }, el("p", {}, el("b", {}, `${flip.way}, ${flip.certainty}`), flip.fresh === "not asked again" ? null : `: ${flip.fresh}`),
    flip.assertions.map((each) => {
      const [before, after] = [readable(each.before), readable(each.after)], [removed, added] = difference(before, after) || [before, after];
      return el("div", {}, el("p", {}, el("b", {}, each.name), ` ${each.reason}`), each.note ? el("p", {}, each.note) : null,
        el("dl", { class: "compared" }, el("dt", {}, "before"), el("dd", {}, removed), el("dt", {}, "after"), el("dd", {}, added)));
    }));
}

// Both replies of a pair with the words that differ marked.
function pairParts(item) {
  const [before, after] = item.cells.length === 2 ? item.cells.map((cell) => cell.length === 1 && isKnown(cell[0].output) ? readable(cell[0].output) : null) : [];
  return before && after && before !== after ? difference(before, after) || [] : [];
}

function detailNode(item) {
  const evaluation = data.evaluations[item.results[0].e], marked = pairParts(item);
  const about = [item.xfail ? `expected to fail: ${item.xfail}` : null, item.must_pass ? "must pass" : null].filter(Boolean);
  const command = evaluation.evaluation ? `promptctl results show ${ending(evaluation.evaluation)} --case ${quoted(item.id)}` : null;
  return el("div", { class: "detail" },
    el("p", { class: "copies" }, copyButton(item.id, "Copy case id"), copyButton(() => location.href.replace(/#.*/, "") + "#" + new URLSearchParams({ case: item.key }), "Copy link"),
      command ? copyButton(command, "Copy results show …", `Copy the command ${command}`) : null, about.map((text) => el("span", { class: "meta" }, text))),
    item.flip ? flipNode(item.flip) : null,
    item.request.length ? el("dl", { class: "request" }, named(item.request)) : null,
    el("div", { class: "sides" }, item.cells.map((cell, at) => cell.map((result) => side(item, result, marked[at])))));
}

// What an id alone does not tell apart.
function ofWhat(item) {
  const parts = [isMany ? item.prompt : null, hasDatasets ? item.dataset : null].filter(Boolean);
  return parts.length ? el("span", { class: "of" }, parts.join(" · ")) : null;
}

function tagNodes(item) {
  return [...item.tags.map((tag) => filterButton(tag, { tag }, `Show cases tagged ${tag}`, "tag")), item.must_pass ? el("span", { class: "tag" }, "must pass") : null,
    item.flip ? el("span", { class: `tag ${item.flip.way}` }, `${item.flip.way}, ${item.flip.certainty}`) : null];
}

const OUTCOMES_OF = { passed: "passed", failed: "failed", error: "error", xfailed: "failed as expected", xpassed: "passed unexpectedly" };
const whyOf = (result) => result.reason || result.error || result.assertions.filter((each) => each.passed !== true).map((each) => each.reason).filter(Boolean).join("; ");

// What all went wrong by, where nothing was graded: said once, above the cases.
const wrong = data.evaluations.length === 1 && !isGraded(data.evaluations[0]) ? [...new Set(data.cases.flatMap((item) => item.results).map(whyOf))] : [];
const sharedWhy = wrong.length === 1 ? wrong[0] : "";

// A case of one evaluation: one line, opened to all of it.
function caseNode(item) {
  const why = item.worst === "passed" ? null : item.results.find((result) => result.status === "failed" || result.status === "error");
  const [first] = item.results;
  const spread = item.isFlaky ? el("span", { class: "tag differs" }, `${first.passes} of ${first.of} passed`) : item.disagrees ? el("span", { class: "tag differs" }, "differs") : null;
  const facts = [isKnown(item.score) && item.score < 1 ? `score ${score(item.score)}` : null, item.latency >= 0 ? time(item.latency) : null];
  const summary = el("summary", {}, el("span", { class: `dot ${item.worst}`, role: "img", "aria-label": OUTCOMES_OF[item.worst] }),
    el("span", { class: "what" }, el("strong", {}, item.id), ofWhat(item),
      item.tags.map((tag) => el("span", { class: "tag" }, tag)), item.xfail ? el("span", { class: "tag" }, OUTCOMES_OF[item.worst]) : null,
      item.flip ? el("span", { class: `tag ${item.flip.way}` }, `${item.flip.way}, ${item.flip.certainty}`) : spread, why && whyOf(why) !== sharedWhy ? el("span", { class: "why" }, whyOf(why)) : null),
    el("span", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))));
  const node = el("details", { class: `case ${item.worst}` }, summary), fill = () => { if (node.open && node.children.length === 1) node.append(detailNode(item)); };
  node.addEventListener("toggle", () => { fill(); keepOpen(item, node.open); });
  node.open = openCases.has(item);
  fill();
  return node;
}

// The case that was opened last stands in the address.
function keepOpen(item, isOpen) {
  if (isOpen === openCases.has(item)) return;
  openCases[isOpen ? "add" : "delete"](item);
  if (isOpen) wanted.case = item.key;
  else if (isNamed(item)) wanted.case = "";
  writeAddress();
}
