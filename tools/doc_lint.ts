/**
 * Lints the public documentation of every package with `deno doc --lint`.
 *
 * A public signature may name a type of an npm library (`tf.Tensor5D`): that type is documented by its library, yet the
 * linter calls it private. Such findings, and no others, are let through: the named type must be declared nowhere in
 * our own packages.
 */
import { readdir, readFile } from "node:fs/promises";

/** Names of all types declared in our packages. */
async function ownTypeNames(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const path of await readdir("packages", { recursive: true })) {
    if (!path.endsWith(".ts")) continue;
    const source = await readFile(`packages/${path}`, "utf8");
    for (const match of source.matchAll(/\b(?:class|interface|type|enum)\s+([A-Za-z_$][\w$]*)/g)) names.add(match[1]!);
  }
  return names;
}

/** Splits the linter's output into findings and keeps those that count. */
export function findingsThatCount(output: string, own: ReadonlySet<string>): string[] {
  // deno-lint-ignore no-control-regex -- strips the terminal's colours
  const plain = output.replace(/\u001b\[[\d;]*m/g, "");
  const findings = plain.split(/^(?=error\[)/m).filter((part) => part.startsWith("error["));
  return findings.filter((finding) => {
    const privateType = finding.match(/^error\[private-type-ref\].*references private type '([^']+)'/);
    return !privateType || own.has(privateType[1]!.split(".").at(-1)!);
  });
}

if (import.meta.main) {
  const packages = (await readdir("packages")).sort();
  const entryPoints: string[] = [];
  for (const name of packages) {
    const { exports } = JSON.parse(await readFile(`packages/${name}/deno.json`, "utf8"));
    for (const path of Object.values(exports) as string[]) entryPoints.push(`packages/${name}/${path.slice(2)}`);
  }
  const { stderr, stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...entryPoints],
    env: { NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const findings = findingsThatCount(output, await ownTypeNames());
  for (const finding of findings) console.error(finding.trimEnd() + "\n");
  const crashed = code !== 0 && !/error\[|documentation lint error/.test(output);
  if (crashed) console.error(output);
  console.log(
    findings.length === 0 && !crashed ? "Documentation is complete." : `${findings.length} documentation faults.`,
  );
  if (findings.length > 0 || crashed) Deno.exit(1);
}
