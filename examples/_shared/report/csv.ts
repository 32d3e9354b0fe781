import type { Table } from "./table.ts";

/** Writes a table as CSV (RFC 4180), line feeds between rows. */
export function formatCsv(table: Table): string {
  return table.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

/** Quoted where it must be; what a spreadsheet would take for a formula becomes text. */
function cell(text: string): string {
  const harmless = /^[=+\-@\t]/.test(text) && !/^-?\d/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
