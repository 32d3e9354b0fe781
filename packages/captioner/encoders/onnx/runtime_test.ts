import { strict as assert } from "node:assert";
import { withEncoderFolder } from "../../testdata/encoder_folders.ts";
import { OnnxEncoder } from "./onnx_encoder.ts";
import type { OnnxRuntime, OnnxSession, OnnxTensor } from "./onnx_runtime.ts";

class FakeTensor implements OnnxTensor {
  constructor(readonly type: string, readonly data: unknown, readonly dims: readonly number[]) {}
}

/** A runtime whose models answer as told, and which counts what is open. */
function fakeRuntime(
  answer: (count: number) => OnnxTensor,
  session: Partial<Pick<OnnxSession, "inputNames" | "outputNames" | "inputMetadata">> = {},
): OnnxRuntime & { open: number; readonly runs: Record<string, OnnxTensor>[] } {
  const runtime = {
    open: 0,
    runs: [] as Record<string, OnnxTensor>[],
    Tensor: FakeTensor,
    InferenceSession: {
      create: (path: string): Promise<OnnxSession> => {
        const isText = path.includes("text_model");
        const output = isText ? "text_embeds" : "image_embeds";
        runtime.open++;
        return Promise.resolve({
          inputNames: [isText ? "input_ids" : "pixel_values"],
          outputNames: [output],
          ...(isText ? session : {}),
          run: (inputs) => {
            runtime.runs.push({ ...inputs });
            return Promise.resolve({ [output]: answer(Object.values(inputs)[0]!.dims[0]!) });
          },
          release: () => {
            runtime.open--;
            return Promise.resolve();
          },
        });
      },
    },
  };
  return runtime;
}

const answerOf = (value: number, width = 3) => (count: number): OnnxTensor =>
  new FakeTensor("float32", new Float32Array(count * width).fill(value), [count, width]);

Deno.test("OnnxEncoder: a runtime of the user's own runs the models, in batches, and all is released", async () => {
  await withEncoderFolder("clip", async (folder) => {
    const runtime = fakeRuntime(answerOf(2));
    {
      await using encoder = await OnnxEncoder.load(folder, { runtime, batchSize: 2 });
      runtime.runs.length = 0;
      const vectors = await encoder.encodeTexts(["a", "b", "c d e", "f", "g"]);
      assert.deepEqual(vectors, new Array(5).fill(new Float32Array(3).fill(1 / Math.sqrt(3))));
      assert.deepEqual(runtime.runs.map((inputs) => inputs["input_ids"]!.dims), [[2, 3], [2, 5], [1, 3]]);
      assert.equal(runtime.open, 2);
    }
    assert.equal(runtime.open, 0);
  });
});

Deno.test("OnnxEncoder: int32 inputs, masks and a length of the model's own are given where it asks for them", async () => {
  await withEncoderFolder("clip", async (folder) => {
    const runtime = fakeRuntime(answerOf(1), {
      inputNames: ["input_ids", "attention_mask", "token_type_ids"],
      inputMetadata: ["int32", "int64", "int32"].map((type) => ({ type, shape: ["n", 80] })),
    });
    await using encoder = await OnnxEncoder.load(folder, { runtime });
    runtime.runs.length = 0;
    await encoder.encodeTexts(["a"]);
    const { input_ids: ids, attention_mask: mask, token_type_ids: types } = runtime.runs[0]!;
    assert.ok(ids!.data instanceof Int32Array && mask!.data instanceof BigInt64Array);
    assert.deepEqual([ids!.dims, mask!.dims], [[1, 80], [1, 80]]);
    assert.deepEqual(Array.from(mask!.data).slice(0, 5), [1n, 1n, 1n, 0n, 0n]);
    const end = ids!.data[2];
    assert.ok(ids!.data.subarray(2).every((id) => id === end), "CLIP is filled up with its end token");
    assert.ok((types!.data as Int32Array).every((type) => type === 0));
  });
});

Deno.test("OnnxEncoder: models that give no direction, another shape or other outputs are refused and released", async () => {
  await withEncoderFolder("clip", async (folder) => {
    const refused = async (runtime: ReturnType<typeof fakeRuntime>, message: RegExp) => {
      await assert.rejects(OnnxEncoder.load(folder, { runtime }), message);
      assert.equal(runtime.open, 0, `${message}`);
    };
    await refused(fakeRuntime(answerOf(NaN)), /gives no direction: got a vector of squared length NaN/);
    await refused(fakeRuntime(answerOf(0)), /gives no direction: got a vector of squared length 0/);
    await refused(
      fakeRuntime(() => new FakeTensor("float32", new Float32Array(6), [1, 2, 3])),
      /got \[1,2,3\], expected/,
    );
    await refused(fakeRuntime(() => new FakeTensor("float16", new Uint16Array(3), [1, 3])), /another type or shape/);
    await refused(fakeRuntime(answerOf(1), { outputNames: ["logits"] }), /gives other outputs: got logits/);
    await refused(fakeRuntime(answerOf(1), { inputNames: ["input_ids", "pixels"] }), /takes other inputs/);
  });
});
