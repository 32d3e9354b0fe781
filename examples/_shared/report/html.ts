/** HTML that is safe to insert: made by {@linkcode html} or vouched for by {@linkcode trusted}. */
export class Html {
  /** @param text Markup. */
  constructor(readonly text: string) {}
}

/** Marks markup that our own code made (an SVG chart) as safe to insert. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

/** Template tag that escapes every inserted value but {@linkcode Html}; arrays are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly unknown[]): Html {
  let text = strings[0]!;
  values.forEach((value, index) => {
    text += insert(value) + strings[index + 1]!;
  });
  return new Html(text);
}

function insert(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(insert).join("");
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A PNG as an inline image. */
export function inlinePng(png: Uint8Array, alternative: string): Html {
  return html`<img alt="${alternative}" src="data:image/png;base64,${png.toBase64()}">`;
}

const NUMBER = trusted(' class="number"');

/** Sets a table as HTML; all but the first column are numbers. */
export function tableHtml(rows: readonly (readonly string[])[]): Html {
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

/** A page without scripts or outside resources; the browser is told to refuse any. */
export function page(title: string, body: Html): string {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title}</title>
        <style>
    body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
    h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de; }
    table { border-collapse: collapse; } th, td { padding: .3rem .8rem; border-bottom: 1px solid #d0d7de; text-align: left; }
    table + table, .facts { margin-top: 1rem; } .facts td { text-align: left !important; }
    td.number { text-align: right; font-variant-numeric: tabular-nums; }
    figure { margin: 0 0 1rem; } figcaption { font-size: .85rem; color: #57606a; }
    .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 1.2rem; }
    .grid img { width: 100%; max-width: 260px; image-rendering: pixelated; background: #000; }
    .triple { display: flex; gap: .5rem; } .triple img { width: 31%; image-rendering: pixelated; background: #000; }
    pre { background: #f6f8fa; padding: 1rem; overflow-x: auto; } svg { max-width: 100%; height: auto; }
    </style>
      </head>
      <body>
    ${body}
      </body>
    </html>
  `.text;
}
