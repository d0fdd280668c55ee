// The cases: one line each, opened to the replies side by side.
const WORDS = 400;

const cases = data.cases.map((item, position) => {
  const states = item.results.map((result) => result.outcome || result.status);
  const known = (key) => item.results.map((result) => result[key]).filter(isKnown);
  const largest = (key) => known(key).reduce((one, other) => Math.max(one, other), -1);
  return { ...item, position, states: new Set(states),
    differs: new Set(item.results.map((result) => result.status)).size > 1 || item.results.some((result) => result.passes > 0 && result.passes < result.of),
    worst: ["failed", "error", "passed"].find((state) => states.includes(state)),
    score: known("score").length ? Math.min(...known("score")) : null, latency: largest("latency_ms"), cost: largest("full_cost_nano_usd"),
    text: [item.id, item.prompt, ...item.request.flat(), ...item.results.flatMap((result) => [result.output, result.reason, result.error, result.execution, ...result.messages.flat()])].join("\n").toLowerCase() };
});

const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];

// The longest common run of words of two texts; what is not in it was taken out or put in.
function difference(before, after) {
  const old = words(before), now = words(after);
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
  const [wanted, came] = difference(plain(expected), plain(got)) || [plain(expected), plain(got)];
  return el("dl", {}, el("dt", {}, "expected"), el("dd", {}, wanted), el("dt", {}, "got"), el("dd", {}, came));
}

function checkNode(check) {
  const state = check.passed === null ? "error" : check.passed ? "passed" : "failed";
  const hasBoth = state !== "passed" && isKnown(check.expected);
  return el("li", { class: state }, el("b", {}, check.judge ? `${check.type}, judged by ${check.judge}` : check.type), ` ${check.reason}`, hasBoth ? compared(check.expected, check.got ?? "") : null);
}

// A name and a text for each part: inputs of a case, or messages of a request.
function named(pairs) {
  return pairs.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, el("pre", {}, text ?? ""))]);
}

function side(result) {
  const evaluation = data.evaluations[result.e];
  const of = data.evaluations.length > 1 ? [evaluation.side, evaluation.version_display, evaluation.model] : [];
  const facts = [evaluation.repeats > 1 ? `repeat ${result.repeat}` : null, ...of, result.source === "model" ? null : result.source,
    result.execution ? `call ${result.execution.slice(-8)}` : null, isKnown(result.latency_ms) ? time(result.latency_ms) : null, isKnown(result.cost_nano_usd) ? money(result.cost_nano_usd) : null];
  return el("div", { class: "side" },
    el("p", { class: "meta" }, el("span", { class: `mark ${result.status}` }, result.status), facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    result.error ? el("pre", { class: "problem" }, result.error) : null,
    isKnown(result.output) ? el("pre", {}, result.output === "" ? el("i", {}, "an empty reply") : result.output) : null,
    result.assertions.length ? el("ul", { class: "checks" }, result.assertions.map(checkNode)) : null,
    result.messages.length ? el("details", { class: "sent" }, el("summary", {}, "Messages sent"), el("dl", { class: "request" }, named(result.messages))) : null);
}

// What flipped: how sure that is, and each assertion with the part of the reply that it looks at, before and after.
function flipNode(flip) {
  return el("div", { class: "flip" }, el("p", {}, el("b", {}, `${flip.way}, ${flip.certainty}`), flip.fresh === "not asked again" ? null : `: ${flip.fresh}`),
    flip.assertions.map((each) => {
      const [removed, added] = difference(each.before, each.after) || [each.before, each.after];
      return el("div", {}, el("p", {}, el("b", {}, each.name), ` ${each.reason}`), each.note ? el("p", {}, each.note) : null,
        el("dl", { class: "compared" }, el("dt", {}, "before"), el("dd", {}, removed), el("dt", {}, "after"), el("dd", {}, added)));
    }));
}

function caseNode(item) {
  const why = item.worst === "passed" ? null : item.results.find((result) => result.status === item.worst);
  const [first] = item.results;
  const spread = data.evaluations.length === 1 && first.of ? `${first.passes} of ${first.of} passed` : "differs";
  const facts = [isKnown(item.score) && item.score < 1 ? score(item.score) : null, item.latency >= 0 ? time(item.latency) : null];
  const summary = el("summary", {}, el("span", { class: `dot ${item.worst}`, role: "img", "aria-label": item.worst }),
    el("span", { class: "what" }, el("strong", {}, item.id), isMany ? el("span", { class: "of" }, item.prompt) : null,
      item.tags.map((tag) => el("span", { class: "tag" }, tag)), item.flip ? el("span", { class: `tag ${item.flip.way}` }, `${item.flip.way}, ${item.flip.certainty}`) : item.differs ? el("span", { class: "tag differs" }, spread) : null,
      why ? el("span", { class: "why" }, why.reason || why.error || "") : null),
    el("span", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))));
  const node = el("details", { class: `case ${item.worst}` }, summary);
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(...item.flip ? [flipNode(item.flip)] : [], ...item.request.length ? [el("dl", { class: "request" }, named(item.request))] : [], el("div", { class: "sides" }, item.results.map(side)));
  });
  return node;
}
