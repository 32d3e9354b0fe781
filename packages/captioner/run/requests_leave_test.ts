import { strict as assert } from "node:assert";
import { captionScans, CaptionStore, type RecordingCaptioner, RemoteCaptioner } from "../mod.ts";
import { startModelServer } from "../testdata/model_server.ts";
import { sliceOf } from "../testdata/slices.ts";

Deno.test("captionScans: the first requests reach the server while further slices are rendered, not after all of them", async () => {
  const slices = Array.from({ length: 80 }, (_, index) => sliceOf(`leave ${index}`, { index, count: 80 }));
  let [rendered, renderedAtFirst] = [0, 0];
  await using server = await startModelServer({
    behave: () => {
      renderedAtFirst ||= rendered;
      return { kind: "good" };
    },
  });
  using remote = new RemoteCaptioner({ endpoint: server.endpoint, model: "tiny", maxPixels: 32, maxInFlight: 80 });
  const captioner: RecordingCaptioner = {
    ...{ id: remote.id, sendsTo: remote.sendsTo },
    caption: (slice, context) => remote.caption(slice, context),
    captionRecord: (slice, context, options) => remote.captionRecord(slice, context, options),
    prepareRecord: (slice, context) => {
      rendered++;
      return remote.prepareRecord(slice, context);
    },
  };
  using store = CaptionStore.open(":memory:");
  const scan = { id: "scan", slices: () => Promise.resolve(slices) };
  const { stored } = await captionScans([scan], { captioner, store, inFlight: 80 });
  assert.deepEqual([stored, rendered], [80, 80]);
  assert.ok(renderedAtFirst > 0 && renderedAtFirst <= 40, `${renderedAtFirst} of 80 were rendered by then`);
});
