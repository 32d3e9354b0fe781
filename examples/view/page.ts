import { type Html, html } from "../_shared/report/html.ts";

/** What the page may load: only what this server serves, and NiiVue's own shaders, fonts and workers. */
export const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self' data:",
  "img-src 'self' data: blob:",
  "worker-src 'self' blob:",
  "style-src 'unsafe-inline'",
].join("; ");

/** The page of the viewer; `client.ts` fills it. */
export function viewerPage(): string {
  const slider = (layer: string, title: string, value: number): Html =>
    html`
      <label>${title} <input type="range" id="${layer}" min="0" max="1" step="0.05" value="${value}" disabled></label>
    `;
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <title>med3d: image, reference and prediction</title>
        <link rel="icon" href="data:,">
        <style>
    body { margin: 0; height: 100vh; display: grid; grid-template-rows: auto 1fr auto; background: #111; color: #ddd; font: 14px system-ui, sans-serif; }
    header, footer { display: flex; gap: 1rem; align-items: center; padding: .4rem .8rem; flex-wrap: wrap; }
    main { position: relative; min-height: 0; } canvas { outline: none; }
    #message { color: #ff9b85; } #place { font-variant-numeric: tabular-nums; }
        </style>
      </head>
      <body>
        <header>
          <label>Case <select id="case"></select></label>
          ${slider("reference", "Reference", 0.5)} ${slider("prediction", "Prediction", 0.5)}
          <form id="go"><label>Go to x, y, z in mm (RAS+) <input id="target" size="20" placeholder="10, -20, 5"></label></form>
          <span id="message" role="status"></span>
        </header>
        <main>
          <canvas id="canvas"></canvas>
        </main>
        <footer id="place"></footer>
        <script type="module" src="/client.js"></script>
      </body>
    </html>
  `.text.trimStart();
}
