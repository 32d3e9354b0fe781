import { type ConvolutionShape, paddingOf, SEEDS, sizeOf, tensorShapes } from "./_conv3d_cases.ts";
import { noiseAt, samplePlaces, timeRuns, type Timing } from "./_measure.ts";
import { convolutionModel } from "./_onnx_model.ts";

/** Loaded by name at run time: 300 MB that nobody but this bench needs must not stand in the lock file. */
const PACKAGE: string = "npm:onnxruntime-node@1.30.0";

/** What of onnxruntime-node is used. */
interface OnnxRuntime {
  readonly env: { readonly versions: { readonly node?: string } };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
    ): Promise<{ run(inputs: object): Promise<{ readonly y: { readonly data: Float32Array } }> }>;
  };
}

const strides = (shape: readonly number[]): number[] => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** Noise in another order of axes: `order[i]` is the axis of `shape` that comes `i`-th. */
function permutedNoise(shape: readonly number[], order: readonly number[], seed: number): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  const sizes = order.map((axis) => shape[axis]!);
  const steps = order.map((axis) => strides(shape)[axis]!);
  const index = order.map(() => 0);
  let place = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = noiseAt(place, seed);
    for (let axis = index.length - 1; axis >= 0; axis--) {
      place += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      place -= sizes[axis]! * steps[axis]!;
      index[axis] = 0;
    }
  }
  return values;
}

/** Times onnxruntime's forward pass on the processor, all cores, and samples its output. */
export async function measureOnnx(
  shape: ConvolutionShape,
  options: Parameters<typeof timeRuns>[1],
): Promise<Timing & { readonly samples: number[]; readonly device: string }> {
  const ort: OnnxRuntime = await import(PACKAGE);
  const { x, filter, y } = tensorShapes(shape);
  const channelsFirst = [0, 4, 1, 2, 3];
  const weightOrder = [4, 3, 0, 1, 2]; // the last two are out, in, or, transposed, in, out, as ONNX has them first
  const permute = (of: readonly number[], order: readonly number[]): number[] => order.map((axis) => of[axis]!);
  const session = await ort.InferenceSession.create(convolutionModel({
    input: permute(x, channelsFirst),
    weight: permute(filter, weightOrder),
    output: permute(y, channelsFirst),
    stride: shape.stride ?? 1,
    dilation: shape.dilation ?? 1,
    padding: paddingOf(shape),
    transposed: shape.transposed ?? false,
  }));
  const tensor = (of: readonly number[], order: readonly number[], seed: number): unknown =>
    new ort.Tensor("float32", permutedNoise(of, order, seed), permute(of, order));
  const inputs = { x: tensor(x, channelsFirst, SEEDS.x), w: tensor(filter, weightOrder, SEEDS.filter) };
  let output = new Float32Array();
  const timing = await timeRuns(async () => {
    const started = performance.now();
    output = (await session.run(inputs)).y.data as Float32Array<ArrayBuffer>;
    return performance.now() - started;
  }, options);
  const [, depth, height, width, channels] = y;
  const samples = samplePlaces(sizeOf(y)).map((place) => {
    const channel = place % channels;
    const voxel = Math.floor(place / channels);
    const voxels = depth * height * width;
    return output[(Math.floor(voxel / voxels) * channels + channel) * voxels + voxel % voxels]!;
  });
  return { ...timing, samples, device: `onnxruntime ${ort.env.versions.node}` };
}
