/**
 * `deno task view RUN|SCAN`: shows scans with reference and prediction in a browser on this machine.
 */
import { createCommand, EXIT, parseNumber, runProgram } from "../_shared/command.ts";
import { stopSignal } from "../_shared/stop_signal.ts";
import { bundleClient } from "./bundle_client.ts";
import { findCases } from "../_shared/view_cases.ts";
import { viewerHandler } from "./serve.ts";

interface Flags {
  readonly reference?: string;
  readonly prediction?: string;
  readonly port: number;
}

const command = createCommand("view", "Shows scans with reference and prediction in a browser on this machine.")
  .argument("<path>", "a run's folder (its cases.json lists what is shown), a scan of any format or a DICOM folder")
  .option("--reference <file>", "label map of the one scan (default: none)")
  .option("--prediction <file>", "predicted label map of the one scan (default: none)")
  .option("--port <n>", "where to listen on 127.0.0.1, 0 for any free port (default: 0)", parseNumber, 0)
  .addHelpText("after", "\nOnly this machine is answered, and the page loads nothing from elsewhere. Ctrl-C ends it.");

async function main(args: readonly string[]): Promise<number> {
  command.parse(args, { from: "user" });
  const { port, ...maps } = command.opts<Flags>();
  const cases = await findCases(command.args[0]!, maps);
  const handler = viewerHandler(cases, await bundleClient());
  using stop = stopSignal();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port,
    signal: stop.signal,
    onListen: ({ port }) =>
      console.log(`${cases.length} ${cases.length === 1 ? "case" : "cases"} at http://127.0.0.1:${port}/`),
  }, handler);
  await server.finished;
  return EXIT.done;
}

if (import.meta.main) Deno.exit(await runProgram(() => main(Deno.args)));
