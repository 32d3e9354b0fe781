import { type CaptionStore, maskFace, showsMaskedFaces, type StoredRecord } from "@med3d/captioner";
import { extractSlice, renderSlicePng } from "@med3d/volume";
import { writeFile } from "node:fs/promises";
import type { ScanSource } from "../_shared/pretraining/scans.ts";
import { type Html, html, inlinePng, page } from "../_shared/report/html.ts";
import { readCanonical } from "./scans.ts";

/** Slices that a page shows: pictures make it large. Quarantined ones come first. */
const SHOWN = { quarantined: 200, stored: 100, perScan: 12 } as const;

/** What of one scan is shown. */
interface ReviewedScan {
  readonly id: string;
  readonly slices: readonly { readonly record: StoredRecord; readonly png: Uint8Array }[];
}

/** How CT is shown on the page; what a model was shown stands in each record. */
const CT_WINDOW_HU = { center: 40, width: 400 };

/**
 * Writes a page of slices with captions and reasons. It needs nothing from outside, and nothing that a model or a file said becomes markup.
 * Scans that cannot be read any more are left out.
 */
export async function writeReview(
  path: string,
  { store, scans, signal }: {
    readonly store: CaptionStore;
    readonly scans: readonly ScanSource[];
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const left = { quarantined: SHOWN.quarantined as number, stored: SHOWN.stored as number };
  const reviewed: ReviewedScan[] = [];
  for (const source of scans) {
    if (signal?.aborted || left.quarantined + left.stored === 0) break;
    const volume = await source.volumeHash?.().catch(() => undefined);
    if (volume === undefined) continue;
    const records: StoredRecord[] = [];
    for (const status of ["quarantined", "stored"] as const) {
      for (const record of store.records({ volume, status })) {
        if (left[status] === 0 || records.length >= SHOWN.perScan) break;
        left[status]--;
        records.push(record);
      }
    }
    if (records.length > 0) reviewed.push({ id: source.id, slices: await picture(source, records) });
  }
  await writeFile(path, renderReview(reviewed, { stored: store.count(), quarantined: store.countQuarantined() }));
}

async function picture(source: ScanSource, records: readonly StoredRecord[]): Promise<ReviewedScan["slices"]> {
  const volume = await readCanonical(source).catch(() => undefined);
  if (!volume) return [];
  const window = volume.modality === "CT" ? { window: CT_WINDOW_HU } : {};
  let masked: typeof volume | undefined;
  return records.flatMap((record) => {
    const { plane, index } = record.origin!;
    try {
      const shown = showsMaskedFaces(record.captionerId) ? masked ??= maskFace(volume) : volume;
      const { image } = extractSlice(shown, plane, index);
      return [{ record, png: renderSlicePng(image, { ...window, maxPixels: 320 }) }];
    } catch (error) {
      if (error instanceof RangeError) return []; // another hand's row: no such slice, or no head to mask
      throw error;
    }
  });
}

/** Makes the page. */
export function renderReview(
  scans: readonly ReviewedScan[],
  { stored, quarantined }: { readonly stored: number; readonly quarantined: number },
): string {
  return page(
    "Captions to review",
    html`<h1>Captions to review</h1>
<p>${stored} good captions and ${quarantined} in quarantine are in the store. Shown are some of each scan, those in quarantine first.</p>
${
      scans.map(({ id, slices }) =>
        html`<h2>${id}</h2><div class="grid">${slices.map(({ record, png }) => figure(record, png))}</div>\n`
      )
    }`,
  );
}

function figure(record: StoredRecord, png: Uint8Array): Html {
  const { origin, text, status, reason, captionerId, provenance, createdAt } = record;
  const place = origin ? `${origin.modality}, ${origin.plane} ${origin.index + 1} of ${origin.count}` : "";
  const model = provenance
    ? html`<br>${provenance.modelId}, prompt ${provenance.promptId}, ${provenance.window}, ended by ${
      provenance.finishReason ?? "nothing"
    }`
    : "";
  return html`<figure>${inlinePng(png, place)}<figcaption><b>${status}</b>${
    reason === undefined ? "" : html`
      — ${reason}
    `
  }<br>${place}<br>${
    text === "" ? "no text" : text
  }<br><small>${captionerId}, ${createdAt}${model}</small></figcaption></figure>`;
}
