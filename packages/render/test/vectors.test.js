import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RenderError, prompt } from "../../../promptctl/code_export/render/index.js";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf-8"));

test("every vector renders as promptctl renders it, or is refused as there", () => {
  for (const { data, calls } of vectors) {
    const { render } = prompt(data);
    for (const [name, inputs, messages] of calls) {
      if (messages === null) assert.throws(() => render(inputs), RenderError, name);
      else assert.equal(JSON.stringify(render(inputs)), JSON.stringify(messages), name);
    }
  }
});
