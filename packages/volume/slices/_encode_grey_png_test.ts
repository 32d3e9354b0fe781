import { decode } from "fast-png";
import { strict as assert } from "node:assert";
import { encodeGreyPng } from "./_encode_grey_png.ts";

Deno.test("encodeGreyPng: another reader finds the same pixels and a sound checksum, whatever the shape", () => {
  for (const [width, height] of [[1, 1], [1, 5], [7, 1], [64, 48], [255, 3]] as const) {
    const data = Uint8Array.from({ length: width * height }, (_, place) => Math.imul(place, 2654435761) >>> 24);
    const png = encodeGreyPng({ width, height, data });
    const read = decode(png, { checkCrc: true });
    assert.deepEqual([read.width, read.height, read.channels, read.depth], [width, height, 1, 8]);
    assert.deepEqual(Uint8Array.from(read.data), data);
    png[png.length - 20]! ^= 1;
    assert.throws(() => decode(png, { checkCrc: true }));
  }
});
