import type { Finding } from "@med3d/volume";
import { strict as assert } from "node:assert";
import type { Captioner, CaptionRecord, CaptionRunTotals, RecordingCaptioner, ScanToCaption } from "../mod.ts";
import { CaptionerStoppedError, captionScans, CaptionStore } from "../mod.ts";
import { PROVENANCE } from "../testdata/entries.ts";
import { madeUpScans } from "../testdata/slice_server.ts";

const ID = "made-up";

/** A captioner whose answers are told, after a turn of the event loop; remembers what it was asked and how many at once. */
function captionerOf(
  answer: (name: string, nth: number) => Partial<CaptionRecord> | Error = () => ({}),
): RecordingCaptioner & { readonly asked: string[]; readonly mostAtOnce: number } {
  const asked: string[] = [];
  let [open, mostAtOnce] = [0, 0];
  const captionRecord: RecordingCaptioner["captionRecord"] = async (slice, { index }) => {
    const name = `${slice.pixels[0]}/${index}`;
    asked.push(name);
    mostAtOnce = Math.max(mostAtOnce, ++open);
    const answered = answer(name, asked.length);
    await new Promise((resolve) => setTimeout(resolve, 3));
    open--;
    if (answered instanceof Error) throw answered;
    return {
      ...{ text: `About ${name}.`, captionerId: ID, createdAt: new Date().toISOString(), parameters: {} },
      ...{ status: "stored", provenance: { ...PROVENANCE, requests: 1, cost: 0.5 }, ...answered },
    };
  };
  return {
    ...{ id: ID, asked, captionRecord, caption: captionRecord },
    get mostAtOnce() {
      return mostAtOnce;
    },
  };
}

Deno.test("captionScans: every slice is asked about once, at most so many at a time, and stored with where it comes from", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = captionerOf();
  const seen: CaptionRunTotals[] = [];
  const result = await captionScans(madeUpScans(6, 10), {
    ...{ captioner, store, inFlight: 4, onProgress: (totals) => void seen.push({ ...totals }) },
  });
  assert.equal(new Set(captioner.asked).size, 60);
  assert.equal(captioner.asked.length, 60);
  assert.equal(captioner.mostAtOnce, 4);
  assert.deepEqual(result, {
    ...{ scans: 6, slices: 60, done: 60, stored: 60, quarantined: 0, missing: 0 },
    ...{ requests: 60, promptTokens: 60 * 812, completionTokens: 60 * 40, cost: 30 },
  });
  assert.ok(seen.every(({ done, slices }) => done <= slices));
  assert.deepEqual(seen.at(-1), result);
  const [record] = store.records();
  assert.equal(record!.text, `About ${captioner.asked.find((name) => record!.text.includes(` ${name}.`))}.`);
  assert.equal(record!.origin!.plane, "axial");
  assert.deepEqual(record!.provenance, { ...PROVENANCE, requests: 1, cost: 0.5 });
});

Deno.test("captionScans: a second run asks about what is missing alone, and reads no scan that is done", async () => {
  using store = CaptionStore.open(":memory:");
  const scans = madeUpScans(4, 5);
  const failing = captionerOf((
    name,
  ) => (name === "2/3" ? { status: "missing", text: "", reason: "timeout: 3 s" } : {}));
  const findings: Finding[] = [];
  const first = await captionScans(scans, {
    ...{ captioner: failing, store, onFinding: (finding) => void findings.push(finding) },
  });
  assert.deepEqual([first.done, first.missing, first.slices], [19, 1, 20]);
  assert.deepEqual(findings.map(({ code, message }) => [code, message]), [["caption-missing", "timeout: 3 s"]]);
  const read: string[] = [];
  const watched = scans.map((scan): ScanToCaption => ({
    ...scan,
    slices: () => {
      read.push(scan.id);
      return scan.slices();
    },
  }));
  const captioner = captionerOf();
  const second = await captionScans(watched, { captioner, store });
  assert.deepEqual(captioner.asked, ["2/3"]);
  assert.deepEqual(read, ["scan 2"]);
  assert.deepEqual([second.done, second.stored], [20, 1]);
});

Deno.test("captionScans: quarantined captions are kept apart with their reason and not asked about again", async () => {
  using store = CaptionStore.open(":memory:");
  const bad = { status: "quarantined", reason: "url: it holds a link" } as const;
  const captioner = captionerOf((name) => (name.endsWith("/1") ? bad : {}));
  const result = await captionScans(madeUpScans(3, 3), { captioner, store });
  assert.deepEqual([result.stored, result.quarantined, result.done], [6, 3, 9]);
  assert.deepEqual(
    [...store.records({ status: "quarantined" })].map(({ reason }) => reason),
    Array(3).fill(bad.reason),
  );
  await captionScans(madeUpScans(3, 3), { captioner, store });
  assert.equal(captioner.asked.length, 9);
});

