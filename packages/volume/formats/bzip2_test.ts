import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { openByteSource } from "./_byte_source.ts";
import { bunzip2Source } from "./_bzip2.ts";

/** Streams by libbzip2 (Python's bz2), and what they hold. */
const STREAMS: Readonly<Record<string, readonly [packed: string, content: string]>> = JSON.parse(
  await Deno.readTextFile(new URL("testdata/bzip2_streams.json", import.meta.url)),
);

async function unpack(packed: Uint8Array): Promise<Uint8Array> {
  const source = bunzip2Source(await openByteSource(packed, { gunzip: false }));
  const parts: Uint8Array[] = [];
  for await (const chunk of source.rest()) parts.push(chunk);
  return Uint8Array.from(Buffer.concat(parts));
}

const fromBase64 = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

for (const [name, [packed, content]] of Object.entries(STREAMS)) {
  Deno.test(`bunzip2Source: unpacks what libbzip2 packed: ${name}`, async () => {
    const unpacked = await unpack(fromBase64(packed));
    const digest = await crypto.subtle.digest("SHA-256", unpacked as Uint8Array<ArrayBuffer>);
    assert.equal(new Uint8Array(digest).toHex(), content);
  });
}

Deno.test("bunzip2Source: every cut is told, and every flipped bit that changes anything", async () => {
  const sound = fromBase64(STREAMS["text"]![0]);
  const content = await unpack(sound);
  for (let length = 0; length < sound.length; length++) {
    await assert.rejects(unpack(sound.subarray(0, length)), { code: "truncated" }, `cut to ${length}`);
  }
  let idle = 0;
  for (let bit = 0; bit < 8 * sound.length; bit += 5) {
    const damaged = sound.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const outcome = await unpack(damaged).catch((error) => {
      assert.ok(["truncated", "corrupt-bzip2"].includes(error.code), `bit ${bit}: ${error}`);
    });
    // Some bits are idle: codes of symbols that do not occur, the block size, the last byte's padding.
    if (outcome !== undefined) assert.deepEqual(outcome, content, `bit ${bit}`);
    idle += outcome === undefined ? 0 : 1;
  }
  assert.ok(idle < sound.length * 8 / 5 / 20, `${idle}`);
});

Deno.test("bunzip2Source: streams that follow one another are one; what follows and is no stream is passed over", async () => {
  const sound = fromBase64(STREAMS["text"]![0]);
  const content = await unpack(sound);
  assert.deepEqual(await unpack(Uint8Array.from([...sound, ...sound])), Uint8Array.from([...content, ...content]));
  assert.deepEqual(await unpack(Uint8Array.from([...sound, 1, 2, 3, 4, 5])), content);
});
