import type { Finding } from "../findings.ts";

/** A finding made of an error, its message without what stands beside it anyway: action, path and remedy. */
export function withoutFrame(finding: Finding): Finding {
  const { message, path, fix } = finding;
  if (!message.startsWith("Cannot ") || !message.endsWith(`. ${fix}`)) return finding;
  const at = path === "" ? -1 : message.indexOf(`${path}: `);
  return { ...finding, message: message.slice(at < 0 ? 0 : at + path.length + 2, -fix.length - 2) };
}
