import { strict as assert } from "node:assert";
import { convolutionModel, encodeMessage } from "./_onnx_model.ts";

Deno.test("encodeMessage: the examples of the protocol buffers documentation", () => {
  const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  assert.equal(hex(encodeMessage([[1, 150]])), "08 96 01");
  assert.equal(hex(encodeMessage([[2, "testing"]])), "12 07 74 65 73 74 69 6e 67");
  assert.equal(hex(encodeMessage([[3, [[1, 150]]]])), "1a 03 08 96 01");
});

Deno.test("convolutionModel: one node of the right kind, lengths that add up", () => {
  const shape = { weight: [4, 2, 3, 3, 3], stride: 1, dilation: 1, padding: [[1, 1], [1, 1], [1, 1]] as const };
  for (const transposed of [false, true]) {
    const model = convolutionModel({ ...shape, input: [1, 2, 5, 5, 5], output: [1, 4, 5, 5, 5], transposed });
    const text = new TextDecoder("latin1").decode(model);
    const operator = transposed ? "ConvTranspose" : "Conv";
    assert.ok(text.includes(`"${String.fromCharCode(operator.length)}${operator}*`)); // field 4, length, text, an attribute
    assert.equal(model[0], 8, "IR version first");
    assert.equal(model[2], 7 * 8 + 2, "then the graph");
    const graphBytes = model[3]! - 128 + 128 * model[4]!;
    const operatorSet = 6; // what comes behind the graph: field, length, "" with its header, version with its header
    assert.equal(5 + graphBytes + 2 + operatorSet - 2, model.length);
  }
});
