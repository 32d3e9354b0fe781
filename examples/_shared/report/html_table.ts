import { type Html, html, trusted } from "./html.ts";
import type { Table } from "./table.ts";

const NUMBER = trusted(' class="number"');

/** Sets a table as HTML; all but the first column are numbers. */
export function htmlTable(rows: Table): Html {
  return html`
    <table>
      <thead>
        <tr>${rows[0]!.map((cell) => html`<th>${cell}</th>`)}</tr>
      </thead>
      <tbody>${rows.slice(1).map((row) =>
        html`<tr>${row.map((cell, column) => html`<td${column === 0 ? "" : NUMBER}>${cell}</td>`)}</tr>\n`
      )}</tbody>
    </table>
  `;
}
