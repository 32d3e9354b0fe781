import type { Caption, Captioner } from "../mod.ts";
import type { ScanToCaption } from "../mod.ts";
import { hashOf } from "./entries.ts";

/** A server that answers with a text for whatever it is asked, and remembers what that was. */
export interface SliceServer extends AsyncDisposable {
  readonly url: string;
  /** How often each slice was asked about. */
  readonly asked: ReadonlyMap<string, number>;
  /** Most requests that were open at once. */
  readonly mostOpen: number;
}

/** Starts the server on a free port of this machine. */
export function startSliceServer({ delayMs }: { readonly delayMs: number }): SliceServer {
  const asked = new Map<string, number>();
  let [open, mostOpen] = [0, 0];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    mostOpen = Math.max(mostOpen, ++open);
    const name = await request.text();
    asked.set(name, (asked.get(name) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    open--;
    return new Response(`Answer about ${name}.`);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    asked,
    get mostOpen() {
      return mostOpen;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Asks a {@linkcode startSliceServer} about slices, which it names by their place. */
export function sliceCaptioner(url: string): Captioner {
  const id = "asks-a-server";
  return {
    id,
    sendsTo: "127.0.0.1",
    caption: async (slice, { index }): Promise<Caption> => {
      const response = await fetch(url, { method: "POST", body: `${slice.pixels[0]}/${index}` });
      return { text: await response.text(), captionerId: id, createdAt: new Date().toISOString() };
    },
  };
}

/** Made-up scans with slices that differ from each other. */
export function madeUpScans(count: number, slicesPerScan: number): ScanToCaption[] {
  return Array.from({ length: count }, (_, scan): ScanToCaption => ({
    id: `scan ${scan}`,
    identify: () => Promise.resolve(hashOf(`scan ${scan}`)),
    choice: String(slicesPerScan),
    slices: () =>
      Promise.resolve(Array.from({ length: slicesPerScan }, (_, index) => ({
        image: { pixels: new Float32Array(64).fill(scan), width: 8, height: 8, spacingMm: [1, 1] as const },
        context: {
          ...{ modality: "CT" as const, plane: "axial" as const, index, count: slicesPerScan },
          relativePosition: (index + 0.5) / slicesPerScan,
        },
      }))),
  }));
}
