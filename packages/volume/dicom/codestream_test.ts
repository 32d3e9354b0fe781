import { strict as assert } from "node:assert";
import { jpeg2000Size } from "./_codestream.ts";

/** The head of a JPEG 2000 codestream of 36 × 40 samples of 16 bits, signed, in one tile; further numbers replace its own. */
function codestream(changes: Readonly<Record<number, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(200);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xff4fff51);
  const numbers: Record<number, number> = { 8: 36, 12: 40, 16: 0, 20: 0, 24: 36, 28: 40, 32: 0, 36: 0, ...changes };
  for (const [at, value] of Object.entries(numbers)) view.setUint32(Number(at), value);
  view.setUint16(40, 1);
  bytes[42] = 0x8f;
  return bytes;
}

Deno.test("jpeg2000Size: reads the image's size, from its own corner on", () => {
  assert.deepEqual(jpeg2000Size(codestream(), ""), { rows: 40, columns: 36, components: 1, precision: 16 });
  const moved = codestream({ 16: 6, 20: 10, 32: 6, 36: 9 });
  assert.deepEqual(jpeg2000Size(moved, ""), { rows: 30, columns: 30, components: 1, precision: 16 });
});

Deno.test("jpeg2000Size: an image outside its tiles is refused, for which OpenJPH looks for ever", () => {
  const outside: Record<number, number>[] = [{ 36: 1 }, { 32: 1 }, { 16: 36 }, { 20: 41 }, { 20: 5, 28: 5 }, { 24: 0 }];
  for (const changes of outside) {
    assert.throws(() => jpeg2000Size(codestream(changes), ""), { code: "corrupt-pixels" }, JSON.stringify(changes));
  }
});
