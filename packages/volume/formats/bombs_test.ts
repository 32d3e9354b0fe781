import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { memoryUsage } from "node:process";
import { deflateSync, gzipSync } from "node:zlib";
import { CorruptVolumeError, createVolume, encodeNifti, readVolume } from "../mod.ts";
import { bytesOf, formatCases } from "./testdata/format_cases.ts";

const MIB = 2 ** 20;
const zeros = new Uint8Array(64 * MIB);
/** 64 MiB of zeros by libbzip2. */
const BZIP2 = Uint8Array.from(
  atob("QlpoOTFBWSZTWQ4J4t8BX45AAMAAAAggADCATUZCoCWpCoCXMUFZJlNZvAS1wwCidcAAwAAACCAAIKQINjKKiE0qKiE4u5IpwoSFALuD6A=="),
  (letter) => letter.charCodeAt(0),
);
const text = (value: string) => new TextEncoder().encode(value);
const join = (...parts: Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));

function nrrd(sizes: string, encoding: string): Uint8Array {
  return text(
    `NRRD0004\ntype: uchar\ndimension: 3\nspace: LPS\nsizes: ${sizes}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n` +
      `space origin: (0,0,0)\nencoding: ${encoding}\n\n`,
  );
}

function metaimage(sizes: string): Uint8Array {
  return text(
    `NDims = 3\nCompressedData = True\nDimSize = ${sizes}\nElementType = MET_UCHAR\nElementSpacing = 1 1 1\nElementDataFile = LOCAL\n`,
  );
}

async function nifti(size: number): Promise<Uint8Array> {
  const head = (await encodeNifti(createVolume(new Uint8Array(8), [2, 2, 2]))).slice(0, 352);
  [1, 2, 3].forEach((axis) => new DataView(head.buffer).setInt16(40 + 2 * axis, size, true));
  return join(head);
}

/** Small files that unpack to far more than their headers say, or whose headers say far more than can be. */
const bombs: Readonly<Record<string, readonly [file: () => Promise<Uint8Array> | Uint8Array, code: string]>> = {
  "NIfTI, gzip goes on": [async () => join(gzipSync(join(await nifti(10), zeros.subarray(0, 4 * MIB)))), "read"],
  "NIfTI, 18 GB asked for": [async () => join(gzipSync(await nifti(2700))), "too-large"],
  "NRRD, gzip goes on": [() => join(nrrd("10 10 10", "gzip"), gzipSync(zeros)), "bad-offset"],
  "NRRD, gzip, 18 GB asked for": [() => join(nrrd("3000 3000 2000", "gzip"), gzipSync(zeros)), "too-large"],
  "NRRD, gzip, 3 GB asked for": [
    () => join(nrrd("3000 1000 1000", "gzip"), gzipSync(zeros.subarray(0, MIB))),
    "truncated",
  ],
  "NRRD, bzip2 goes on": [() => join(nrrd("10 10 10", "bzip2"), BZIP2), "bad-offset"],
  "NRRD, bzip2, 3 GB asked for": [() => join(nrrd("3000 1000 1000", "bzip2"), BZIP2.subarray(0, 60)), "truncated"],
  "NRRD, raw, 3 GB asked for": [() => join(nrrd("3000 1000 1000", "raw"), new Uint8Array(9)), "truncated"],
  "MetaImage, zlib goes on": [() => join(metaimage("10 10 10"), deflateSync(zeros)), "bad-offset"],
  "MetaImage, 18 GB asked for": [() => join(metaimage("3000 3000 2000"), deflateSync(zeros)), "too-large"],
  "NumPy, member longer than its directory says": [() => zipBomb(128 + 1000), "corrupt-zip"],
  "NumPy, directory that says 4 GB": [() => zipBomb(0xfffffff0), "read"],
};

