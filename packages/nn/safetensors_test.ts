import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { Random } from "random";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./mod.ts";

const file = new Uint8Array(await readFile(new URL("testdata/dtypes.safetensors", import.meta.url)));
const values: Record<string, { shape: number[]; values: string[] }> = JSON.parse(
  await readFile(new URL("testdata/dtypes.json", import.meta.url), "utf8"),
);

/** Builds a file from a header, given as text or bytes, and a number of data bytes. */
function build(header: string | Uint8Array, dataBytes = 0, promisedLength?: bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, promisedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** One F32 tensor of two elements, with fields replaced. */
function entry(fields: Record<string, unknown> = {}): string {
  return JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });
}

Deno.test("readSafetensors: every element type of a file by Python's library", () => {
  const { tensors, metadata } = readSafetensors(file);
  assert.deepEqual(metadata, { by: "Python's safetensors ✓" });
  assert.deepEqual([...tensors.keys()].sort(), Object.keys(values).sort());
  for (const [name, { shape, values: expected }] of Object.entries(values)) {
    const tensor = tensors.get(name)!;
    assert.deepEqual(tensor.shape, shape, name);
    const exact = tensor.data instanceof BigInt64Array || tensor.data instanceof BigUint64Array ? BigInt : Number;
    assert.deepEqual([...tensor.data], expected.map((text) => exact(text)), name);
  }
});

Deno.test("writeSafetensors: reproduces a file by Python's library byte for byte, whatever the order", () => {
  const { tensors, metadata } = readSafetensors(file);
  assert.deepEqual(writeSafetensors(new Map([...tensors].reverse()), metadata), file);
});

Deno.test("readSafetensors: copies out of a pooled Node buffer at an odd offset", () => {
  const pooled = Buffer.alloc(file.length + 3);
  pooled.set(file, 3);
  const view = pooled.subarray(3);
  const { tensors } = readSafetensors(view);
  view.fill(0);
  assert.equal(tensors.get("scalar")!.data[0], 7.5);
});

Deno.test("readSafetensors: takes a header without padding, as early writers made it, and an empty file of no tensors", () => {
  const tensor = readSafetensors(build(entry(), 8)).tensors.get("a")!;
  assert.deepEqual(tensor, { dtype: "F32", shape: [2], data: new Float32Array(2) });
  assert.equal(readSafetensors(build("{}")).tensors.size, 0);
});

