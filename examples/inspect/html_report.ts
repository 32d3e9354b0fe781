import type { Finding } from "@med3d/volume";
import { type Html, html, inlinePng, page } from "../_shared/report/html.ts";
import type { Table } from "../_shared/report/table.ts";
import { caseTable, fileFacts, formatAffine, groupFindings, labelSummaryTable, labelTable } from "./describe.ts";
import type { FileReport, FolderReport, Report } from "./report.ts";
import { formatVerdict } from "./text_report.ts";

/** Renders a report as one page without scripts or outside resources; nothing from data becomes markup. */
export function renderHtml(report: Report): string {
  return page(
    "Scans inspected",
    html`<h1>Scans inspected</h1>
<p>${formatVerdict(report)}.</p>
${report.folders.map(folderSection)}
${report.files.map(fileSection)}`,
  );
}

function fileSection(file: FileReport): Html {
  const { path, inspection, picture, findings } = file;
  return html`<h2>${path}</h2>
${table([["", ""], ...fileFacts(file)])}
${picture ? html`<p>${inlinePng(picture, "axial, coronal and sagittal plane")}</p>` : ""}
${
    inspection
      ? html`<h3>Affine in the file</h3><pre>${formatAffine(inspection.grid.affine)}</pre>
<h3>Affine in RAS+ order</h3><pre>${formatAffine(inspection.canonical.affine)}</pre>
<h3>What is done to the voxels</h3><ol>${inspection.history.map((line) => html`<li>${line}</li>`)}</ol>
${inspection.labels ? table(labelTable(inspection.labels)) : ""}`
      : ""
  }
${findingSection(findings)}`;
}

function folderSection({ path, description, cases, labels, findings, pictures }: FolderReport): Html {
  return html`<h2>${path}</h2>
<p>${description}</p>
${findingSection(findings)}
${labels.length > 0 ? html`<h3>Labels</h3>${table(labelSummaryTable(labels))}` : ""}
${cases.length > 0 ? html`<h3>Cases</h3>${table(caseTable(cases))}` : ""}
${
    pictures.size > 0
      ? html`
        <h3>Pictures</h3>
        <div class="grid">${[...pictures].map(([id, png]) =>
          html`<figure>${inlinePng(png, id)}<figcaption>${id}</figcaption></figure>`
        )}</div>
      `
      : ""
  }`;
}

function findingSection(findings: readonly Finding[]): Html {
  if (findings.length === 0) return html`<p>Nothing wrong was found.</p>`;
  return html`<h3>Findings</h3>${
    groupFindings(findings).map(({ severity, code, findings: of }) =>
      html`<details open><summary><b>${severity}</b> ${code} (${of.length})</summary>${
        table([["path", "what", "remedy"], ...of.map(({ path, message, fix }) => [path, message, fix])])
      }</details>`
    )
  }`;
}

function table([heading, ...rows]: Table): Html {
  return html`
    <table>
      <thead>
        <tr>${heading!.map((cell) => html`<th>${cell}</th>`)}</tr>
      </thead>
      <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody>
    </table>
  `;
}
