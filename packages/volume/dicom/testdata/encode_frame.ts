/**
 * Packs one frame for `tools/oracles/volume_dicom.py`, where pydicom has no encoder: reads `{encoder, rows, columns, bits, signed,
 * values}` as JSON from stdin and writes the codestream in base64. pydicom decodes it again with libraries of its own.
 */
import codecs from "dcmjs-codecs";

const { NativeCodecs, Context } = codecs as unknown as {
  NativeCodecs: Record<string, (...args: unknown[]) => { getEncodedBuffer(): Uint8Array }> & {
    initializeAsync(): Promise<void>;
  };
  Context: new (attributes: Record<string, unknown>) => unknown;
};

const { encoder, rows, columns, bits, signed, values, ...parameters } = JSON.parse(
  await new Response(Deno.stdin.readable).text(),
);
await NativeCodecs.initializeAsync();
const context = new Context({
  width: columns,
  height: rows,
  bitsAllocated: 16,
  bitsStored: bits,
  samplesPerPixel: 1,
  pixelRepresentation: signed ? 1 : 0,
  planarConfiguration: 0,
  photometricInterpretation: "MONOCHROME2",
  decodedBuffer: new Uint8Array(Uint16Array.from(values as number[]).buffer),
});
const bytes = NativeCodecs[encoder]!(context, { lossy: false, ...parameters }).getEncodedBuffer();
console.log(btoa(String.fromCharCode(...bytes)));
