import { strict as assert } from "node:assert";
import { gzipSync } from "node:zlib";
import { countIdentifyingFields, createVolume, encodeNifti, readNifti } from "../mod.ts";

const VOLUME = createVolume(new Uint8Array(8), [2, 2, 2]);
const utf8 = new TextEncoder();

/** Puts text into a header. */
function withText(bytes: Uint8Array, at: number, text: string): Uint8Array<ArrayBuffer> {
  const changed = Uint8Array.from(bytes);
  changed.set(utf8.encode(text), at);
  return changed;
}

/** Puts an extension between a header of 348 bytes and its voxels. */
function withExtension(bytes: Uint8Array, text: string): Uint8Array {
  const changed = new Uint8Array(bytes.length + 32);
  changed.set(bytes.subarray(0, 348));
  changed.set(bytes.subarray(352), 352 + 32);
  const view = new DataView(changed.buffer);
  view.setUint8(348, 1);
  view.setInt32(352, 32, true);
  view.setInt32(356, 6, true);
  view.setFloat32(108, 352 + 32, true);
  changed.set(utf8.encode(text), 360);
  return changed;
}

Deno.test("countIdentifyingFields: NIfTI texts and extensions are counted by name, never shown", async () => {
  for (const [version, places] of [[1, [4, 14, 148, 228, 328]], [2, [240, 320, 508]]] as const) {
    const plain = await encodeNifti(VOLUME, { version });
    assert.equal((await countIdentifyingFields(plain)).count, 0, "what med3d writes names nobody");
    const filled = places.reduce<Uint8Array>((bytes, at) => withText(bytes, at, "DOE JANE"), plain);
    const counted = await countIdentifyingFields(Uint8Array.from(gzipSync(filled)));
    assert.equal(counted.format, "nifti");
    assert.equal(counted.count, places.length);
    assert.equal(counted.fields["descrip"], 1);
    assert.doesNotMatch(JSON.stringify(counted), /DOE|JANE/);
  }
  const extended = withExtension(await encodeNifti(VOLUME), "DOE JANE");
  assert.deepEqual((await countIdentifyingFields(extended)).fields, { extension: 1 });
});

Deno.test("countIdentifyingFields: the name of a tool is no patient, a number may be a date of birth", async () => {
  const plain = await encodeNifti(VOLUME, { description: "" });
  const counts = async (text: string) => (await countIdentifyingFields(withText(plain, 148, text))).count;
  for (const text of ["none", "FSL5.0", "6.0.4:ddd0a010", "spm 12", "SimpleITK"]) {
    assert.equal(await counts(text), 0, text);
  }
  for (const text of ["19550312", "12.03.1955", "FSL5.0 Doe", "12345"]) assert.equal(await counts(text), 1, text);
});

Deno.test("countIdentifyingFields: NRRD pairs, comments and texts; names that the file made up are not given out", async () => {
  const header = "NRRD0005\n# Complete NRRD file format specification at:\n# scanned Doe\ntype: uchar\ncontent: Doe\n" +
    "sizes: 2 2 2\nDoe Jane:=1\nempty:=\nmodality:=DWMRI\n\n# voxels\n";
  const counted = await countIdentifyingFields(utf8.encode(header));
  assert.deepEqual(counted, {
    format: "nrrd",
    count: 3,
    fields: { comment: 1, content: 1, "key-value pair": 1 },
    burnedInAnnotation: "unknown",
  });
});

Deno.test("countIdentifyingFields: MetaImage comments and keys beyond the standard's", async () => {
  const header =
    "ObjectType = Image\nNDims = 3\nComment = Doe\nPatientDoe = 1\nDimSize = 2 2 2\nElementDataFile = LOCAL\nA = b\n";
  const counted = await countIdentifyingFields(utf8.encode(header));
  assert.deepEqual([counted.format, counted.fields], ["metaimage", { comment: 1, other: 1 }]);
});

/** An MGH file of 8 voxels with tags behind them, as FreeSurfer writes them. */
function mghWith(tags: readonly (readonly [tag: number, text: string])[]): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(284 + 8 + 20);
  const view = new DataView(head.buffer);
  [1, 2, 2, 2, 1, 0].forEach((value, i) => view.setInt32(4 * i, value));
  const pieces = tags.map(([tag, text]) => {
    const width = tag === 30 ? 4 : 8;
    const content = utf8.encode(text);
    const piece = new Uint8Array(4 + width + content.length);
    const view = new DataView(piece.buffer);
    view.setInt32(0, tag);
    if (width === 4) view.setInt32(4, content.length + 1);
    else view.setBigInt64(4, BigInt(content.length));
    piece.set(content, 4 + width);
    return piece;
  });
  return Uint8Array.from([head, ...pieces].flatMap((piece) => [...piece]));
}

Deno.test("countIdentifyingFields: MGH's texts behind the voxels, packed or not", async () => {
  const tags = [[43, "3.0 T"], [3, "mri_convert DOE"], [31, "/subjects/DOE/talairach.xfm"], [3, "recon"], [30, "DOE"], [
    99,
    "DOE",
  ]] as const;
  const bytes = mghWith(tags);
  for (const file of [bytes, Uint8Array.from(gzipSync(bytes))]) {
    const counted = await countIdentifyingFields(file);
    assert.deepEqual(counted, {
      format: "mgh",
      count: 5,
      fields: { TAG_CMDLINE: 2, TAG_MGH_XFORM: 1, TAG_OLD_MGH_XFORM: 1, other: 1 },
      burnedInAnnotation: "unknown",
    });
  }
  assert.equal((await countIdentifyingFields(mghWith([]))).count, 0);
  assert.equal((await countIdentifyingFields(mghWith([[3, "   "]]))).count, 0);
  const endless = mghWith([[3, "DOE"], [3, "DOE"]]);
  new DataView(endless.buffer).setBigInt64(284 + 8 + 20 + 4, 2n ** 62n);
  assert.equal((await countIdentifyingFields(endless)).count, 1, "a length beyond the end");
  assert.equal((await countIdentifyingFields(bytes.subarray(0, 288))).format, "unknown", "cut off within the voxels");
});

Deno.test("countIdentifyingFields: other and damaged files count as unknown or as far as they go", async () => {
  assert.equal((await countIdentifyingFields(utf8.encode("hello"))).format, "unknown");
  assert.equal((await countIdentifyingFields(new Uint8Array(0))).format, "unknown");
  const broken = Uint8Array.from(gzipSync(await encodeNifti(VOLUME)));
  broken.fill(255, 12, 40);
  assert.equal((await countIdentifyingFields(broken)).format, "unknown");
  const endless = withExtension(await encodeNifti(VOLUME), "x");
  new DataView(endless.buffer).setInt32(352, 0, true);
  assert.equal((await countIdentifyingFields(endless)).count, 0);
});

Deno.test("writeNifti: nothing of the header read is copied onward", async () => {
  const filled = [4, 14, 148, 228, 328].reduce<Uint8Array>(
    (bytes, at) => withText(bytes, at, "DOE JANE"),
    await encodeNifti(VOLUME),
  );
  const read = await readNifti(withExtension(filled, "DOE JANE"));
  const written = await encodeNifti(read);
  assert.doesNotMatch(new TextDecoder("latin1").decode(written), /DOE|JANE/);
  assert.doesNotMatch(read.history.join("\n"), /DOE|JANE/);
  assert.equal((await countIdentifyingFields(written)).count, 0);
});
