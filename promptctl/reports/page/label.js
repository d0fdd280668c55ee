// Labels are kept in the browser until they are saved as a file; nothing is sent anywhere.
const items = data.items;
// What is asked again is another question than the first time, whose answer stays unseen.
const nameOf = ({ label, labelled_at: before }) => [label.case, label.question_digest, label.reply_digest, ...(before ? [before] : [])].join(" ");
const shelf = ["promptctl", data.dataset, data.by].join(" ");
let kept = {};
let isKept = true;
// What this tab knows, with what other tabs of the page have put on the shelf meanwhile.
function takeIn() {
  try { if (isKept) kept = { ...kept, ...JSON.parse(localStorage.getItem(shelf)) }; } catch { isKept = false; }
}
takeIn();
let at = items.findIndex((item) => !kept[nameOf(item)]?.answer);
if (at < 0) at = items.length;
let unsaved = false;

const labelled = () => items.filter((item) => kept[nameOf(item)]?.answer);

function keep(item, change) {
  takeIn();
  kept[nameOf(item)] = { ...kept[nameOf(item)], ...change };
  unsaved = true;
  try { localStorage.setItem(shelf, JSON.stringify(kept)); } catch { isKept = false; }
}

function show(isInPlace) {
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
  if (byId("comment").value !== (given.comment || "")) byId("comment").value = given.comment || "";
  byId("answers").replaceChildren(...item.answers.map(([key, name, meaning]) => {
    const button = el("button", { type: "button", "aria-pressed": String(given.answer === name) },
      name, " ", el("kbd", {}, key), meaning ? el("small", {}, meaning) : null);
    button.addEventListener("click", () => answer(name));
    return button;
  }));
  if (!isInPlace) { byId("number").focus({ preventScroll: true }); scrollTo(0, 0); }
}

function answer(name) {
  keep(items[at], { answer: name, at: new Date().toISOString() });
  step(1);
}

function step(by) {
  at = Math.min(items.length, Math.max(0, at + by));
  byId("said").textContent = "";
  show(false);
}

const lines = () => labelled().map((item) => {
  const { answer: name, comment: written, at: moment } = kept[nameOf(item)], comment = written?.trim();
  return JSON.stringify({ ...item.label, answer: name, ...(comment ? { comment } : {}), at: moment }) + "\n";
});

function save() {
  const link = el("a", { download: data.file, href: URL.createObjectURL(new Blob(lines(), { type: "application/jsonl" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  byId("said").textContent = `${count(labelled().length)} ${labelled().length === 1 ? "label" : "labels"} saved as ${data.file}`;
}

byId("back").addEventListener("click", () => step(-1));
byId("skip").addEventListener("click", () => step(1));
byId("save").addEventListener("click", save);
byId("comment").addEventListener("input", () => keep(items[at], { comment: byId("comment").value }));
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
  // A key that is held down answers once.
  if (event.repeat && (found || act === save)) return;
  if (act) { event.preventDefault(); act(); }
});
addEventListener("beforeunload", (event) => { if (unsaved && !isKept) event.preventDefault(); });
addEventListener("storage", ({ key }) => { if (key === shelf) { takeIn(); show(true); } });
show(true);
