import { join } from "node:path";
import type { ReadVolumeOptions } from "../../mod.ts";

/** A small scan of any format, and what the field's readers read from it (tools/oracles/volume_formats.py). */
export interface FormatCase {
  readonly name: string;
  /** Files by name, base64. */
  readonly files: Readonly<Record<string, string>>;
  /** Which of them is to be read. */
  readonly main: string;
  readonly options?: ReadVolumeOptions;
  /** Code of the refusal. */
  readonly refused?: string;
  /** Width, height, depth. */
  readonly shape: readonly number[];
  readonly affine: readonly (readonly number[])[];
  /** Width fastest; a text where a number is not finite. */
  readonly values: readonly (number | string)[];
  /** Readers that read it; they agree with what is expected unless it is to be refused. */
  readonly seenBy: readonly string[];
}

/** Every case. */
export const formatCases: readonly FormatCase[] = JSON.parse(
  await Deno.readTextFile(new URL("format_cases.json", import.meta.url)),
);

/** Bytes of a file of a case. */
export function bytesOf(item: FormatCase, file: string = item.main): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(item.files[file]!), (letter) => letter.charCodeAt(0));
}

/** Writes the files of a case to a folder; returns the path to be read. */
export async function writeCase(item: FormatCase, folder: string): Promise<string> {
  for (const file of Object.keys(item.files)) {
    const path = join(folder, file);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeFile(path, bytesOf(item, file));
  }
  return join(folder, item.main);
}

/** Gives a fresh folder to a function and removes it thereafter. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
