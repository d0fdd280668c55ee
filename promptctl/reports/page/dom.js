"use strict";
// Every text goes into the page as a text node: nothing of a reply is ever read as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// A model reads what nobody sees, and a mark of direction turns what follows: such a character is written out.
const visible = (text) => typeof text !== "string" ? text
  : text.replace(HIDDEN, (found) => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

function put(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined).map(visible));
  return node;
}

const el = (name, attributes = {}, ...children) => put(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  put(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// A word of a command to copy, as sh, bash, zsh and fish all read it: a backslash stands outside of the quotes.
const quoted = (word) => /^[\w@:,./+-][\w@%+=:,./-]*$/.test(word) ? word
  : word.split("\\").map((piece) => piece && `'${piece.replaceAll("'", "'\\''")}'`).join("\\\\") || "''";

const isKnown = (value) => value !== null && value !== undefined;
function money(nano) {
  if (!isKnown(nano)) return "unknown";
  const dollars = nano / 1e9;
  if (dollars === 0) return "$0";
  const digits = dollars >= 1 ? 2 : Math.min(9, 1 - Math.floor(Math.log10(dollars)));
  return "$" + dollars.toFixed(Math.max(2, digits)).replace(/\d(?=(\d{3})+\.)/g, dollars >= 1000 ? "$&," : "$&");
}

// All of an amount, for whoever points at it.
const exactly = (nano) => isKnown(nano) ? `$${(nano / 1e9).toFixed(9).replace(/(\.\d\d\d*?)0+$/, "$1")}` : null;

const time = (ms) => !isKnown(ms) ? "-" : ms >= 1000 ? (ms / 1000).toFixed(2) + " s" : ms > 0 && ms < 0.05 ? "<0.1 ms" : ms < 10 ? ms.toFixed(1) + " ms" : Math.round(ms) + " ms";
const numbers = new Intl.NumberFormat("en-US");
const count = (number) => isKnown(number) ? numbers.format(number) : "-";
const score = (value) => isKnown(value) ? value.toFixed(2) : "-";
// A text whose words, such as ids with hyphens, stay on one line each.
const unbroken = (text) => text.split(/(\S*-\S*)/).map((part, at) => at % 2 ? el("span", { class: "word" }, part) : part);
const plain = (value) => typeof value === "string" ? value : JSON.stringify(value, null, 1);

// A share is never rounded up to all or down to none.
function percent(share) {
  if (!isKnown(share)) return "-";
  const text = (100 * share).toFixed(1);
  if (text === "100.0" && share < 1) return ">99.9%";
  if (text === "0.0" && share > 0) return "<0.1%";
  return text.replace(".0", "") + "%";
}

// A button that copies a text: the clipboard's own way, or a selection where a browser keeps that from files.
function copyButton(text, name = "Copy", about = `Copy ${name}`) {
  const button = el("button", { type: "button", class: "copy", "aria-label": about }, name);
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const value = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      const field = el("textarea", { class: "unseen" });
      field.value = value;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = name; }, 1500);
  });
  return button;
}
