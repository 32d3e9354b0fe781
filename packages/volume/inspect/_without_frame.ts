import type { Finding } from "../findings.ts";

/** A finding made of an error, its message without what stands beside it anyway: action, path and remedy. */
export function withoutFrame(finding: Finding): Finding {
  const { message, path, fix } = finding;
  const at = message.indexOf(`${path}: `);
  if (!message.startsWith("Cannot ") || path === "" || at < 0) return finding;
  const problem = message.slice(at + path.length + 2);
  return { ...finding, message: problem.endsWith(`. ${fix}`) ? problem.slice(0, -fix.length - 2) : problem };
}