Deno.test("captionScans: equal slices of two scans are asked about once", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = captionerOf();
  const [scan] = madeUpScans(1, 4);
  const { identify: _, ...copy } = { ...scan!, id: "copy" };
  const result = await captionScans([scan!, copy, { ...copy, id: "third" }], { captioner, store });
  assert.equal(captioner.asked.length, 4);
  assert.deepEqual([result.slices, result.done, result.stored], [12, 12, 4]);
});

Deno.test("captionScans: limits on requests and cost hold, and say so", async () => {
  for (const limits of [{ maxRequests: 7 }, { maxCost: 3.6 }]) {
    using store = CaptionStore.open(":memory:");
    const captioner = captionerOf();
    const result = await captionScans(madeUpScans(3, 10), { captioner, store, inFlight: 4, ...limits });
    assert.equal(captioner.asked.length, 7);
    assert.equal(result.endedEarly!.cause, "budget");
    assert.match(result.endedEarly!.reason, /of at most/);
    assert.equal(store.count(), 7);
    const again = await captionScans(madeUpScans(3, 10), { captioner, store });
    assert.deepEqual([again.done, again.stored], [30, 23], "its claims were given back");
  }
});

Deno.test("captionScans: a signal ends it when what is in flight is stored", async () => {
  using store = CaptionStore.open(":memory:");
  const controller = new AbortController();
  const captioner = captionerOf((_, nth) => {
    if (nth === 9) controller.abort();
    return {};
  });
  const result = await captionScans(madeUpScans(3, 10), { captioner, store, inFlight: 4, signal: controller.signal });
  assert.equal(result.endedEarly!.cause, "signal");
  assert.equal(store.count(), captioner.asked.length);
  assert.ok(captioner.asked.length < 30);
});

Deno.test("captionScans: a captioner that has stopped, or answers nothing again and again, ends the run", async () => {
  using store = CaptionStore.open(":memory:");
  const stopped = captionerOf((_, nth) => (nth > 5 ? new CaptionerStoppedError("the key is refused") : {}));
  const result = await captionScans(madeUpScans(3, 10), { captioner: stopped, store, inFlight: 2 });
  assert.deepEqual(result.endedEarly, { cause: "captioner", reason: "the key is refused" });
  assert.equal(store.count(), 5);
  const silent = captionerOf(() => new Error("connection refused"));
  const none = await captionScans(madeUpScans(30, 10), { captioner: silent, store, inFlight: 2, maxMissingInRow: 8 });
  assert.match(none.endedEarly!.reason, /8 slices in a row got no caption, the last: failed: connection refused/);
  assert.ok(silent.asked.length < 12);
});

Deno.test("captionScans: a scan that cannot be read is a finding, and the others go on", async () => {
  using store = CaptionStore.open(":memory:");
  const scans = madeUpScans(3, 4);
  const broken: ScanToCaption = { id: "broken.nii", slices: () => Promise.reject(new Error("it is cut short")) };
  const findings: Finding[] = [];
  const result = await captionScans([scans[0]!, broken, scans[1]!, scans[2]!], {
    ...{ captioner: captionerOf(), store, onFinding: (finding) => void findings.push(finding) },
  });
  assert.deepEqual(findings, [
    {
      severity: "error",
      code: "unusable-scan",
      path: "broken.nii",
      message: "it is cut short",
      fix: "Mend or remove the scan.",
    },
  ]);
  assert.deepEqual([result.scans, result.done], [4, 12]);
});

Deno.test("captionScans: bad options, hosts that were not allowed and captions of another captioner are refused", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = captionerOf();
  for (
    const bad of [{ inFlight: 0 }, { leaseMs: 0.5 }, { maxMissingInRow: -1 }, { maxCost: 0 }, { maxRequests: NaN }]
  ) {
    await assert.rejects(captionScans(madeUpScans(1, 1), { captioner, store, ...bad }), RangeError);
  }
  const remote: Captioner = { ...captioner, sendsTo: "models.example" };
  await assert.rejects(captionScans(madeUpScans(1, 1), { captioner: remote, store }), /beyond this machine/);
  const liar = captionerOf(() => ({ captionerId: "another" }));
  await assert.rejects(captionScans(madeUpScans(1, 1), { captioner: liar, store }), /names another captioner/);
  assert.deepEqual([captioner.asked.length, store.count()], [0, 0]);
});
