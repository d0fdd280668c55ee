// How alike libraries for Jinja render the golden vectors: npm install --no-save @huggingface/jinja nunjucks minijinja-js
import { readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";
import { Environment } from "minijinja-js";
import nunjucks from "nunjucks";
import { prompt } from "../../promptctl/code_export/render/index.js";

const vectors = JSON.parse(readFileSync(new URL("test/vectors.json", import.meta.url), "utf-8"));
// Of these the name is the template, of one message that includes nothing.
const calls = vectors
  .filter(({ data, calls: [[name]] }) => data.messages.length === 1 && /\{[{%]/.test(name) && !name.includes("include"))
  .flatMap(({ data, calls }) => calls.map((call) => [data, ...call]));

const strict = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
const rust = new Environment();
rust.undefinedBehavior = "strict";
rust.keepTrailingNewline = true;
rust.enablePyCompat();
const LIBRARIES = {
  "@huggingface/jinja": (template, inputs) => new Template(template).render(inputs),
  nunjucks: (template, inputs) => strict.renderString(template, inputs),
  "minijinja-js": (template, inputs) => rust.renderStr(template, inputs),
  ours: (_, inputs, data) => prompt(data).render(inputs)[0].content,
};

for (const [name, render] of Object.entries(LIBRARIES)) {
  const found = { same: 0, different: 0, failed: 0, refused: 0, "printed what is refused": 0 };
  for (const [data, template, inputs, messages] of calls) {
    let made = null;
    try {
      made = render(template, structuredClone(inputs), data);
    } catch {}
    const wanted = messages && messages[0].content;
    if (wanted === null) found[made === null ? "refused" : "printed what is refused"] += 1;
    else found[made === wanted ? "same" : made === null ? "failed" : "different"] += 1;
  }
  console.log(name, found);
}
