import { createVolume, encodeNifti, makePhantom, type Volume } from "@med3d/volume";
import { decode } from "fast-png";
import { strict as assert } from "node:assert";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { runProgramFile, startProgram, withFolder } from "../_shared/testing/program.ts";
import { type InspectReport, inspectReportSchema } from "./report_schema.ts";
import { imageProtocol, terminalImage } from "./terminal_image.ts";

const PROGRAM = "inspect/main.ts";
const SECRET = "DOE^JANE 19550312";
const { volume, labels } = makePhantom("inspected", { kind: "mr-brain" });

/** Writes a data set of two cases with a secret in their headers, one of them with a label map on another grid. */
async function writeDataset(folder: string): Promise<void> {
  for (const name of ["imagesTr", "labelsTr"]) await mkdir(join(folder, name));
  const write = async (name: string, scan: Volume, description = "med3d"): Promise<void> =>
    await writeFile(join(folder, name), gzipSync(await encodeNifti(scan, { description })));
  await write("imagesTr/one.nii.gz", volume, SECRET);
  await write("labelsTr/one.nii.gz", labels);
  await write("imagesTr/two.nii.gz", { ...volume, data: volume.data.map((value) => value + 1) });
  await write("labelsTr/two.nii.gz", createVolume(new Uint8Array(27), [3, 3, 3]), SECRET);
  const list = ["one", "two"].map((name) => ({ image: `imagesTr/${name}.nii.gz`, label: `labelsTr/${name}.nii.gz` }));
  await writeFile(
    join(folder, "dataset.json"),
    JSON.stringify({ name: "Made", modality: { "0": "MRI" }, training: list }),
  );
}

function parseReport(stdout: string): InspectReport {
  return inspectReportSchema.parse(JSON.parse(stdout)); // strict: no key more, none less
}

Deno.test("inspect FILE: says what it is, its geometry, what is done to its voxels, and writes three planes", () =>
  withFolder(async (folder) => {
    const path = join(folder, "scan.nii.gz");
    const affine = Float64Array.of(-1.5, 0, 0, 60, 0, -1.5, 0, 70, 0, 0, 3, -50, 0, 0, 0, 1);
    await writeFile(path, await encodeNifti(createVolume(volume.data, volume.shape, { affine }), { gzip: true }));
    const picture = join(folder, "planes.png");
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [path, `--picture=${picture}`]);
    assert.equal(code, 0, stdout + stderr);
    for (
      const line of [
        /orientation +LPS/,
        /spacing +3×1\.5×1\.5 mm/,
        /affine in the file/,
        /affine in RAS\+ order/,
        /1\. recognised as NIfTI, gzip by its content\n2\. read NIfTI-1, little-endian float32/,
        /4\. axes reordered from LPS to RAS\+ without resampling/,
        /percentiles 1, 25, 50, 75, 99 +-?\d/,
        /label map +it does not look like one/,
        /nothing wrong was found/,
        /0 errors, 0 warnings/,
      ]
    ) assert.match(stdout, line);
    assert.ok(Math.abs(decode(await readFile(picture)).width - 768) <= 2);
    assert.ok(!stdout.includes("\u001b"), "no picture where stdout is no terminal");
  }));

Deno.test("inspect FILE: a label map is told with its values, a file that cannot be read with reason, remedy and code 1", () =>
  withFolder(async (folder) => {
    const [map, cut] = [join(folder, "map.nii"), join(folder, "cut.nii")];
    await writeFile(map, await encodeNifti(labels));
    await writeFile(cut, (await encodeNifti(volume)).subarray(0, 1000));
    const { code, stdout } = await runProgramFile(PROGRAM, [map, cut]);
    assert.equal(code, 1);
    assert.match(stdout, /label map +it looks like one: 0/);
    assert.match(stdout, /label +voxels +share/);
    assert.match(
      stdout,
      /error \[truncated\] .*cut\.nii: the header promises bytes up to \d+, the file holds 1000\. Copy/,
    );
    assert.match(stdout, /1 error, 0 warnings/);
  }));

