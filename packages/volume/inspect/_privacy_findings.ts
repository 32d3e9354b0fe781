import type { Finding } from "../findings.ts";
import { findSidecarFields } from "../privacy/_sidecar_fields.ts";
import { countIdentifyingFields, type IdentifyingFields } from "../privacy/identifying_fields.ts";

/** Fields that a message names. */
const SHOWN = 8;

/**
 * Counts the header fields of a scan's files: of several, the most that one file has of each. Files that cannot be opened are told by their reader.
 *
 * @returns Counts, nothing where no file could be opened.
 */
export async function countFields(paths: readonly string[]): Promise<IdentifyingFields | undefined> {
  let result: IdentifyingFields | undefined;
  for (const path of paths) {
    const one = await countIdentifyingFields(path).catch(() => undefined);
    result = result && one ? most(result, one) : result ?? one;
  }
  return result;
}

function most(a: IdentifyingFields, b: IdentifyingFields): IdentifyingFields {
  const names = new Set([...Object.keys(a.fields), ...Object.keys(b.fields)]);
  const counts = [...names].map((name) => [name, Math.max(a.fields[name] ?? 0, b.fields[name] ?? 0)] as const);
  const claims = [a.burnedInAnnotation, b.burnedInAnnotation];
  return {
    format: a.format,
    count: counts.reduce((sum, [, count]) => sum + count, 0),
    fields: Object.fromEntries(counts),
    burnedInAnnotation: (["yes", "unknown", "no"] as const).find((claim) => claims.includes(claim))!,
  };
}

/** Says how many header fields can name a patient, never what they hold: codes `identifying-header` and `burned-in-annotation`. */
export function privacyFindings({ count, fields, burnedInAnnotation }: IdentifyingFields, path: string): Finding[] {
  const findings: Finding[] = [];
  if (count > 0) {
    const names = Object.entries(fields).map(([name, times]) => times > 1 ? `${name} ×${times}` : name);
    const shown = names.slice(0, SHOWN).join(", ") + (names.length > SHOWN ? ", …" : "");
    const what = count === 1 ? "field that can name a patient is" : "fields that can name a patient are";
    findings.push({
      severity: "warning",
      code: "identifying-header",
      path,
      message: `${count} header ${what} filled in (${shown})`,
      fix: "Write the scan anew with writeNifti, which copies no header, before it is passed on.",
    });
  }
  if (burnedInAnnotation === "yes") {
    findings.push({
      severity: "warning",
      code: "burned-in-annotation",
      path,
      message: "the header says that text is burned into the picture",
      fix: "Look for names in the picture; crop or leave it out before it is learned from or passed on.",
    });
  }
  return findings;
}

/** Says the same of the JSON file that converters such as dcm2niix leave beside a scan: code `identifying-sidecar`. */
export async function sidecarFindings(path: string): Promise<Finding[]> {
  const { sidecar, names } = await findSidecarFields(path);
  if (names.length === 0) return [];
  return [{
    severity: "warning",
    code: "identifying-sidecar",
    path: sidecar,
    message: `${names.length} keys that can name a patient have values (${names.slice(0, SHOWN).join(", ")}${
      names.length > SHOWN ? ", …" : ""
    })`,
    fix: "Take them out before the data set is passed on.",
  }];
}

/** Drops what the header's and the voxels' readers both tell. */
export function withoutRepeats(findings: readonly Finding[]): Finding[] {
  let isTold = false;
  return findings.filter(({ code }) => {
    if (code !== "burned-in-annotation") return true;
    const isFirst = !isTold;
    isTold = true;
    return isFirst;
  });
}