/** A sound archive with its packed member replaced by a bomb that the array's header begins. */
function zipBomb(saidBytes: number): Uint8Array {
  const item = formatCases.find(({ name }) => name === "NumPy npz, chosen member")!;
  const sound = bytesOf(item);
  const view = new DataView(sound.buffer);
  const directoryAt = sound.findLastIndex((_, i) => view.byteLength - i >= 4 && view.getUint32(i, true) === 0x02014b50);
  const localAt = view.getUint32(directoryAt + 42, true);
  const dataAt = localAt + 30 + view.getUint16(localAt + 26, true) + view.getUint16(localAt + 28, true);
  const header = npyHeader();
  const packed = deflateSync(join(header, zeros.subarray(0, 4 * MIB))).subarray(2, -4);
  const directory = sound.slice(directoryAt);
  const changed = new DataView(directory.buffer);
  changed.setUint32(20, packed.length, true);
  changed.setUint32(24, saidBytes, true);
  const endAt = directory.findIndex((_, i) => directory.length - i >= 4 && changed.getUint32(i, true) === 0x06054b50);
  changed.setUint32(endAt + 12, endAt, true);
  changed.setUint32(endAt + 16, dataAt + packed.length, true);
  return join(sound.subarray(0, dataAt), packed, directory);
}

/** Of 1000 bytes, 128 bytes long. */
function npyHeader(): Uint8Array {
  const dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 10, 10), }".padEnd(117) + "\n";
  return join(Uint8Array.of(0x93, ...text("NUMPY"), 1, 0, 118, 0), text(dictionary));
}

for (const [name, [file, code]] of Object.entries(bombs)) {
  Deno.test(`readVolume: a bomb is left unexploded: ${name}`, async () => {
    const bytes = await file();
    assert.ok(bytes.length < 70_000, `${bytes.length}`);
    const before = memoryUsage().rss;
    let outcome = "read";
    try {
      await readVolume(bytes, name.startsWith("NumPy") ? { member: "label" } : {});
    } catch (error) {
      if (!(error instanceof CorruptVolumeError)) throw error;
      outcome = error.code;
    }
    assert.equal(outcome, code);
    assert.ok(memoryUsage().rss - before < 128 * MIB);
  });
}

Deno.test("readVolume: what truly unpacks to what its header promises is read, gzip or bzip2", async () => {
  for (const [encoding, packed] of [["gzip", gzipSync(zeros)], ["bzip2", BZIP2]] as const) {
    const { data } = await readVolume(join(nrrd("1024 1024 64", encoding), packed));
    assert.ok(Buffer.from(data.buffer).equals(zeros));
    await assert.rejects(readVolume(join(nrrd("1024 1024 64", encoding), packed), { maxBytes: 64 * MIB - 1 }), {
      code: "too-large",
    });
  }
});

Deno.test("readVolume: hundreds of MiB of almost nothing are refused, unless maxBytes says that they are meant", async () => {
  const bomb = gzipSync(zeros);
  const head = await nifti(1024);
  new DataView(head.buffer).setInt16(46, 192, true);
  const files = {
    NIfTI: join(gzipSync(head), bomb, bomb, bomb),
    "NRRD, gzip": join(nrrd("1024 1024 192", "gzip"), bomb, bomb, bomb),
    "NRRD, bzip2": join(nrrd("1024 1024 192", "bzip2"), BZIP2, BZIP2, BZIP2),
    "NRRD, from the end": join(
      new TextEncoder().encode(
        new TextDecoder().decode(nrrd("1024 1024 192", "gzip")).replace("encoding", "byte skip: -1\nencoding"),
      ),
      ...[bomb, bomb, bomb],
    ),
  };
  for (const [name, file] of Object.entries(files)) {
    const started = performance.now();
    await assert.rejects(readVolume(file), { code: "too-large", message: /almost constant.*giving `maxBytes`/ }, name);
    assert.ok(performance.now() - started < 1000, name);
  }
  const { data } = await readVolume(files.NIfTI, { maxBytes: 2 ** 28 });
  assert.equal(data.length, 192 * MIB);
});