Deno.test("inspect FOLDER: table, findings, exit code; JSON by its schema; nothing of a patient in any output", () =>
  withFolder(async (folder) => {
    await writeDataset(folder);
    const page = join(folder, "report.html");
    const text = await runProgramFile(PROGRAM, [folder, `--html=${page}`]);
    assert.equal(text.code, 1, text.stderr);
    assert.match(text.stdout, /Decathlon data set "Made": 2 MR scans/);
    assert.match(text.stdout, /^case +split +voxels +spacing mm +axes +type +minimum +maximum +labels$/m);
    assert.match(text.stdout, /^two .*RAS +float32/m);
    assert.match(text.stdout, /error \[grid-mismatch\] .*two\.nii\.gz: the label map has 3×3×3 voxels/);
    assert.match(text.stdout, /warning \[empty-label\]/);
    assert.match(text.stdout, /1 header field that can name a patient is filled in \(descrip\)/);
    assert.match(text.stderr, /inspecting 2\/2/);

    const json = await runProgramFile(PROGRAM, [folder, join(folder, "imagesTr", "one.nii.gz"), "--json"]);
    const report = parseReport(json.stdout);
    assert.equal(json.code, 1);
    assert.deepEqual([report.errors, report.folders.length, report.files.length], [1, 1, 1]);
    const [only] = report.folders;
    assert.deepEqual(only!.cases.map(({ id, orientation }) => [id, orientation]), [["one", "RAS"], ["two", "RAS"]]);
    assert.ok(only!.findings.some(({ code, severity }) => code === "grid-mismatch" && severity === "error"));
    assert.deepEqual(report.files[0]!.identifyingFields, { descrip: 1 });
    assert.equal(report.files[0]!.grid!.affine.length, 16);

    const markup = await readFile(page, "utf8");
    assert.equal(markup.match(/data:image\/png;base64,/g)?.length, 2);
    for (const output of [text.stdout, text.stderr, json.stdout, json.stderr, markup]) {
      assert.doesNotMatch(output, /DOE|JANE|1955/);
    }
  }));

Deno.test("inspect: no format's header values come out, as text, JSON or HTML", () =>
  withFolder(async (folder) => {
    const voxels = Array.from({ length: 64 }, (_, index) => (index * 37) % 61).join(" ");
    const texts: Record<string, string> = {
      "a.nrrd": `NRRD0004\n# ${SECRET}\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: ascii\nspace: RAS\n` +
        `space directions: (5,0,0) (0,5,0) (0,0,5)\nspace origin: (1,2,3)\ncontent: ${SECRET}\n${SECRET}:=1\nkey:=${SECRET}\n\n${voxels}\n`,
      "b.mha":
        `ObjectType = Image\nNDims = 3\nComment = ${SECRET}\nPatientName = ${SECRET}\nBinaryData = False\nElementSpacing = 5 5 5\n` +
        `DimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n${voxels}\n`,
    };
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
    await writeFile(join(folder, "c.nii"), await encodeNifti(volume, { description: SECRET }));
    const page = join(folder, "report.html");
    const paths = ["a.nrrd", "b.mha", "c.nii"].map((name) => join(folder, name));
    const outputs = await Promise.all([
      runProgramFile(PROGRAM, [folder, ...paths, `--html=${page}`]),
      runProgramFile(PROGRAM, [folder, ...paths, "--json"]),
    ]);
    const report = parseReport(outputs[1].stdout);
    assert.deepEqual(report.files.map(({ grid }) => grid?.shape[2]), [4, 4, 48], outputs[0].stdout);
    const counts = report.files.map(({ identifyingFields }) =>
      Object.values(identifyingFields!).reduce((sum, n) => sum + n, 0)
    );
    assert.deepEqual(counts, [4, 2, 1]);
    assert.deepEqual(report.folders[0]!.cases.map(({ identifyingFields }) => identifyingFields), [4, 2, 1]);
    for (const output of [...outputs.flatMap(({ stdout, stderr }) => [stdout, stderr]), await readFile(page, "utf8")]) {
      assert.doesNotMatch(output, /DOE|JANE|1955/);
    }
  }));

