/** A field of a protocol buffer: its number and a whole number, a text, bytes or a nested message. */
type Field = readonly [number: number, value: number | string | Uint8Array | readonly Field[]];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return [...bytes, value];
}

/** Writes a message in protocol buffers' wire format (varints and length-delimited fields, all that ONNX needs here). */
export function encodeMessage(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [...varint(number * 8), ...varint(value)];
    const bytes = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value instanceof Uint8Array
      ? value
      : encodeMessage(value);
    return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
  }));
}

// Field numbers of onnx.proto (ONNX IR version 8).
const [FLOAT, INTS] = [1, 7];

function integers(name: string, values: readonly number[]): Field {
  return [5, [[1, name], ...values.map((value): Field => [8, value]), [20, INTS]]];
}

function tensorInfo(name: string, shape: readonly number[]): readonly Field[] {
  return [[1, name], [2, [[1, [[1, FLOAT], [2, shape.map((size): Field => [1, [[1, size]]])]]]]]];
}

/** A 3D convolution for ONNX. */
export interface ConvolutionModel {
  /** `[batch, channels, depth, height, width]`. */
  readonly input: readonly number[];
  /** `[out, in, ...]`, transposed `[in, out, ...]`. */
  readonly weight: readonly number[];
  readonly output: readonly number[];
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before and behind each axis. */
  readonly padding: readonly (readonly [number, number])[];
  readonly transposed: boolean;
}

/** An ONNX model of one Conv or ConvTranspose of inputs `x` and `w` and output `y`. */
export function convolutionModel(
  { input, weight, output, stride, dilation, padding, transposed }: ConvolutionModel,
): Uint8Array<ArrayBuffer> {
  const node: Field[] = [
    [1, "x"],
    [1, "w"],
    [2, "y"],
    [4, transposed ? "ConvTranspose" : "Conv"],
    integers("strides", [stride, stride, stride]),
    integers("dilations", [dilation, dilation, dilation]),
    integers("pads", [0, 1].flatMap((end) => padding.map((ends) => ends[end]!))),
  ];
  return encodeMessage([
    [1, 8],
    [7, [[1, node], [2, "bench"], [11, tensorInfo("x", input)], [11, tensorInfo("w", weight)], [
      12,
      tensorInfo("y", output),
    ]]],
    [8, [[1, ""], [2, 17]]],
  ]);
}
