// Answers each line of standard input: a module's path or a prompt's data, with inputs; the messages, or the error.
import { createInterface } from "node:readline";
import { RenderError, prompt } from "../../promptctl/code_export/render/index.js";
import { parsed } from "../../promptctl/code_export/render/replies.js";

function read(reply) {
  try {
    return { parsed: parsed(reply) };
  } catch (error) {
    return error instanceof SyntaxError ? { error: error.message } : { broken: String(error.stack) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { module, data, inputs, reply } = JSON.parse(line);
  let answer;
  try {
    if (reply !== undefined) {
      process.stdout.write(JSON.stringify(read(reply)) + "\n");
      continue;
    }
    const made = module ? (await import(module)).default : prompt(data);
    const { id, model, parameters, tools, responseFormat } = made;
    answer = { messages: made.render(inputs), data: { id, model, parameters, tools, responseFormat } };
  } catch (error) {
    const isOurs = error instanceof RenderError || error.name === "RenderError";
    answer = isOurs ? { error: error.message } : { broken: String(error.stack) };
  }
  if ("broken" in globalThis || "broken" in {}) answer = { broken: "code of a text was run" };
  process.stdout.write(JSON.stringify(answer) + "\n");
}
