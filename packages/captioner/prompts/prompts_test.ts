import { strict as assert } from "node:assert";
import { definePrompt, fillPrompt } from "./caption_prompt.ts";
import { SLICE_PLAIN_V1 } from "./slice_plain_v1.ts";
import { SLICE_STRUCTURED_V1 } from "./slice_structured_v1.ts";
import { readStructuredAnswer, structuredAnswerFormat, wordStructuredAnswer } from "./structured_answer.ts";

const context = { modality: "CT", plane: "coronal", index: 11, count: 40, relativePosition: 11.5 / 40 } as const;
const ANSWER = {
  modality: "CT",
  plane: "coronal",
  anatomy: ["liver", "spleen."],
  findings: ["No fluid"],
  confidence: 0.8,
};

Deno.test("prompts: a version's words do not change without its hash, which stored captions carry", () => {
  assert.deepEqual([SLICE_STRUCTURED_V1, SLICE_PLAIN_V1].map(({ id, hash }) => [id, hash.slice(0, 16)]), [
    ["slice-structured@1", "8243b0de3e5e32e9"],
    ["slice-plain@1", "e9e5c9f2e31f447c"],
  ]);
});

Deno.test("fillPrompt: modality, plane, position and window, and no place is left open", () => {
  const { user, system } = fillPrompt(SLICE_STRUCTURED_V1, context, "CT lung -1350…150 HU");
  assert.match(
    user,
    /one coronal CT slice \(slice 12 of 40, counted from posterior to anterior; shown: CT lung -1350…150 HU\)/,
  );
  assert.doesNotMatch(user + system, /\{\w+\}/);
  assert.match(fillPrompt(SLICE_PLAIN_V1, { ...context, modality: "unknown" }, "x").user, /one coronal medical slice/);
});

Deno.test("definePrompt: unknown places and bad names are refused; a changed word changes the hash", () => {
  const template = { name: "own", version: 1, system: "", user: "{plane}", structured: false };
  assert.throws(
    () => definePrompt({ ...template, user: "{patient}" }),
    /a place is unknown: got \{patient\}, expected \{modality\}/,
  );
  assert.throws(() => definePrompt({ ...template, name: "Own prompt" }), /name or version is malformed/);
  assert.throws(() => definePrompt({ ...template, version: 0 }), SyntaxError);
  assert.notEqual(definePrompt(template).hash, definePrompt({ ...template, user: "{plane}." }).hash);
});

Deno.test("readStructuredAnswer: JSON bare and fenced; broken JSON, other JSON and text are told apart", () => {
  const text = JSON.stringify(ANSWER);
  for (const content of [text, ` \n${text}\n`, "```json\n" + text + "\n```", "```\n" + text + "```"]) {
    assert.deepEqual(readStructuredAnswer(content), { kind: "structured", answer: ANSWER });
  }
  assert.equal(readStructuredAnswer("An axial slice.").kind, "plain");
  assert.equal(readStructuredAnswer("```" + " ".repeat(200_000) + "x").kind, "plain"); // ends, which a pattern would not
  for (
    const bad of [
      text.slice(0, -9),
      "{}",
      "[]",
      JSON.stringify({ ...ANSWER, more: 1 }),
      JSON.stringify({ ...ANSWER, confidence: 2 }),
    ]
  ) {
    assert.equal(readStructuredAnswer(bad).kind, "malformed", bad);
  }
});

Deno.test("wordStructuredAnswer: plane and modality are the slice's own", () => {
  assert.equal(
    wordStructuredAnswer({ ...ANSWER, plane: "axial" }, context),
    "Coronal CT slice. Visible: liver, spleen. No fluid.",
  );
});

Deno.test("structuredAnswerFormat: a strict JSON schema without an address", () => {
  const format = JSON.stringify(structuredAnswerFormat());
  assert.match(format, /"strict":true.*"additionalProperties":false/);
  assert.doesNotMatch(format, /https?:/);
});
