// Prompts rendered in JavaScript, byte for byte as promptctl renders them.

import { run } from "./programs.js";
import { parsed } from "./replies.js";
import { RenderError, define, json, plain, taken } from "./values.js";

export { RenderError };

const ROLES = ["user", "assistant", "tool"];

/** Return the prompt of generated data. */
export function prompt(data) {
  const { id, version, digest, model, parameters, tools, responseFormat, inputs } = data;
  const render = (given = {}) => rendered(data, filled(data, given));
  return Object.freeze({
    id, version, digest, model, parameters, tools, responseFormat, inputs,
    render,
    request: (given = {}) => {
      if (model === null) throw new RenderError(`${id} names no model: take \`render\`, and name one beside its messages`);
      const { extra_body: further, ...own } = structuredClone(parameters);
      return {
        model,
        messages: render(given),
        ...own,
        ...(tools.length > 0 ? { tools: structuredClone(tools) } : {}),
        ...(responseFormat === null ? {} : { response_format: structuredClone(responseFormat) }),
        ...further,
      };
    },
    parse: parsed,
  });
}

/** Return the inputs given, with defaults, as a Map in the order in which they are declared. */
function filled({ id, inputs }, given) {
  const values = new Map();
  const wrong = [];
  for (const { name, required, default: instead } of inputs) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined || instead !== undefined) {
      values.set(name, named(id, name, value === undefined ? instead : value));
    } else if (required) wrong.push(`\`${name}\` is missing`);
  }
  const known = new Set(inputs.map(({ name }) => name));
  for (const name of Object.keys(given)) if (!known.has(name)) wrong.push(`\`${name}\` is not an input`);
  if (wrong.length > 0) throw new RenderError(`inputs of ${id}: ${wrong.join("; ")}`);
  return values;
}

function named(id, name, value) {
  try {
    return taken(value);
  } catch (error) {
    throw error instanceof RenderError ? new RenderError(`inputs of ${id}: \`${name}\`: ${error.message}`) : error;
  }
}

function rendered({ id, messages }, values) {
  return messages.flatMap((message, index) => {
    if ("placeholder" in message) return placed(id, message.placeholder, values.get(message.placeholder));
    const where = `${id}, message ${index + 1}`;
    const { role, content, parts, extra } = message;
    if (parts === undefined) return { role, content: filledIn(content, values, where), ...structuredClone(extra) };
    const kept = parts.filter(({ when }) => when === null || !isEmpty(values.get(when)));
    if (kept.length === 0) throw new RenderError(`${where}: every part of the message was left out`);
    const made = kept.map(({ part }) => bareSound(filledIn(part, values, where)));
    return { role, content: made, ...structuredClone(extra) };
  });
}

/** Return a part of a message with its texts filled in. */
function filledIn([type, value], values, where) {
  switch (type) {
    case "text":
      return run(value, values, where);
    case "simple":
      return value.map((piece, index) => (index % 2 === 0 ? piece : inserted(piece, values))).join("");
    case "mapping": {
      const made = {};
      for (const [key, each] of value) define(made, key, filledIn(each, values, where));
      return made;
    }
    case "list":
      return value.map((each) => filledIn(each, values, where));
    default:
      return value;
  }
}

function inserted(name, values) {
  if (!values.has(name)) return `{{${name}}}`;
  const value = values.get(name);
  return typeof value === "string" ? value : json(value);
}

/** Return true if a part that depends on this value is left out; 0 is a value. */
function isEmpty(value) {
  if (value === undefined || value === null || value === false || value === "") return true;
  return Array.isArray(value) ? value.length === 0 : value instanceof Map && value.size === 0;
}

/** Return the part of a sound with its base64 alone, which the protocol takes, and not a data URL. */
function bareSound(part) {
  if (part.type !== "input_audio") return part;
  const { data } = part.input_audio;
  const start = data.startsWith("data:") ? data.indexOf(";base64,") : -1;
  return { ...part, input_audio: { ...part.input_audio, data: start < 0 ? data : data.slice(start + 8) } };
}

/** Return the messages given in a placeholder's place. Only the prompt itself instructs: no value has such a role. */
function placed(id, name, given) {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) throw new RenderError(`inputs of ${id}: \`${name}\` is a list of messages`);
  given.forEach((message, index) => {
    const problem = problemOf(message);
    if (problem) throw new RenderError(`inputs of ${id}: message ${index + 1} of \`${name}\` cannot be sent: ${problem}`);
  });
  return plain(given);
}

function problemOf(message) {
  if (!(message instanceof Map)) return "it is not a mapping with `role` and `content`";
  const role = message.get("role");
  if (role === "system" || role === "developer") return `its role is ${role}, which only the prompt's own file may have`;
  if (!ROLES.includes(role)) return "its role is not user, assistant or tool";
  const content = message.get("content") ?? null;
  const parts = Array.isArray(content) ? content : [];
  if (parts.some((part) => part instanceof Map && part.has("when"))) {
    return "it has a part with `when`, which only a prompt's file may have";
  }
  const areParts = parts.length > 0 && parts.every((part) => part instanceof Map && typeof part.get("type") === "string");
  const calls = message.get("tool_calls");
  const isCall = content === null && role === "assistant" && (Array.isArray(calls) ? calls.length > 0 : calls instanceof Map && calls.size > 0);
  if (typeof content === "string" || isCall || areParts) return null;
  return "its content is neither text nor a list of parts, each with a `type`";
}
