import { hashSlice, type SliceContext, type SliceImage } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { captionSlices, type SliceToCaption } from "./caption_slices.ts";
import type { Caption, Captioner } from "./contract.ts";
import { hashSliceInContext } from "./hash_slice_in_context.ts";
import { MeasuringCaptioner } from "./measuring_captioner.ts";
import { CaptionStore } from "./store/caption_store.ts";

function sliceOf(value: number, index = 0): SliceToCaption {
  const image: SliceImage = {
    pixels: new Float32Array(64).fill(-1000).fill(value, 20, 40),
    width: 8,
    height: 8,
    spacingMm: [2, 2],
  };
  const context: SliceContext = {
    modality: "CT",
    plane: "axial",
    index,
    count: 50,
    relativePosition: (index + 0.5) / 50,
  };
  return { image, context };
}

/** The measuring captioner, counting what it is asked and failing where it is told to. */
class CountingCaptioner implements Captioner {
  readonly id: string = "counting-captioner";
  readonly asked: number[] = [];
  readonly #measuring = new MeasuringCaptioner();
  readonly #failAt: number;

  constructor(failAt = Infinity) {
    this.#failAt = failAt;
  }

  async caption(slice: SliceImage, context: SliceContext): Promise<Caption> {
    if (this.asked.length === this.#failAt) throw new Error("out of order");
    this.asked.push(context.index);
    return { ...await this.#measuring.caption(slice, context), captionerId: this.id };
  }
}

const many = Array.from({ length: 10 }, (_, index) => sliceOf(40, index));

Deno.test("captionSlices: captions come in order, and only what is missing is made", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = new CountingCaptioner();
  const first = await captionSlices(many.slice(2, 5), { captioner, store });
  assert.deepEqual(captioner.asked, [2, 3, 4]);
  const all = await captionSlices(many, { captioner, store });
  assert.deepEqual(captioner.asked.slice(3), [0, 1, 5, 6, 7, 8, 9]);
  assert.deepEqual(all.slice(2, 5), first);
  const alone = await Promise.all(many.map(({ image, context }) => new MeasuringCaptioner().caption(image, context)));
  assert.deepEqual(all.map(({ text }) => text), alone.map(({ text }) => text));
  await captionSlices(many.toReversed(), { captioner, store });
  assert.equal(captioner.asked.length, 10);
});

Deno.test("captionSlices: another captioner's captions do not count", async () => {
  using store = CaptionStore.open(":memory:");
  await captionSlices(many, { captioner: new MeasuringCaptioner(), store });
  const captioner = new CountingCaptioner();
  const captions = await captionSlices(many, { captioner, store });
  assert.equal(captioner.asked.length, 10);
  assert.ok(captions.every(({ captionerId }) => captionerId === captioner.id));
  assert.equal(store.count(), 20);
});

Deno.test("captionSlices: equal slices share a caption; equal pixels elsewhere in the volume do not", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = new CountingCaptioner();
  const captions = await captionSlices([sliceOf(40, 3), sliceOf(40, 3), sliceOf(40, 44)], { captioner, store });
  assert.deepEqual(captioner.asked, [3, 44]);
  assert.deepEqual(captions[0], captions[1]);
  assert.notEqual(captions[0]!.text, captions[2]!.text);
});

Deno.test("captionSlices: progress counts different slices, at the start and after each batch", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = new CountingCaptioner();
  await captionSlices(many.slice(0, 3), { captioner, store });
  const seen: number[][] = [];
  await captionSlices(many, { captioner, store, batchSize: 4, onProgress: (done, total) => seen.push([done, total]) });
  assert.deepEqual(seen, [[3, 10], [7, 10], [10, 10]]);
});

Deno.test("captionSlices: a signal stops between slices, a failure ends it; what was made is stored", async () => {
  using store = CaptionStore.open(":memory:");
  const controller = new AbortController();
  const captioner = new CountingCaptioner();
  const stopping: Captioner = {
    id: captioner.id,
    caption: (slice, context) => {
      if (context.index === 3) controller.abort(new Error("enough"));
      return captioner.caption(slice, context);
    },
  };
  await assert.rejects(captionSlices(many, { captioner: stopping, store, signal: controller.signal }), /enough/);
  assert.equal(store.count(), 4);
  await assert.rejects(
    captionSlices(many, { captioner: new CountingCaptioner(2), store, batchSize: 64 }),
    /out of order/,
  );
  assert.equal(store.count(), 6);
});

Deno.test("captionSlices: bad options and captions that name another captioner are refused", async () => {
  using store = CaptionStore.open(":memory:");
  await assert.rejects(captionSlices(many, { captioner: new CountingCaptioner(), store, batchSize: 0 }), RangeError);
  const false_: Captioner = {
    id: "a",
    caption: () => Promise.resolve({ text: "x", captionerId: "b", createdAt: new Date().toISOString() }),
  };
  await assert.rejects(
    captionSlices(many, { captioner: false_, store }),
    /names another captioner: got "b", expected "a"/,
  );
  assert.equal(store.count(), 0);
});

Deno.test("captionSlices: nothing is sent to a host that was not allowed", async () => {
  using store = CaptionStore.open(":memory:");
  const captioner = new CountingCaptioner();
  const remote = (sendsTo: string): Captioner => ({
    id: captioner.id,
    sendsTo,
    caption: captioner.caption.bind(captioner),
  });
  await assert.rejects(
    captionSlices(many, { captioner: remote("models.example"), store }),
    /sends slices beyond this machine: got host "models.example", expected none.*allowedHosts/s,
  );
  await assert.rejects(
    captionSlices(many, { captioner: remote("models.example"), store, allowedHosts: ["example"] }),
    /expected one of example/,
  );
  assert.deepEqual(captioner.asked, []);
  await captionSlices(many.slice(0, 1), {
    captioner: remote("Models.Example"),
    store,
    allowedHosts: ["models.example"],
  });
  await captionSlices(many.slice(1, 2), { captioner: remote("127.0.0.1"), store });
  assert.deepEqual(captioner.asked, [0, 1]);
});

Deno.test("hashSliceInContext: pixels, geometry and every header fact count; a known pixel hash spares the work", () => {
  const { image, context } = sliceOf(40);
  const key = hashSliceInContext(image, context);
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(hashSliceInContext(image, { ...context }, hashSlice(image)), key);
  const others = [
    hashSliceInContext({ ...image, pixels: image.pixels.with(0, 1) }, context),
    hashSliceInContext({ ...image, spacingMm: [2, 1] }, context),
    ...[{ modality: "MR" as const }, { plane: "coronal" as const }, { index: 1 }, { count: 51 }]
      .map((change) => hashSliceInContext(image, { ...context, ...change })),
  ];
  assert.equal(new Set([key, ...others]).size, 7);
});
