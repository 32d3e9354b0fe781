import { EXIT } from "../_shared/command.ts";
import type { ChosenCaptioner } from "./captioners.ts";
import type { CaptionConfiguration } from "./configuration.ts";
import { type ScanChoice, slicesPerScan, toCaption } from "./scans.ts";

/** Shows one example of exactly what would be sent. Sends and writes nothing. */
export async function dryRun(
  configuration: CaptionConfiguration,
  { captioner, example, check }: ChosenCaptioner,
  { scans }: ScanChoice,
): Promise<number> {
  console.log(`Captioner ${captioner.id}; at most ${scans.length * slicesPerScan(configuration)} slices.`);
  for (const source of scans) {
    try {
      const [slice] = await toCaption(source, configuration, check ? { check } : {}).slices();
      const { image, context } = slice!;
      if (example) console.log(`One slice of ${source.path} would be sent as:\n${await example(image, context)}`);
      else {
        const { text } = await captioner.caption(image, context);
        console.log(`No slice leaves this process. The caption of one slice of ${source.path}:\n${text}`);
      }
      console.log("Nothing was sent, and nothing was written.");
      return EXIT.done;
    } catch (error) {
      console.warn(`warning: ${source.path} would be left out: ${(error as Error).message}`);
    }
  }
  console.log("No scan can be used.");
  return EXIT.failed;
}
