import { type Captioner, MeasuringCaptioner } from "@med3d/captioner";
import type { Finding } from "@med3d/volume";
import type { ScanSource } from "../_shared/pretraining/scans.ts";
import { UsageError } from "../_shared/pretraining/configuration.ts";
import type { CaptionConfiguration } from "./configuration.ts";

/** Who describes slices, and what must hold of a scan before it may see any. */
export interface ChosenCaptioner extends AsyncDisposable {
  readonly captioner: Captioner;
  /** Host beyond this process that may see slices. */
  readonly allowedHosts: readonly string[];
  /** Refuses a scan that must not be shown, by throwing. */
  readonly check?: (source: ScanSource) => Promise<void>;
  /** What would be sent of a slice, in full; left out where nothing leaves this process. */
  readonly example?: Captioner["caption"] extends (...given: infer Given) => unknown
    ? (...given: Given) => Promise<string>
    : never;
}

/** Makes the captioner that a configuration names. */
// deno-lint-ignore require-await -- errors must be rejections
export async function chooseCaptioner(
  configuration: CaptionConfiguration,
  _onFinding: (finding: Finding) => void,
): Promise<ChosenCaptioner> {
  const [kind, file] = configuration.captioner as [string, string?];
  const nothing = { allowedHosts: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  if (kind === "measuring" && file === undefined) return { captioner: new MeasuringCaptioner(), ...nothing };
  throw new UsageError(
    `Cannot caption: unknown captioner: got "${
      configuration.captioner.join(" ")
    }", expected measuring, an http or https address, or reports FILE.`,
  );
}
