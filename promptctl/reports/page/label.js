// Labels are kept in the browser until they are saved as a file; nothing is sent anywhere.
const items = data.items;
const nameOf = ({ label }) => [label.case, label.question_digest, label.reply_digest].join(" ");
const shelf = ["promptctl", data.dataset, data.by].join(" ");
let kept = {};
let isKept = true;
try { kept = JSON.parse(localStorage.getItem(shelf)) || {}; } catch { isKept = false; }
let at = items.findIndex((item) => !kept[nameOf(item)]?.answer);
if (at < 0) at = items.length;
let unsaved = false;

const labelled = () => items.filter((item) => kept[nameOf(item)]?.answer);
const remarkOf = () => byId("comment").value.trim();

function keep(item, change) {
  kept[nameOf(item)] = { ...kept[nameOf(item)], ...change };
  unsaved = true;
  try { localStorage.setItem(shelf, JSON.stringify(kept)); } catch { isKept = false; }
}

function show(isFirst) {
  const item = items[at], done = labelled().length;
  byId("progress").max = items.length || 1;
  byId("progress").value = done;
  byId("about").textContent = visible(`${data.dataset} · ${done} of ${items.length} labelled by ${data.by}`);
  byId("item").hidden = !item;
  byId("end").hidden = Boolean(item);
  byId("back").disabled = at === 0;
  byId("skip").disabled = !item;
  if (!item) {
    const left = items.length - done;
    byId("end-title").textContent = left ? `${done} labelled, ${left} skipped` : `All ${done} are labelled`;
    byId("command").textContent = data.command;
    byId("end-title").focus();
    return;
  }
  const given = kept[nameOf(item)] || {};
  byId("number").textContent = `${at + 1} of ${items.length}`;
  byId("inputs").replaceChildren(...item.inputs.flatMap(([name, text]) => [el("h3", {}, name), el("pre", {}, text)]));
  byId("reply").textContent = visible(item.label.reply);
  byId("heading").textContent = visible(item.heading);
  byId("heading").hidden = byId("text").hidden = !item.label.question;
  byId("text").textContent = visible(item.label.question);
  byId("asked").textContent = visible(item.asked);
  byId("comment").value = given.comment || "";
  byId("answers").replaceChildren(...item.answers.map(([key, name, meaning]) => {
    const button = el("button", { type: "button", "aria-pressed": String(given.answer === name) },
      name, " ", el("kbd", {}, key), meaning ? el("small", {}, meaning) : null);
    button.addEventListener("click", () => answer(name));
    return button;
  }));
  if (!isFirst) { byId("number").focus({ preventScroll: true }); scrollTo(0, 0); }
}

function answer(name) {
  keep(items[at], { answer: name, comment: remarkOf(), at: new Date().toISOString() });
  step(1);
}

function step(by) {
  const item = items[at];
  if (item && kept[nameOf(item)]?.answer && (kept[nameOf(item)].comment || "") !== remarkOf()) keep(item, { comment: remarkOf() });
  at = Math.min(items.length, Math.max(0, at + by));
  byId("said").textContent = "";
  show(false);
}

const lines = () => labelled().map((item) => {
  const { answer: name, comment, at: moment } = kept[nameOf(item)];
  return JSON.stringify({ ...item.label, answer: name, ...(comment ? { comment } : {}), at: moment }) + "\n";
});

function save() {
  const link = el("a", { download: data.file, href: URL.createObjectURL(new Blob(lines(), { type: "application/jsonl" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  byId("said").textContent = `${labelled().length} labels saved as ${data.file}`;
}

byId("back").addEventListener("click", () => step(-1));
byId("skip").addEventListener("click", () => step(1));
byId("save").addEventListener("click", save);
byId("comment").addEventListener("keydown", (event) => {
  if (event.key === "Escape" || (event.key === "Enter" && event.ctrlKey)) { byId("comment").blur(); event.preventDefault(); }
  event.stopPropagation();
});
// Rubrics have up to nine answers with a key of their own; further ones are reached with Tab.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const found = items[at] && items[at].answers.find(([key]) => key === event.key);
  const steps = { b: () => step(-1), ArrowLeft: () => step(-1), s: () => items[at] && step(1), ArrowRight: () => items[at] && step(1), w: save, c: () => items[at] && byId("comment").focus() };
  const act = found ? () => answer(found[1]) : steps[event.key];
  if (act) { event.preventDefault(); act(); }
});
addEventListener("beforeunload", (event) => { if (unsaved && !isKept) event.preventDefault(); });
show(true);
