import { createVolume, encodeNifti, readNifti, type Volume } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { type ProgramResult, runProgramFile, startProgram, withFolder } from "../_shared/testing/program.ts";

const PROGRAM = "view/main.ts";
const CHROMIUM = [
  Deno.env.get("MED3D_CHROMIUM"),
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
]
  .find((path) => path !== undefined && existsSync(path));

/** Differs at every place, so that a swapped axis shows. */
const LEFT_TO_RIGHT = (x: number, y: number, z: number): number => 5000 + 100 * x + y + 40 * z;

/** A scan stored from right to left, front to back: the voxel at world (x, y, z) mm holds `value(x, y, z)`. */
function scanOf(value: (x: number, y: number, z: number) => number): Volume {
  const [depth, height, width] = [10, 12, 16];
  const data = new Int16Array(depth * height * width);
  for (let i = 0, k = 0; k < depth; k++) {
    for (let j = 0; j < height; j++) {
      for (let w = 0; w < width; w++) data[i++] = value(15 - 2 * w, 11 - 2 * j, 3 * k - 13);
    }
  }
  const affine = Float64Array.of(-2, 0, 0, 15, 0, -2, 0, 11, 0, 0, 3, -13, 0, 0, 0, 1);
  return createVolume(data, [depth, height, width], { affine });
}

async function writeRun(folder: string): Promise<void> {
  const write = async (name: string, volume: Volume): Promise<void> =>
    await writeFile(join(folder, name), await encodeNifti(volume));
  await mkdir(join(folder, "maps"));
  await write("scan.nii", scanOf(LEFT_TO_RIGHT));
  await write("maps/reference.nii", scanOf((x) => x > 0 ? 1 : 2)); // 1 on the right of the patient's middle
  await write("maps/prediction.nii", scanOf((_x, _y, z) => z > 0 ? 3 : 0));
  const cases = [
    { id: "first", image: "scan.nii", reference: "maps/reference.nii", prediction: "maps/prediction.nii" },
    { id: "second", image: "scan.nii" },
    { id: "third", image: "missing.nii" },
  ];
  await writeFile(join(folder, "cases.json"), JSON.stringify({ cases }));
}

/** A port that nothing listened on a moment ago. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Serves a run, calls `body` with its address, and stops as Ctrl-C does. */
async function whileServing(path: string, body: (address: string) => Promise<void>): Promise<ProgramResult> {
  const port = freePort();
  const program = startProgram(PROGRAM, [path, `--port=${port}`], { network: true });
  await program.printed(/http:/);
  try {
    await body(`http://127.0.0.1:${port}`);
  } finally {
    program.kill("SIGINT");
  }
  return await program.ended;
}

Deno.test("view: serves scans as NIfTI, its own page alone, and only to this machine", () =>
  withFolder(async (folder) => {
    await writeRun(folder);
    const { code, stderr } = await whileServing(folder, async (address) => {
      const page = await fetch(`${address}/`);
      assert.match(page.headers.get("content-security-policy")!, /default-src 'none'/);
      assert.doesNotMatch(await page.text(), /https?:/);
      const list = await (await fetch(`${address}/cases.json`)).text();
      assert.deepEqual(JSON.parse(list)[0], { id: "first", layers: ["image", "reference", "prediction"] });
      assert.ok(!list.includes(folder), "no path is told");
      const image = new Uint8Array(await (await fetch(`${address}/scans/0/image.nii`)).arrayBuffer());
      assert.deepEqual((await readNifti(image)).data, scanOf(LEFT_TO_RIGHT).data);
      for (const path of ["/scans/1/reference.nii", "/scans/9/image.nii", "/scans/0/..%2fimage.nii", "/etc/passwd"]) {
        const refused = await fetch(address + path);
        assert.equal(refused.status, 404, path);
        await refused.body?.cancel();
      }
      const missing = await fetch(`${address}/scans/2/image.nii`);
      assert.equal(missing.status, 422);
      assert.match(await missing.text(), /^Cannot /);
      assert.match(await askAs("elsewhere.example", new URL(address)), /^HTTP\/1.1 403/);
    });
    assert.equal(code, 0, stderr);
  }));

/** Asks for the list of cases under another host's name, as a page would that had its name pointed here. */
async function askAs(host: string, { port }: URL): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  const request = `GET /cases.json HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(request));
  return await new Response(connection.readable).text();
}

Deno.test("view: refuses what is no scan, a broken list and label maps beside a run", () =>
  withFolder(async (folder) => {
    const nothing = await runProgramFile(PROGRAM, [join(folder, "nothing.nii")], { network: true });
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /Cannot view .*nothing\.nii: nothing is there/);
    await writeRun(folder);
    const both = await runProgramFile(PROGRAM, [folder, "--reference=scan.nii"], { network: true });
    assert.equal(both.code, 2);
    assert.match(both.stderr, /it is a run, which names its own label maps/);
    await writeFile(join(folder, "cases.json"), `{"cases": [{"id": 1}]}`);
    const broken = await runProgramFile(PROGRAM, [folder], { network: true });
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /Cannot read .*cases\.json: it is no list of cases/);
  }));

Deno.test({
  name: CHROMIUM === undefined
    ? "view: the page in Chromium — SKIPPED: no Chromium here, set MED3D_CHROMIUM to one"
    : "view: the page in Chromium shows scan and label maps where they lie in the patient",
  ignore: CHROMIUM === undefined,
  fn: () =>
    withFolder(async (folder) => {
      await writeRun(folder);
      await whileServing(folder, async (address) => {
        const browser = await chromium.launch({
          executablePath: CHROMIUM!,
          args: ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"],
        });
        try {
          await lookAtPage(await browser.newPage({ viewport: { width: 700, height: 500 } }), address);
        } finally {
          await browser.close();
        }
      });
    }),
});

async function lookAtPage(page: Page, address: string): Promise<void> {
  const [problems, asked]: [string[], string[]] = [[], []];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (entry) => void (entry.type() === "error" && problems.push(entry.text())));
  page.on("request", (request) => void asked.push(request.url()));
  await page.goto(address);
  const shown = (index: number): Promise<unknown> => page.waitForSelector(`body[data-shown="${index}"]`);
  await shown(0);
  for (const [x, y, z] of [[9, -7, 5], [-11, 3, -7], [3, 11, -10]] as const) {
    await page.fill("#target", `${x}, ${y}, ${z}`);
    await page.press("#target", "Enter");
    assert.equal(
      await page.textContent("#place"),
      `${x}.0, ${y}.0, ${z}.0 mm; image ${LEFT_TO_RIGHT(x, y, z)}, reference ${x > 0 ? 1 : 2}, prediction ${
        z > 0 ? 3 : 0
      }`,
    );
  }
  const opaque = await page.screenshot();
  await page.fill("#reference", "0");
  await page.fill("#prediction", "0");
  await page.waitForTimeout(300);
  assert.notDeepEqual(await page.screenshot(), opaque, "the label maps are drawn");
  await page.fill("#target", "one");
  await page.press("#target", "Enter");
  assert.match((await page.textContent("#message"))!, /Three numbers/);
  await page.selectOption("#case", { label: "second" });
  await shown(1);
  assert.ok(await page.isDisabled("#reference"));
  assert.deepEqual(problems, []);
  await page.selectOption("#case", { label: "third" });
  await page.waitForSelector('#message:has-text("Cannot ")');
  assert.ok(asked.every((url) => /^(blob|data):/.test(url) || url.startsWith(address)), asked.join("\n"));
}
