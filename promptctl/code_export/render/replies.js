// Replies as data, read as promptctl reads them: a block of reasoning and one code fence are left aside.

import { FILTERS } from "./filters.js";

const REASONING = /^\s*<(think|thinking|thought|reasoning)>/i;
const FENCE = "```";
const LANGUAGE = /^[A-Za-z][\p{L}\p{N}_.+-]*(?=\s)/u;

/** Return a reply's JSON as data. Throws `SyntaxError`. */
export function parsed(reply) {
  try {
    return JSON.parse(reply);
  } catch (error) {
    const bare = unfenced(withoutReasoning(reply));
    if (bare === reply) throw error;
    return JSON.parse(bare);
  }
}

function withoutReasoning(text) {
  const opening = REASONING.exec(text);
  if (opening === null) {
    const end = text.indexOf("</think>"); // some chat templates open the block themselves
    return end < 0 || text.slice(0, end).includes("<think>") ? text : text.slice(end + 8);
  }
  const rest = text.slice(opening[0].length);
  const closing = new RegExp(`</${opening[1]}>`, "i").exec(rest); // a word of the list above
  return closing === null ? "" : rest.slice(closing.index + closing[0].length);
}

function unfenced(text) {
  const bare = FILTERS.trim(text).replace(/^\ufeff/, "");
  if (!(bare.startsWith(FENCE) && bare.endsWith(FENCE) && bare.length > 2 * FENCE.length)) return bare;
  return bare.slice(FENCE.length, -FENCE.length).replace(LANGUAGE, "");
}
