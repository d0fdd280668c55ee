"use strict";

const API = "/api/v1";
const IDEAS = {
  "hash-tables": ["What does the hash function do?", "What is a collision?", "When is a lookup slow?"],
  "big-o": ["How many steps does binary search take?", "What is O(1)?"],
};
const find = (id) => document.getElementById(id);
const [lesson, messages, empty, composer, question, send] =
  ["lesson", "messages", "empty", "composer", "question", "send"].map(find);
const user = (localStorage.user ??= `guest-${Math.random().toString(36).slice(2, 10)}`);
let session = null; // made with the first question
let answering = null; // the AbortController of the answer under way

async function call(path, body, signal) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const response = await fetch(API + path, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The chat cannot be reached.");
  });
  if (response.ok) return response;
  const { detail } = await response.json().catch(() => ({}));
  throw new Error(typeof detail === "string" ? detail : `The chat answered with ${response.status}.`);
}

async function* events(response) {
  let rest = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [, name, data] = part.match(/^event: (\w+)\ndata: (.*)$/);
      yield [name, JSON.parse(data)];
    }
  }
}

function show(role, text = "", meta = {}, id = null) {
  empty.hidden = true;
  const article = find("message").content.firstElementChild.cloneNode(true);
  article.classList.add(role);
  article.querySelector(".text").textContent = text;
  for (const button of article.querySelectorAll("[data-thumb]")) button.onclick = () => rate(article, button);
  messages.append(article);
  describe(article, meta, id);
  return article;
}

function describe(article, meta, id, problem) {
  const facts = [];
  if (meta.prompt_name) {
    facts.push(meta.prompt_version === null ? meta.prompt_name : `${meta.prompt_name} v${meta.prompt_version}`);
    if (meta.prompt_label) facts.push(meta.prompt_label);
    facts.push(meta.model);
    if (meta.latency_ms != null) facts.push(`${(meta.latency_ms / 1000).toFixed(1)} s`);
    if (meta.output_tokens != null) facts.push(`${meta.input_tokens} + ${meta.output_tokens} tokens`);
    if (meta.cost_nano_usd) facts.push(`$${(meta.cost_nano_usd / 1e9).toPrecision(2)}`);
  }
  const line = article.querySelector(".meta");
  line.textContent = facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
  const note = problem ?? (meta.status === "cancelled" ? "Stopped before the end." : meta.status ? "Broken off." : "");
  if (note) {
    const shown = document.createElement("span");
    shown.className = "note";
    shown.textContent = note;
    line.prepend(shown, facts.length ? " · " : "");
  }
  article.classList.toggle("rated", id !== null && Boolean(meta.execution_id));
  if (id === null) return;
  article.dataset.id = id;
  article.dataset.call = meta.execution_id;
  article.querySelector(`[data-thumb=${localStorage[meta.execution_id] ?? "none"}]`)?.setAttribute("aria-pressed", "true");
}

async function rate(article, pressed) {
  for (const button of article.querySelectorAll("[data-thumb]")) button.ariaPressed = String(button === pressed);
  try {
    await call(`/messages/${article.dataset.id}/feedback`, { thumb: pressed.dataset.thumb });
    localStorage[article.dataset.call] = pressed.dataset.thumb;
  } catch (error) {
    pressed.ariaPressed = "false";
    pressed.title = error.message;
  }
}

const follow = (force) => {
  if (force || messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80) messages.scrollTop = messages.scrollHeight;
};

async function ask(text) {
  const asked = show("user", text);
  const article = show("assistant");
  const words = article.querySelector(".text");
  article.classList.add("writing");
  composer.classList.add("busy");
  send.ariaLabel = "Stop";
  answering = new AbortController();
  follow(true);
  let meta = {};
  let id = null;
  let problem;
  try {
    if (session === null) {
      session = (await (await call("/sessions", { user_id: user, lesson: lesson.value })).json()).id;
      localStorage.session = session;
    }
    for await (const [name, data] of events(await call(`/sessions/${session}/messages`, { content: text }, answering.signal))) {
      if (name === "meta") meta = data;
      if (name === "text") words.textContent += data;
      if (name === "done" || name === "error") ({ id, meta, error: problem } = data);
      follow();
    }
  } catch (error) {
    if (error.name === "AbortError") meta.status = "cancelled";
    else problem = error.message;
    if (!meta.prompt_name && problem) { // nothing was stored: it can be sent again
      asked.remove();
      question.value = text;
    }
  }
  article.classList.remove("writing");
  composer.classList.remove("busy");
  send.ariaLabel = "Send";
  answering = null;
  describe(article, meta, id, problem);
  follow();
  question.focus();
}

function begin() {
  session = null;
  delete localStorage.session;
  for (const article of messages.querySelectorAll("article")) article.remove();
  empty.hidden = false;
  empty.querySelector("h2").textContent = lesson.selectedOptions[0].textContent;
  find("ideas").replaceChildren(...(IDEAS[lesson.value] ?? []).map((idea) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = idea;
    button.onclick = () => answering ?? ask(idea);
    return button;
  }));
}

async function open() {
  const lessons = await (await call("/lessons")).json();
  lesson.replaceChildren(...lessons.map(({ id, title }) => new Option(title, id)));
  const earlier = localStorage.session;
  const known = localStorage.lesson;
  if (known && lessons.some(({ id }) => id === known)) lesson.value = known;
  begin();
  if (!earlier) return;
  const response = await call(`/sessions/${earlier}/messages`).catch(() => null); // the database may be a new one
  if (response === null) return;
  session = localStorage.session = Number(earlier);
  for (const each of await response.json()) show(each.role, each.content, each.meta, each.id);
  follow(true);
}

composer.onsubmit = (event) => {
  event.preventDefault();
  if (answering) return answering.abort();
  const text = question.value.trim();
  if (!text) return;
  question.value = "";
  ask(text);
};
question.onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!answering) composer.requestSubmit();
};
lesson.onchange = () => { localStorage.lesson = lesson.value; answering?.abort(); begin(); };
find("new").onclick = () => { answering?.abort(); begin(); };
open().catch((error) => { empty.hidden = false; empty.querySelector("h2").textContent = error.message; });
