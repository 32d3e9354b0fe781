import type { RequestPreview } from "@med3d/captioner";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { EXIT } from "../_shared/command.ts";
import { html, inlinePng, page } from "../_shared/report/html.ts";
import type { ChosenCaptioner } from "./captioners.ts";
import type { CaptionConfiguration } from "./configuration.ts";
import { type ScanChoice, slicesPerScan, toCaption } from "./scans.ts";

/** Shows one example of exactly what would be sent. Sends nothing, and writes nothing but the page that is asked for. */
export async function dryRun(
  configuration: CaptionConfiguration,
  chosen: ChosenCaptioner,
  { choice: { scans }, review }: { readonly choice: ScanChoice; readonly review: string | undefined },
): Promise<number> {
  const { captioner, preview } = chosen;
  console.log(`Captioner ${captioner.id}; at most ${scans.length * slicesPerScan(configuration)} slices.`);
  for (const source of scans) {
    try {
      const [slice] = await toCaption(source, configuration, chosen).slices();
      const { image, context } = slice!;
      if (preview) {
        const request = preview(image, context);
        console.log(`One slice of ${source.path} would be sent as:\n${describeRequest(request)}`);
        if (review !== undefined) await writeFile(review, renderRequest(request));
      } else {
        const { text } = await (chosen.captionerOf?.(source) ?? captioner).caption(image, context);
        console.log(`No slice leaves this process. The caption of one slice of ${source.path}:\n${text}`);
      }
      console.log("Nothing was sent, and no caption was written.");
      return EXIT.done;
    } catch (error) {
      console.warn(`warning: ${source.path} would be left out: ${(error as Error).message}`);
    }
  }
  console.log("No scan can be used.");
  return EXIT.failed;
}

/** The whole request in words, but for the picture's bytes, of which length and hash stand in. */
export function describeRequest({ url, headers, body, png }: RequestPreview): string {
  const hash = createHash("sha256").update(png).digest("hex");
  const shown = JSON.stringify(JSON.parse(body), null, 1)
    .replace(png.toBase64(), `(${png.length} bytes of PNG in base64, SHA-256 ${hash})`);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`POST ${url}`, ...lines, `content-length: ${new TextEncoder().encode(body).length}`, "", shown].join("\n");
}

function renderRequest(request: RequestPreview): string {
  return page(
    "What would be sent",
    html`
      <h1>What would be sent</h1>
      <p>One slice, as an example.</p>
      <pre>${describeRequest(request)}</pre>
      <p>${inlinePng(request.png, "the picture that would be sent")}</p>
    `,
  );
}
