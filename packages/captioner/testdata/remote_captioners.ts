import { strict as assert } from "node:assert";
import type { CaptionRecord } from "../contract.ts";
import { RemoteCaptioner } from "../remote/remote_captioner.ts";
import type { RemoteCaptionerOptions } from "../remote/remote_captioner_options.ts";
import { type ModelServerOptions, startModelServer } from "./model_server.ts";
import { sliceOf } from "./slices.ts";

const FAST = { baseDelayMs: 5, maxDelayMs: 20, timeoutMs: 400, maxPixels: 32, model: "tiny-vision" } as const;
/** A made-up key. */
export const KEY = "sk-secret-0123456789";

/** Runs against a server; nothing may have reached it that should not. */
export async function withServer(
  behave: ModelServerOptions["behave"],
  body: (
    make: (options?: Partial<RemoteCaptionerOptions>) => RemoteCaptioner,
    server: Awaited<ReturnType<typeof startModelServer>>,
  ) => Promise<void>,
  options: ModelServerOptions = {},
): Promise<void> {
  await using server = await startModelServer({ ...options, ...(behave && { behave }) });
  using stack = new DisposableStack();
  await body(
    (more = {}) => stack.use(new RemoteCaptioner({ endpoint: server.endpoint, ...FAST, ...more })),
    server,
  );
  assert.deepEqual(server.violations, []);
}

/** Captions a made-up slice. */
export const record = (captioner: RemoteCaptioner, seed = "a"): Promise<CaptionRecord> => {
  const { image, context } = sliceOf(seed);
  return captioner.captionRecord(image, context);
};

