/**
 * Checks that imports point the way ARCHITECTURE.md says: which package may import which, that nobody reaches into another
 * package's private files, that only some packages touch the file system and that only apps read the command line.
 */
import { dirname, relative, resolve } from "node:path";
import { readdir, readFile } from "node:fs/promises";

/** What each package may import beside itself and npm. Tests may also import `webgpu-kernels`' `testing` module. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  volume: [],
  captioner: ["volume"],
  "webgpu-kernels": [],
  nn: ["webgpu-kernels"],
  "pot-align": ["webgpu-kernels"],
  encoder3d: ["nn", "webgpu-kernels"],
  "slice-transformer": ["nn", "webgpu-kernels"],
  training: ["nn", "webgpu-kernels"],
  downstream: ["encoder3d", "nn", "training", "volume", "webgpu-kernels"],
};
const MAY_TOUCH_FILES = new Set(["volume", "captioner", "training"]);
const TENSOR_FREE = new Set(["volume", "captioner"]);

/** One broken rule. */
export interface Violation {
  readonly file: string;
  readonly message: string;
}

/** Drops comments, so that examples in them do not count; `//` inside an address is no comment. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** Lists the specifiers that a module imports or re-exports, static and dynamic. */
export function importsOf(source: string): string[] {
  const code = withoutComments(source);
  const pattern = /(?:from\s+|import\s+|import\s*\(\s*)["']([^"'\n]+)["']/g;
  return Array.from(code.matchAll(pattern), (match) => match[1]!);
}

/** Checks one module of a package. `file` is relative to the repository root. */
export function checkModule(file: string, source: string): Violation[] {
  const owner = file.match(/^packages\/([^/]+)\//)?.[1];
  if (!owner) return [];
  const isTest = file.endsWith("_test.ts") || file.includes("/testing") || file.includes("/testdata/");
  const violations: Violation[] = [];
  const report = (message: string): void => void violations.push({ file, message });
  const allowed = ALLOWED[owner];
  if (!allowed) report(`package "${owner}" has no entry in tools/check_arrows.ts`);
  for (const specifier of importsOf(source)) {
    const target = specifier.match(/^@med3d\/([^/]+)(\/.*)?$/);
    if (target) {
      const testingInTest = isTest && target[1] === "webgpu-kernels";
      if (target[1] !== owner && !allowed?.includes(target[1]!) && !testingInTest) {
        report(`"${owner}" may not import "@med3d/${target[1]}"`);
      }
    } else if (specifier.startsWith(".")) {
      const path = relative(".", resolve(dirname(file), specifier));
      if (!path.startsWith(`packages/${owner}/`)) report(`reaches outside its package: ${specifier}`);
    } else if (/^(npm|jsr|https?):/.test(specifier)) {
      report(`imports "${specifier}" directly: give it a bare name in deno.json`);
    } else if (TENSOR_FREE.has(owner) && specifier.startsWith("@tensorflow/")) {
      report(`"${owner}" knows nothing of TensorFlow.js, yet imports ${specifier}`);
    } else if (!isTest && !MAY_TOUCH_FILES.has(owner) && /^node:fs/.test(specifier)) {
      report(`"${owner}" may not touch the file system, yet imports ${specifier}`);
    }
  }
  const code = withoutComments(source);
  if (!isTest && /\bDeno\.args\b|\bprocess\.argv\b/.test(code)) report("only apps read the command line");
  if (!isTest && !MAY_TOUCH_FILES.has(owner) && /\bDeno\.(read|write|open|mkdir|remove|rename|stat)/.test(code)) {
    report(`"${owner}" may not touch the file system`);
  }
  if (!isTest && /\bMath\.random\(/.test(code)) report("Math.random has no seed");
  if (/\.(dataSync|arraySync|bufferSync)\(/.test(code)) report("synchronous read-back does not exist on Deno's WebGPU");
  return violations;
}

/** Checks every module below `packages/`. */
export async function checkArrows(): Promise<Violation[]> {
  const entries = await readdir("packages", { recursive: true });
  const files = entries.filter((path) => path.endsWith(".ts") && !path.includes("node_modules"));
  const checked = await Promise.all(
    files.map(async (path) => checkModule(`packages/${path}`, await readFile(`packages/${path}`, "utf8"))),
  );
  return checked.flat();
}

if (import.meta.main) {
  const violations = await checkArrows();
  for (const { file, message } of violations) console.error(`${file}: ${message}`);
  console.log(violations.length === 0 ? "Arrows hold." : `${violations.length} arrows broken.`);
  if (violations.length > 0) Deno.exit(1);
}
