import {
  type Captioner,
  captionScans,
  type CaptionScansOptions,
  CaptionStore,
  type RecordingCaptioner,
  RemoteCaptioner,
  renderForModel,
  type ScanToCaption,
  type SliceToCaption,
} from "@med3d/captioner";
import { extractSlice, makePhantom, type PhantomKind } from "@med3d/volume";
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Slices of a phantom of 512 × 512 pixels. */
function slicesOf(kind: PhantomKind, count: number): SliceToCaption[] {
  const { volume } = makePhantom("bench", { kind, shape: [Math.max(8, count), 512, 512] });
  return Array.from({ length: count }, (_, index) => extractSlice(volume, "axial", index));
}

/** A server of the chat completions protocol that answers well after a while, in a process of its own. Prints its port; does not return. */
export async function serveModel(latencyMs: number): Promise<never> {
  let count = 0;
  const server = createServer((incoming, response) => {
    incoming.on("data", () => {});
    incoming.on("end", () =>
      setTimeout(() => {
        const digits = createHash("sha256").update(String(count++)).digest("hex");
        const millimetres = (Number.parseInt(digits.slice(0, 4), 16) / 100).toFixed(2);
        const content = JSON.stringify({
          ...{ modality: "CT", plane: "axial", anatomy: ["liver", "spleen"], confidence: 0.8 },
          findings: [
            `A hypodense lesion of ${millimetres} mm in segment ${Number.parseInt(digits[9]!, 16)} of the liver.`,
          ],
        });
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({
          choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
          ...{ model: "bench", usage: { prompt_tokens: 700, completion_tokens: 60 } },
        }));
      }, latencyMs));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  console.log((server.address() as AddressInfo).port);
  return await new Promise<never>(() => {});
}

/** Posts one rendered body again and again, so many at once, and reads answers whole. @returns Requests a second. */
export async function bareClient(endpoint: string, { count, inFlight }: Load): Promise<number> {
  const [{ image, context }] = slicesOf("ct-torso", 1) as [SliceToCaption];
  using captioner = new RemoteCaptioner({ endpoint, model: "bench" });
  const { url, headers, body } = captioner.preview(image, context);
  const bytes = new TextEncoder().encode(body);
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const post = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", agent, headers: { ...headers, "content-length": bytes.length } });
      sent.on("error", reject);
      sent.on("response", (response) => response.on("data", () => {}).on("end", resolve));
      sent.end(bytes);
    });
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await post();
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: inFlight }, worker));
  const perSecond = count / (performance.now() - startedAt) * 1000;
  agent.destroy();
  return perSecond;
}

/** How much is asked. */
export interface Load {
  readonly count: number;
  readonly inFlight: number;
}

/** Captions as many slices into a store on disk: choosing, claiming, rendering, asking, judging, storing. @returns Slices a second. */
export async function captioningRun(endpoint: string, { count, inFlight }: Load): Promise<number> {
  const slices = slicesOf("ct-torso", 16);
  using captioner = new RemoteCaptioner({ endpoint, model: "bench", maxInFlight: inFlight });
  const scans = Array.from({ length: Math.ceil(count / 16) }, (_, scan): ScanToCaption => ({
    id: `scan ${scan}`,
    slices: () =>
      Promise.resolve(slices.map(({ image, context }) => ({
        image,
        context: { ...context, index: scan * 16 + context.index, count: 1e6 }, // other slices, of equal pixels
      }))),
  }));
  let perSecond = 0;
  await withStore(async (store) => {
    const startedAt = performance.now();
    const { stored, quarantined, missing, requests } = await captionScans(scans, { captioner, store, inFlight });
    perSecond = stored / (performance.now() - startedAt) * 1000;
    if (quarantined + missing > 0 || requests !== stored) {
      throw new Error(`${quarantined} quarantined and ${missing} missing captions, ${requests} requests`);
    }
  });
  return perSecond;
}

