import { countParameters, disposeParameters } from "@med3d/nn";
import { selectBackend } from "@med3d/webgpu-kernels";
import { strict as assert } from "node:assert";
import { Random } from "random";
import { countPsatParameters, intendedPsat, releasedPsat } from "./options.ts";
import { PlaneSliceTransformer } from "./plane_slice_transformer.ts";

Deno.test("releasedPsat: decoder and slice code hold 28.75 million parameters, counted and in the module itself", async () => {
  await selectBackend({ backend: "cpu" });
  const counted = countPsatParameters({ memoryChannels: 768, ...releasedPsat() });
  assert.equal(counted.decoder + counted.sliceCode, 28_749_360);
  assert.deepEqual(counted, {
    decoder: 28_454_448,
    sliceCode: 294_912,
    queries: 230_400,
    output: 393_728,
    memoryProjection: 0,
    total: 29_373_488,
  });
  const psat = new PlaneSliceTransformer({ memoryChannels: 768, ...releasedPsat(), random: new Random("released") });
  const part = (prefix: string): number =>
    countParameters(new Map([...psat.parameters].filter(([name]) => name.startsWith(prefix))));
  assert.deepEqual([part("decoder."), part("slice_code"), part("queries"), part("output.")], [
    28_454_448,
    294_912,
    230_400,
    393_728,
  ]);
  assert.equal(countParameters(psat.parameters), counted.total);
  disposeParameters(psat.parameters);
});

Deno.test("intendedPsat: is the default, with a feed-forward width of 1024", () => {
  const shape = { memoryChannels: 320, width: 384, queries: 16 };
  assert.deepEqual(countPsatParameters({ ...shape, ...intendedPsat() }), countPsatParameters(shape));
  const { decoder } = countPsatParameters({ memoryChannels: 768, ...intendedPsat() });
  assert.equal(
    decoder - countPsatParameters({ memoryChannels: 768, ...releasedPsat() }).decoder,
    6 * (1024 - 8) * (2 * 768 + 1),
  );
});

Deno.test("countPsatParameters: a stem counts where channels and width differ, and wrong sizes are refused", () => {
  assert.equal(countPsatParameters({ memoryChannels: 320 }).memoryProjection, 320 * 768 + 768);
  assert.throws(() => countPsatParameters({ memoryChannels: 0 }), /memoryChannels is wrong: got 0/);
  assert.throws(
    () => countPsatParameters({ memoryChannels: 8, width: 10, heads: 4 }),
    /the heads do not divide the width: got 4/,
  );
});