const MALFORMED: Record<string, { bytes: Uint8Array; message: RegExp }> = {
  "no length": { bytes: new Uint8Array(7), message: /too short: got 7 bytes, expected at least 8/ },
  "huge header": { bytes: build("{}", 0, 100_000_001n), message: /header is too long: got 100000001 bytes/ },
  "header length overflows": { bytes: build("{}", 0, 2n ** 64n - 1n), message: /header is too long/ },
  "truncated header": { bytes: build("{}", 0, 3n), message: /ends inside its header/ },
  "empty header": { bytes: build(""), message: /begin with a brace/ },
  "not UTF-8": { bytes: build(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), message: /not UTF-8/ },
  "byte order mark": { bytes: build("\ufeff{}"), message: /begin with a brace/ },
  "leading space": { bytes: build(" {}"), message: /begin with a brace/ },
  "array": { bytes: build("[]"), message: /begin with a brace/ },
  "not JSON": { bytes: build("{"), message: /not JSON/ },
  "two values": { bytes: build("{}{}"), message: /not JSON/ },
  "duplicate tensor": {
    bytes: build(entry().slice(0, -1) + "," + entry().slice(1), 8),
    message: /holds a key twice: got "a"/,
  },
  "duplicate tensor behind an escape": {
    bytes: build(entry().slice(0, -1) + "," + entry().slice(1).replace('"a"', '"\\u0061"'), 8),
    message: /holds a key twice: got "a"/,
  },
  "duplicate field": {
    bytes: build(entry().replace('"dtype":"F32"', '"dtype":"I32","dtype":"F32"'), 8),
    message: /holds a key twice: got "dtype"/,
  },
  "duplicate metadata": {
    bytes: build('{"__metadata__":{"k":"1","k":"2"}}'),
    message: /holds a key twice: got "k"/,
  },
  "entry no object": { bytes: build('{"a":[1]}'), message: /description of "a" is no object/ },
  "entry null": { bytes: build('{"a":null}'), message: /description of "a" is no object/ },
  "unknown field": { bytes: build(entry({ extra: 1 }), 8), message: /unknown field: got "extra"/ },
  "missing dtype": {
    bytes: build('{"a":{"shape":[],"data_offsets":[0,4]}}', 4),
    message: /dtype of "a" is unknown: got nothing/,
  },
  "unknown dtype": { bytes: build(entry({ dtype: "F12" }), 8), message: /dtype of "a" is unknown: got "F12"/ },
  "dtype from a prototype": { bytes: build(entry({ dtype: "constructor" }), 8), message: /dtype of "a" is unknown/ },
  "missing shape": { bytes: build('{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1), message: /shape of "a" is wrong/ },
  "negative size": { bytes: build(entry({ shape: [-2] }), 8), message: /shape of "a" is wrong/ },
  "fractional size": { bytes: build(entry({ shape: [2.5] }), 8), message: /shape of "a" is wrong/ },
  "size as text": { bytes: build(entry({ shape: ["2"] }), 8), message: /shape of "a" is wrong/ },
  "size beyond integers": { bytes: build(entry({ shape: [2 ** 53] }), 8), message: /shape of "a" is wrong/ },
  "product overflows": { bytes: build(entry({ shape: [2 ** 30, 2 ** 30] }), 8), message: /size of "a" overflows/ },
  "product overflows before a zero": {
    bytes: build(entry({ shape: [2 ** 30, 2 ** 30, 0], data_offsets: [0, 0] })),
    message: /size of "a" overflows/,
  },
  "a million nested lists": {
    bytes: build(entry().replace("[2]", "[".repeat(1e6) + "]".repeat(1e6)), 8),
    message: /shape of "a" is wrong: got \[{77}…/,
  },
  "one offset": { bytes: build(entry({ data_offsets: [0] }), 8), message: /data_offsets of "a" are wrong/ },
  "three offsets": { bytes: build(entry({ data_offsets: [0, 8, 8] }), 8), message: /data_offsets of "a" are wrong/ },
  "negative offset": { bytes: build(entry({ data_offsets: [-8, 0] }), 8), message: /data_offsets of "a" are wrong/ },
  "offsets reversed": { bytes: build(entry({ data_offsets: [8, 0] }), 8), message: /size of "a" does not fit/ },
  "size does not fit": {
    bytes: build(entry({ shape: [3] }), 8),
    message: /does not fit its shape: got 8 bytes, expected 12/,
  },
  "truncated data": { bytes: build(entry(), 7), message: /ends inside "a"/ },
  "trailing bytes": { bytes: build(entry(), 9), message: /left over behind the last tensor: got 1/ },
  "data without tensors": { bytes: build("{}", 4), message: /left over behind the last tensor: got 4/ },
  "hole in front": { bytes: build(entry({ data_offsets: [4, 12] }), 12), message: /hole before "a"/ },
  "hole between": {
    bytes: build(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
      3,
    ),
    message: /hole before "b"/,
  },
  "overlap": {
    bytes: build(
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
    ),
    message: /"b" overlaps/,
  },
  "the same data twice": {
    bytes: build(
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
      2,
    ),
    message: /"b" overlaps/,
  },
  "misaligned": {
    bytes: build(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}',
      5,
    ),
    message: /data of "b" are misaligned: got begin 1, expected a multiple of 4/,
  },
  "metadata no object": { bytes: build('{"__metadata__":"text"}'), message: /__metadata__ is wrong/ },
  "metadata not strings": { bytes: build('{"__metadata__":{"k":1}}'), message: /__metadata__ is wrong/ },
};
for (const [what, { bytes, message }] of Object.entries(MALFORMED)) {
  Deno.test(`readSafetensors: refuses a file with ${what}`, () => {
    assert.throws(() => readSafetensors(bytes), (error) => error instanceof SyntaxError && message.test(error.message));
  });
}

Deno.test("readSafetensors: 4,000 seeded mutations give a SyntaxError or a whole result, quickly", () => {
  const random = new Random("safetensors fuzz");
  const headerLength = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(file.subarray(8, 8 + headerLength)).trimEnd();
  const data = file.subarray(8 + headerLength);
  const numbers = [
    "0",
    "1",
    "-1",
    "3",
    "4294967296",
    "9007199254740993",
    "1e999",
    "0.5",
    "null",
    '"1"',
    "[]",
    "{}",
    "true",
  ];
  const tokens = ["{", "}", "[", "]", ",", ":", '"', "\\", "\\u0061", "__proto__", "F32", "BOOL", "\u0000", "é"];
  const pick = (list: readonly string[]): string => list[random.int(0, list.length - 1)]!;
  const mutateText = (text: string): string => {
    const at = random.int(0, text.length - 1);
    switch (random.int(0, 3)) {
      case 0: { // another number
        const spots = [...text.matchAll(/\d+/g)];
        const spot = spots[random.int(0, spots.length - 1)];
        return spot ? text.slice(0, spot.index) + pick(numbers) + text.slice(spot.index + spot[0].length) : text;
      }
      case 1:
        return text.slice(0, at) + pick(tokens) + text.slice(at);
      case 2:
        return text.slice(0, at) + text.slice(at + random.int(1, 40));
      default: // a part doubled
        return text.slice(0, at) + text.slice(Math.max(0, at - random.int(1, 80)));
    }
  };
  const mutateBytes = (bytes: Uint8Array): Uint8Array => {
    const mutated = bytes.slice(0, random.int(0, 3) === 0 ? random.int(0, bytes.length) : bytes.length);
    for (let n = random.int(0, 4); n > 0 && mutated.length > 0; n--) {
      mutated[random.int(0, Math.min(mutated.length - 1, 8 + headerLength))] = random.int(0, 255);
    }
    return mutated;
  };
  const outcomes = { read: 0, refused: 0 };
  const began = performance.now();
  for (let i = 0; i < 4000; i++) {
    let bytes: Uint8Array;
    if (i % 2 === 0) bytes = mutateBytes(file);
    else {
      let text = header;
      for (let n = random.int(1, 2); n > 0; n--) text = mutateText(text);
      bytes = build(text, data.length);
      bytes.set(data, bytes.length - data.length);
    }
    try {
      const { tensors, metadata } = readSafetensors(bytes);
      // What was read accounts for every byte of the data, and reads back the same once written.
      const again = readSafetensors(writeSafetensors(tensors, metadata));
      assert.deepEqual(again.tensors.size, tensors.size);
      outcomes.read++;
    } catch (error) {
      // A lone surrogate may be read from an escape but not written.
      const refused = error instanceof SyntaxError ||
        (error instanceof RangeError && /lone surrogates/.test(error.message));
      assert.ok(refused, `mutation ${i}: ${error}`);
      outcomes.refused++;
    }
  }
  assert.ok(performance.now() - began < 20_000, "takes too long");
  assert.ok(outcomes.refused > 2000 && outcomes.read > 100, `the mutations test little: ${JSON.stringify(outcomes)}`);
});

Deno.test("writeSafetensors: what is written reads back equal, for any float32 tensors, names and metadata", () => {
  const names = fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__" && name.isWellFormed());
  const tensor = fc.array(fc.float(), { maxLength: 12 }).map((list): StoredTensor => ({
    dtype: "F32",
    shape: list.length % 2 === 0 ? [2, list.length / 2] : [list.length],
    data: Float32Array.from(list),
  }));
  const property = fc.property(
    fc.uniqueArray(fc.tuple(names, tensor), { selector: ([name]) => name, maxLength: 6 }),
    fc.dictionary(names, names, { maxKeys: 3, noNullPrototype: true }),
    (list, metadata) => {
      const read = readSafetensors(writeSafetensors(new Map(list), metadata));
      assert.deepEqual(Object.entries(read.metadata), Object.entries(metadata));
      assert.equal(read.tensors.size, list.length);
      for (const [name, expected] of list) assert.deepEqual(read.tensors.get(name), expected);
    },
  );
  fc.assert(property, { seed: 7, numRuns: 200 });
});

Deno.test("writeSafetensors: F16 and BF16 go to the nearest value, ties to even", () => {
  const data = Float32Array.of(
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    65519,
    65520,
    2 ** -25,
    3 * 2 ** -25,
    2047 / 2048,
    -0,
    NaN,
    -Infinity,
  );
  const read = readSafetensors(writeSafetensors(
    new Map([
      ["half", { dtype: "F16", shape: [data.length], data }],
      ["brain", { dtype: "BF16", shape: [2], data: Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8) }],
    ]),
  ));
  const expected = [1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -23, 2047 / 2048, -0, NaN, -Infinity];
  assert.deepEqual([...read.tensors.get("half")!.data], expected);
  assert.deepEqual([...read.tensors.get("brain")!.data], [1, 1 + 2 ** -6]);
});

Deno.test("writeSafetensors: refuses what could not be read back", () => {
  const good: StoredTensor = { dtype: "F32", shape: [2], data: new Float32Array(2) };
  const write = (name: string, tensor: Partial<Record<keyof StoredTensor, unknown>>, metadata = {}) => () =>
    writeSafetensors(new Map([[name, { ...good, ...tensor } as StoredTensor]]), metadata);
  assert.throws(
    write("a", { shape: [3] }),
    /RangeError: .*shape of "a" does not fit its data: got \[3\] for 2 elements/,
  );
  assert.throws(write("a", { shape: [-1, -2] }), /RangeError: .*shape of "a" does not fit/);
  assert.throws(write("a", { dtype: "F8_E4M3" }), /TypeError: .*dtype of "a" is unknown: got F8_E4M3/);
  assert.throws(write("a", { data: new Float64Array(2) }), /TypeError: .*wrong array for F32: got Float64Array/);
  assert.throws(write("__metadata__", {}), /RangeError: .*name is reserved/);
  assert.throws(write("\ud800", {}), /RangeError: .*lone surrogates/);
  assert.throws(write("a", {}, { k: "\udc00" }), /RangeError: .*lone surrogates/);
});