Deno.test("inspect --html: nothing from data becomes markup, nothing is loaded or run", () =>
  withFolder(async (folder) => {
    const name = `<img src=x onerror=alert(1)>&"'.nii`;
    await writeFile(join(folder, name), await encodeNifti(volume));
    await writeFile(join(folder, "b.nii"), "<script>alert(2)</script>");
    await writeFile(
      join(folder, "dataset.json"),
      JSON.stringify({ name: "<script>alert(3)</script>", training: [name, "b.nii"] }),
    );
    const page = join(folder, "report.html");
    const { code } = await runProgramFile(PROGRAM, [folder, join(folder, name), `--html=${page}`]);
    assert.equal(code, 1);
    const markup = await readFile(page, "utf8");
    assert.doesNotMatch(markup, /<script|<img src=x|javascript:/i);
    assert.ok(markup.includes("&#60;img src=x onerror=alert(1)&#62;&#38;&#34;&#39;"));
    assert.match(markup, /Content-Security-Policy" content="default-src 'none'/);
    assert.doesNotMatch(markup, /(?:src|href)="(?!data:)|url\(|@import|https?:/i);
  }));

Deno.test("inspect: NaN stands as null in JSON; a folder without scans is an error, not a crash", () =>
  withFolder(async (folder) => {
    await writeFile(
      join(folder, "nan.nii"),
      await encodeNifti(createVolume(new Float32Array(64).fill(NaN), [4, 4, 4])),
    );
    await mkdir(join(folder, "nothing"));
    const { code, stdout, stderr } = await runProgramFile(PROGRAM, [
      join(folder, "nan.nii"),
      join(folder, "nothing"),
      "--json",
    ]);
    assert.equal(code, 1, stderr);
    const report = parseReport(stdout);
    assert.equal(report.files[0]!.statistics!.mean, null);
    assert.deepEqual(report.files[0]!.findings.map(({ code }) => code).toSorted(), ["constant", "non-finite"]);
    assert.deepEqual([report.folders[0]!.kind, report.folders[0]!.findings[0]!.code], [null, "no-data-set"]);
  }));

Deno.test("inspect: wrong usage ends with exit code 2 and writes nothing", () =>
  withFolder(async (folder) => {
    const scan = join(folder, "a.nii");
    await writeFile(scan, await encodeNifti(volume));
    const cases: [readonly string[], RegExp][] = [
      [[], /missing required argument 'paths'/],
      [[join(folder, "gone.nii")], /Cannot inspect .*gone\.nii: .*Check the path/],
      [[scan, "--jsn"], /unknown option '--jsn'[\s\S]*Did you mean --json\?/],
      [[scan, "--rows=many"], /Expected a number/],
      [[scan, "--modality=PET"], /Allowed choices are CT, MR/],
      [[folder, `--picture=${join(folder, "p.png")}`], /--picture takes exactly one scan/],
      [[scan, scan, `--picture=${join(folder, "p.png")}`], /--picture takes exactly one scan/],
    ];
    const results = await Promise.all(cases.map(([args]) => runProgramFile(PROGRAM, args)));
    for (const [index, { code, stderr }] of results.entries()) {
      assert.match(stderr, cases[index]![1]);
      assert.equal(code, 2, cases[index]![0].join(" "));
    }
    assert.deepEqual(await readdir(folder), ["a.nii"]);
  }));

Deno.test("inspect --help: names every option with its default", async () => {
  const { code, stdout } = await runProgramFile(PROGRAM, ["--help"]);
  assert.equal(code, 0);
  for (
    const option of ["json", "html", "picture", "rows", "modality", "frame", "channel", "minimum-shape", "include-test"]
  ) {
    assert.match(
      stdout.split(/\n {2}(?=-)/).find((entry) => entry.startsWith(`--${option}`)) ?? "none",
      /\(default:/,
      option,
    );
  }
  assert.match(stdout, /0 no errors found, 1 errors found, 2 wrong usage/);
});

Deno.test("inspect: Ctrl-C stops between scans", () =>
  withFolder(async (folder) => {
    const bytes = await encodeNifti(volume);
    for (let index = 0; index < 400; index++) await writeFile(join(folder, `c${index}.nii`), bytes);
    const program = startProgram(PROGRAM, [folder]);
    await program.printedError(/inspecting 1\/400/);
    program.kill("SIGINT");
    const { code, stdout } = await program.ended;
    assert.equal(code, 130, stdout);
    assert.doesNotMatch(stdout, /c399/);
  }));

Deno.test("imageProtocol: known terminals, none within multiplexers", () => {
  assert.equal(imageProtocol({ TERM_PROGRAM: "iTerm.app", TERM: "xterm-256color" }), "iterm2");
  assert.equal(imageProtocol({ TERM_PROGRAM: "WezTerm" }), "iterm2");
  assert.equal(imageProtocol({ LC_TERMINAL: "iTerm2" }), "iterm2");
  assert.equal(imageProtocol({ TERM: "xterm-kitty" }), "kitty");
  assert.equal(imageProtocol({ KITTY_WINDOW_ID: "1", TERM: "xterm" }), "kitty");
  for (
    const environment of [{}, { TERM: "xterm-256color" }, { TERM: "xterm-kitty", TMUX: "/x" }, {
      TERM_PROGRAM: "iTerm.app",
      TERM: "screen",
    }]
  ) {
    assert.equal(imageProtocol(environment), undefined);
  }
});

Deno.test("terminalImage: the picture comes out whole again, in chunks that Kitty takes", () => {
  const png = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 256);
  const shown = (protocol: "iterm2" | "kitty"): string =>
    terminalImage(png, protocol).replaceAll("\u001b", "ESC").replaceAll("\u0007", "BEL");
  const iterm = /^ESC\]1337;File=inline=1;size=10000;preserveAspectRatio=1:([A-Za-z0-9+/=]+)BEL\n$/.exec(
    shown("iterm2"),
  );
  assert.deepEqual(Uint8Array.fromBase64(iterm![1]!), png);
  const chunks = [...shown("kitty").matchAll(/ESC_G([^;]*);(.*?)ESC\\/g)];
  assert.deepEqual(chunks.map(([, control]) => control), ["a=T,f=100,m=1", "m=1", "m=1", "m=0"]);
  assert.ok(chunks.every(([, , part]) => part!.length <= 4096));
  assert.deepEqual(Uint8Array.fromBase64(chunks.map(([, , part]) => part).join("")), png);
});