/** Renders slices for a model for a while. @returns Slices a second of this process. */
export function renderingRate(kind: PhantomKind, seconds: number): number {
  const slices = slicesOf(kind, 16);
  for (const { image, context } of slices) renderForModel(image, context);
  const startedAt = performance.now();
  let count = 0;
  while (performance.now() - startedAt < 1000 * seconds) {
    const { image, context } = slices[count++ % slices.length]!;
    renderForModel(image, context);
  }
  return count / (performance.now() - startedAt) * 1000;
}

/** What a process held while it captioned many slices. */
export interface MemoryCourse {
  readonly perSecond: number;
  /** Resident bytes after a tenth of the slices, and the most from there on. */
  readonly early: number;
  readonly most: number;
  /** Heap in use, the same. */
  readonly earlyHeap: number;
  readonly mostHeap: number;
}

/** Captions many small slices with answers made up at once, and watches memory. */
export async function memoryCourse(count: number): Promise<MemoryCourse> {
  const perScan = 100;
  function* scans(): Generator<ScanToCaption> {
    for (let scan = 0; scan < count / perScan; scan++) {
      yield {
        id: `scan ${scan}`,
        identify: () => Promise.resolve(createHash("sha256").update(`${scan}`).digest("hex")),
        slices: () => Promise.resolve(Array.from({ length: perScan }, (_, index) => smallSlice(scan, index, perScan))),
      };
    }
  }
  let [early, most, earlyHeap, mostHeap, startedAt] = [0, 0, 0, 0, performance.now()];
  const watch: CaptionScansOptions["onProgress"] = ({ done }) => {
    if (done % 500 !== 0 || done < count / 10) return;
    const { rss, heapUsed } = Deno.memoryUsage();
    [early, earlyHeap] = [early || rss, earlyHeap || heapUsed];
    [most, mostHeap] = [Math.max(most, rss), Math.max(mostHeap, heapUsed)];
  };
  await withStore(async (store) => {
    startedAt = performance.now();
    await captionScans(scans(), { captioner: madeUpCaptioner(), store, inFlight: 32, onProgress: watch });
    if (store.count() !== count) throw new Error(`${store.count()} captions, expected ${count}`);
  });
  return { perSecond: count / (performance.now() - startedAt) * 1000, early, most, earlyHeap, mostHeap };
}

function smallSlice(scan: number, index: number, count: number): SliceToCaption {
  return {
    image: { pixels: new Float32Array(4096).fill(scan + index / count), width: 64, height: 64, spacingMm: [1, 1] },
    context: { modality: "CT", plane: "axial", index, count, relativePosition: (index + 0.5) / count },
  };
}

function madeUpCaptioner(): Captioner {
  const id = "made-up";
  const hash = "0".repeat(64);
  const captionRecord: RecordingCaptioner["captionRecord"] = async ({ pixels }) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const text = `An axial CT slice with a lesion of ${pixels[0]} mm. `.repeat(4);
    return {
      ...{ text, captionerId: id, createdAt: new Date().toISOString(), parameters: {}, status: "stored" },
      provenance: {
        ...{
          modelId: "none",
          modelRevision: null,
          answeredBy: null,
          promptId: "none@1",
          promptHash: hash,
          window: "none",
        },
        ...{ imageHash: hash, requestParameters: {}, finishReason: "stop", promptTokens: 700, completionTokens: 60 },
        ...{ cost: null, requests: 1, durationMs: 1, rawAnswer: text.repeat(4) },
      },
    };
  };
  const captioner: RecordingCaptioner = { id, captionRecord, caption: captionRecord };
  return captioner;
}

async function withStore(body: (store: CaptionStore) => Promise<void>): Promise<void> {
  const path = join(tmpdir(), `med3d-bench-${crypto.randomUUID()}.db`);
  try {
    using store = CaptionStore.open(path);
    await body(store);
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) await rm(path + suffix, { force: true });
  }
}
