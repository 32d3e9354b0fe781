import { RemoteCaptioner } from "@med3d/captioner";
import { createVolume, makePhantom, type Volume, writeNifti } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startModelServer } from "../../packages/captioner/testdata/model_server.ts";
import { dicomCases, filesOf } from "../../packages/volume/dicom/testdata/dicom_cases.ts";
import { scanOf } from "../_shared/pretraining/scans.ts";
import { runProgramFile, withFolder } from "../_shared/testing/program.ts";
import { recordsOf } from "./_records_of.ts";
import { captionSchema } from "./configuration.ts";
import { toCaption } from "./scans.ts";

const PROGRAM = "caption/main.ts";

async function writeScans(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(folder);
  for (const name of names) {
    const { volume } = makePhantom(name, { kind: "mr-brain", shape: [24, 24, 24] });
    await writeNifti(volume, join(folder, `${name}.nii.gz`));
  }
}

/** An ellipsoid as long as a head, 190 mm, with a nose in front and air above, in 4 mm voxels. */
function headWithNose(): Volume {
  const shape = [50, 60, 45] as const;
  const within = (p: readonly number[], center: readonly number[], radii: readonly number[]): boolean =>
    p.reduce((sum, value, axis) => sum + ((value - center[axis]!) / radii[axis]!) ** 2, 0) <= 1;
  const data = Int16Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, at) => {
    const p = [Math.floor(at / (shape[1] * shape[2])) * 4, Math.floor(at / shape[2]) % shape[1] * 4, at % shape[2] * 4];
    return within(p, [100, 110, 90], [75, 95, 76]) || within(p, [65, 200, 90], [18, 24, 12]) ? 60 + p[0]! % 7 : 0;
  });
  const affine = Float64Array.of(4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1);
  return createVolume(data, shape, { affine, modality: "MR" });
}

Deno.test("caption by reports: slices get the sentences of their scan; scans without any stay missing, identifying ones are quarantined", () =>
  withFolder(async (folder) => {
    const [data, out, file] = [join(folder, "scans"), join(folder, "c.db"), join(folder, "reports.csv")];
    await writeScans(data, ["one", "two", "three"]);
    await writeFile(
      file,
      [
        "volume,plane,first,last,text",
        "one,axial,0,23,There is a small hyperintense lesion in the left frontal white matter.",
        "one,,,,The ventricles are of normal size and there is no midline shift.",
        "two,,,,Patient Jane Doe was born on 12.03.1955 and has a meningioma.",
      ].join("\n"),
    );
    const args = [`--data=${data}`, `--out=${out}`, "--captioner", "reports", file, "--slices-per-volume=6"];
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, args);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stdout, /6 captions made, 6 put in quarantine, 6 missing/);
    const records = recordsOf(out);
    const good = records.filter(({ status }) => status === "stored");
    assert.ok(
      good.every(({ text, origin }) => text.startsWith(origin!.plane === "axial" ? "There is" : "The ventricles")),
    );
    assert.equal(new Set(good.map(({ origin }) => origin!.volume)).size, 1);
    assert.ok(records.every(({ text }) => !text.includes("Jane")), "what identifies is not kept");
    const absent = await runProgramFile(PROGRAM, ["--captioner", "reports", join(folder, "no.csv")]);
    assert.equal(absent.code, 2);
    assert.match(absent.stderr, /Cannot caption by reports .*no\.csv/);
  }));

Deno.test("caption by a server: DICOM that does not say that nothing is burned in is refused; no pixel of it is sent", () =>
  withFolder(async (folder) => {
    await using server = await startModelServer();
    const data = join(folder, "scans");
    const plain = (await dicomCases()).find(({ refused, single, shape }) => !refused && !single && shape[0] > 2)!;
    for (const [path, bytes] of filesOf(plain.files)) {
      await mkdir(dirname(join(data, path)), { recursive: true });
      await writeFile(join(data, path), bytes);
    }
    const args = [`--data=${data}`, `--out=${join(folder, "c.db")}`, `--captioner=${server.endpoint}`, "--model=tiny"];
    const { stdout, stderr } = await runProgramFile(PROGRAM, args, { network: true });
    assert.match(stderr, /must not be shown to a model: BurnedInAnnotation must be NO/, stdout);
    assert.equal(server.requests.length, 0);
    assert.match(stdout, /^0 captions made/m);
  }));

Deno.test("caption --mask-face: what is shown lacks the face, and the caption is still that of the scan's own slice", () =>
  withFolder(async (folder) => {
    const path = join(folder, "head.nii.gz");
    await writeNifti(headWithNose(), path);
    const entry = { id: "head", subject: "head", imagePath: path, modality: "MR" } as const;
    const source = scanOf(entry, { modality: "MR", heldOut: false });
    const slicesOf = (maskFace: boolean) =>
      toCaption(source, captionSchema.parse({ planes: ["sagittal"], slicesPerVolume: 6, maskFace })).slices();
    const [own, masked] = [await slicesOf(false), await slicesOf(true)];
    assert.deepEqual(
      masked.map(({ hash, context }) => ({ hash, context })),
      own.map(({ hash, context }) => ({ hash, context })),
    );
    const changed = masked.filter(({ image }, index) =>
      image.pixels.some((value, at) => value !== own[index]!.image.pixels[at])
    );
    assert.ok(changed.length > 0, "no slice lost any of its face");
    using captioner = new RemoteCaptioner({ endpoint: "http://127.0.0.1:9/v1", model: "tiny" });
    const [face, none] = [own, masked].map((slices) =>
      slices.map(({ image, context }) => captioner.preview(image, context).png.toBase64()).join()
    );
    assert.notEqual(face, none);
  }));

Deno.test("caption --mask-face: captions of masked slices stand beside those of whole ones, and the page shows them masked", () =>
  withFolder(async (folder) => {
    const data = join(folder, "scans");
    await mkdir(data);
    await writeNifti(headWithNose(), join(data, "head.nii.gz"));
    const pictures: Set<string>[] = [];
    for (const more of [[], ["--mask-face"]]) {
      const [out, review] = [join(folder, "both.db"), join(folder, `${more.length}.html`)];
      const args = [`--data=${data}`, "--modality=MR", "--slices-per-volume=6", "--planes=sagittal"];
      const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
        ...[...args, ...more, `--out=${out}`, `--review=${review}`],
      ]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /^6 captions made/m, "nothing is shared between masked and whole slices");
      const page = await Deno.readTextFile(review);
      pictures.push(new Set(Array.from(page.matchAll(/base64,([A-Za-z0-9+/=]+)/g), ([, png]) => png!)));
    }
    const records = recordsOf(join(folder, "both.db"));
    assert.equal(records.length, 12);
    assert.equal(new Set(records.map(({ sliceHash }) => sliceHash)).size, 6);
    assert.equal(records.filter(({ captionerId }) => captionerId.endsWith("&face=masked-v1")).length, 6);
    const added = pictures[1]!.difference(pictures[0]!);
    assert.ok(added.size > 0, "no picture on the page lacks its face");
  }));
