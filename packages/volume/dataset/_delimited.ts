/** A line of a table and where it stands. */
export interface TableRow {
  /** Line of the file on which it begins, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Splits text by RFC 4180: cells between delimiters, quoted ones with doubled quotes and line breaks in them. Empty lines are passed over.
 *
 * @throws SyntaxError when a quote is never closed.
 */
export function parseDelimited(text: string, delimiter: string): TableRow[] {
  const rows: TableRow[] = [];
  let [line, at] = [1, 0];
  while (at < text.length) {
    const cells: string[] = [];
    const began = line;
    for (let isRowEnd = false; !isRowEnd;) {
      let cell = "";
      if (text[at] === '"') {
        for (;;) {
          const close = text.indexOf('"', at + 1);
          if (close < 0) throw new SyntaxError(`a quote that opens on line ${line} is never closed`);
          const part = text.slice(at + 1, close);
          line += part.split("\n").length - 1;
          cell += part;
          at = close + 1;
          if (text[at] !== '"') break;
          cell += '"';
        }
      }
      const rest = /[^\r\n]*/y;
      rest.lastIndex = at;
      const tail = rest.exec(text)![0];
      const end = tail.indexOf(delimiter);
      cells.push(cell + (end < 0 ? tail : tail.slice(0, end)));
      at += end < 0 ? tail.length : end + delimiter.length;
      isRowEnd = end < 0;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    line++;
    if (cells.some((cell) => cell.trim() !== "")) rows.push({ line: began, cells: cells.map((cell) => cell.trim()) });
  }
  return rows;
}
