import { strict as assert } from "node:assert";
import { CaptionRefusedError } from "../remote/caption_refused_error.ts";
import { sliceOf } from "../testdata/slices.ts";
import { readReports, ReportCollection } from "./report_captioner.ts";

const CSV = `\ufeffVolume,text,plane,first,last
case 1,"The liver is of normal size, with smooth borders.",axial,10,20
case 1,"A cyst of 12 mm lies in segment VII.
It is unchanged.",axial,15,15
case 1,"No free fluid and no enlarged lymph nodes are seen.",,,
case 2,The spine is straight with normal discs.,sagittal,,
case 3,Reported by Dr. Weber on 12.03.2021 without findings.,,,
case 4,,,,
case 5,A text with a range and no plane.,,3,4
case 5,A text with a range that runs backwards.,axial,5,4
case 5,A text of a plane that does not exist.,oblique,,
`;

const ask = (reports: ReportCollection, volume: string, place: Parameters<typeof sliceOf>[1] = {}) => {
  const { image, context } = sliceOf("any", place);
  return reports.captionerFor(volume).captionRecord(image, context);
};

Deno.test("ReportCaptioner: a slice gets the sentences of its range, else those of the whole volume, else none", async () => {
  const reports = new ReportCollection(CSV, "reports.csv");
  assert.deepEqual(reports.volumes, ["case 1", "case 2", "case 3"]);
  const both = await ask(reports, "case 1", { index: 15 });
  assert.equal(
    both.text,
    "The liver is of normal size, with smooth borders. A cyst of 12 mm lies in segment VII. It is unchanged.",
  );
  assert.deepEqual([both.status, both.captionerId, both.parameters], ["stored", reports.captionerId, {
    lines: "2 4",
    wholeVolume: false,
  }]);
  for (const [index, start] of [[9, "No free"], [10, "The liver"], [20, "The liver"], [21, "No free"]] as const) {
    assert.ok((await ask(reports, "case 1", { index })).text.startsWith(start), `${index}`);
  }
  assert.match((await ask(reports, "case 1", { plane: "coronal", index: 15 })).text, /^No free fluid/);
  assert.match((await ask(reports, "case 2", { plane: "sagittal", index: 39 })).text, /^The spine/);
  const none = await ask(reports, "case 2");
  assert.deepEqual([none.status, none.reason, none.text], [
    "missing",
    "no-report: no entry speaks of axial slice 11",
    "",
  ]);
  assert.equal((await ask(reports, "case 9")).status, "missing");
  const narrow = new ReportCollection(CSV, "reports.csv", { wholeVolume: false });
  assert.equal((await ask(narrow, "case 1", { index: 9 })).status, "missing");
  assert.notEqual(narrow.captionerId, reports.captionerId);
});

Deno.test("ReportCaptioner: a report that names somebody is withheld, and caption() throws", async () => {
  const reports = new ReportCollection(CSV, "reports.csv");
  const record = await ask(reports, "case 3");
  assert.deepEqual([record.status, record.text], ["quarantined", "(withheld: identifying)"]);
  assert.doesNotMatch(JSON.stringify(record), /Weber|2021/);
  const { image, context } = sliceOf("any");
  await assert.rejects(reports.captionerFor("case 3").caption(image, context), CaptionRefusedError);
});

Deno.test("ReportCollection: malformed entries are findings with line and field, without what they say", () => {
  const { findings } = new ReportCollection(CSV, "reports.csv");
  assert.deepEqual(findings.map(({ message }) => message), [
    "line 8 is passed over: text: malformed",
    "line 9 is passed over: entry: a range needs a plane",
    "line 10 is passed over: entry: first lies behind last",
    "line 11 is passed over: plane: malformed",
  ]);
  assert.throws(
    () => new ReportCollection("a,b\n1,2\n", "x.csv"),
    /columns are missing: got 2 columns, expected volume and text/,
  );
  assert.throws(
    () => new ReportCollection('volume,text\n"open,2\n', "x.csv"),
    /it is no table: got CSV_QUOTE_NOT_CLOSED/,
  );
});

Deno.test("readReports: JSON by lines says the same as CSV; the id follows the content", async () => {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    await Deno.writeTextFile(
      path,
      '{"volume":"case 1","text":"The liver is normal in size.","plane":"axial","first":10,"last":20}\n\n{"volume":"case 1"\n' +
        '{"volume":"case 1","text":"No free fluid is seen.","plane":null}\n',
    );
    const reports = await readReports(path);
    assert.equal((await ask(reports, "case 1")).text, "The liver is normal in size.");
    assert.equal((await ask(reports, "case 1", { index: 5 })).text, "No free fluid is seen.");
    assert.deepEqual(reports.findings.map(({ message }) => message), ["line 3 is passed over: entry: malformed"]);
    await Deno.writeTextFile(path, '{"volume":"case 1","text":"The liver is normal in size!"}\n');
    assert.notEqual((await readReports(path)).captionerId, reports.captionerId);
  } finally {
    await Deno.remove(path);
  }
});
