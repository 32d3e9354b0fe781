import { strict as assert } from "node:assert";
import {
  CorruptVolumeError,
  type Finding,
  readMetaimage,
  readMgh,
  readNrrd,
  readNumpy,
  readVolume,
  type ReadVolumeOptions,
  type Volume,
} from "../mod.ts";
import { bytesOf, type FormatCase, formatCases, withFolder, writeCase } from "./testdata/format_cases.ts";

type Reader = (source: string | Uint8Array, options: ReadVolumeOptions) => Promise<Volume>;

const READERS: Readonly<Record<string, Reader>> = {
  NRRD: readNrrd,
  MetaImage: readMetaimage,
  MGH: readMgh,
  MGZ: readMgh,
  NumPy: readNumpy,
};

function assertAsExpected(volume: Volume, { shape, affine, values }: FormatCase): void {
  assert.deepEqual(volume.shape, shape.toReversed());
  affine.flat().forEach((value, i) => {
    assert.ok(Math.abs(value - volume.affine[i]!) <= 1e-6, `affine[${i}]: ${volume.affine[i]}, expected ${value}`);
  });
  assert.deepEqual(Array.from(volume.data), values.map(Number));
}

for (const item of formatCases) {
  const readOwn = READERS[item.name.split(" ")[0]!]!;
  Deno.test(`${readOwn.name}, readVolume: ${item.name}`, () =>
    withFolder(async (folder) => {
      const path = await writeCase(item, folder);
      const isAlone = Object.keys(item.files).length === 1 && item.refused !== "outside-folder";
      const sources = isAlone ? [path, bytesOf(item)] : [path];
      for (const source of sources) {
        for (const read of [readOwn, readVolume as Reader]) {
          const findings: Finding[] = [];
          const options = { ...item.options, onFinding: (finding: Finding) => void findings.push(finding) };
          if (item.refused !== undefined) {
            await assert.rejects(read(source, options), (error) => {
              assert.ok(error instanceof CorruptVolumeError, `${error}`);
              // Without its name a file whose first bytes are wrong is none that can be told.
              const isUnknown = read !== readOwn && error.code === "unknown-format";
              if (!isUnknown) assert.equal(error.code, item.refused);
              assert.match(error.message, /^Cannot read [\w ]+.*: .*\. [A-Z].*[.)]$/s);
              return true;
            });
            continue;
          }
          const volume = await read(source, options);
          assertAsExpected(volume, item);
          for (const { message } of findings.filter(({ code }) => code !== "trailing-bytes")) {
            assert.ok(volume.history.includes(message), `the history leaves out: ${message}`);
          }
        }
      }
    }));
}

/** Finding of a case, by what must be noted. */
const NOTED: Readonly<Record<string, string>> = {
  "NRRD micrometres": "unit-not-mm",
  "NRRD measurement frame": "measurement-frame",
  "NRRD spacings alone": "no-orientation",
  "NRRD frames without directions": "no-orientation",
  "NRRD as ITK writes a series": "no-orientation",
  "MetaImage without geometry": "no-orientation",
  "MetaImage element size": "no-spacing",
  "MetaImage with a scaling that ITK leaves out": "scaling-ignored",
  "MGH without coordinates": "no-orientation",
  "NumPy <i2": "no-orientation",
  "NumPy with spacing": "no-orientation",
};

Deno.test("readVolume: what was guessed or left out is a finding, what was not is none", () =>
  withFolder(async (folder) => {
    for (const item of formatCases.filter(({ refused }) => refused === undefined)) {
      const codes: string[] = [];
      const path = await writeCase(item, folder);
      await readVolume(path, { ...item.options, onFinding: ({ code }) => void codes.push(code) });
      const expected = NOTED[item.name] ?? (item.name.startsWith("NumPy") ? "no-orientation" : undefined);
      if (expected === undefined) assert.deepEqual(codes, [], item.name);
      else assert.ok(codes.includes(expected), `${item.name}: ${codes}`);
    }
  }));
