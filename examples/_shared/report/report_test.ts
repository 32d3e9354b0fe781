import { strict as assert } from "node:assert";
import { renderReport, type ReportContent } from "./report.ts";
import { formatTable } from "./table.ts";

const PNG = Uint8Array.from([137, 80, 78, 71]);
const CONTENT: ReportContent = {
  title: "Run <1>",
  facts: [["fact", "value"], ["data", `a "quoted" & <tagged> name`]],
  notices: ["<script>alert(1)</script>"],
  losses: [{ name: "text", points: [[0, 1], [1, 0.5]] }],
  others: [{ name: "learning rate", points: [[0, 0.1], [1, 0.2]] }],
  evaluation: {
    scans: 2,
    questions: 12,
    retrieval: [{
      direction: "answer → caption",
      pool: "all held-out slices",
      candidates: 12,
      recallAt1: 0.25,
      recallAt5: 0.5,
      chanceAt1: 1 / 12,
      chanceAt5: 5 / 12,
    }],
    gapToCaptions: 0.5,
    gapToSlices: 0.25,
    reconstruction: { network: 0.01, meanScan: 0.02, meanIntensity: 0.04, maskedOnly: true },
  },
  slices: [{ png: PNG, title: "axial 3", caption: `Lungs <img src=x onerror="x"> clear` }],
  plan: { values: Float32Array.from([0.5, 0, 0, 0.5]), size: 2 },
  reconstructions: [{ title: "scan-1", pngs: [PNG, PNG, PNG] }],
  history: ["read <file>"],
  configuration: { seed: 0 },
};

Deno.test("renderReport: nothing from data becomes markup, nothing is loaded or run", () => {
  const page = renderReport(CONTENT);
  assert.doesNotMatch(page, /<script|<tagged>|<img src=x|<file>|onerror="/i);
  assert.match(page, /default-src 'none'/);
  assert.doesNotMatch(page.replaceAll("http://www.w3.org/", ""), /https?:\/\//);
  assert.match(page, /25\.0 %/);
  assert.equal(page.match(/<svg/g)?.length, 3);
  assert.equal(page.match(/data:image\/png;base64,iVBORw==/g)?.length, 4);
});

Deno.test("formatTable: sets columns", () => {
  assert.equal(formatTable([["a", "b"], ["long", "1"]]), "a     b\n────  ─\nlong  1");
});
