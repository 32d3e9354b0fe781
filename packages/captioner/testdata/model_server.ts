import { decode } from "fast-png";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** What the server does with one request. */
export type Behaviour =
  | { readonly kind: "good" }
  | { readonly kind: "content"; readonly content: string; readonly finishReason?: string; readonly refusal?: string }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: "redirect"; readonly to: string; readonly status?: number }
  | { readonly kind: "raw"; readonly body: string; readonly contentType?: string }
  | { readonly kind: "hang" | "half-json" | "cut" | "drip" | "huge" | "endless" | "no-choices" }
  /** Headers without end, as fast as they are read or slowly; a whole answer in chunks of which none is the last; a reset (RST) before the answer. */
  | { readonly kind: "endless-headers" | "slow-headers" | "no-last-chunk" | "reset" };

/** A request as the server saw it. */
export interface SeenRequest {
  /** SHA-256 of the PNG. */
  readonly imageHash: string;
  /** How often this picture came before. */
  readonly before: number;
  /** Whether JSON by a schema was asked for. */
  readonly structured: boolean;
  readonly atMs: number;
  readonly body: { readonly model: string; readonly [key: string]: unknown };
}

/** Options of {@linkcode startModelServer}. */
export interface ModelServerOptions {
  /** What to do with a request. Default: answer well. */
  readonly behave?: (request: SeenRequest) => Behaviour;
  /** Key that must come with every request; without one no key may come. */
  readonly apiKey?: string;
  /** Wait before an answer, in milliseconds. Default 0. */
  readonly latencyMs?: number;
}

/** A server of the chat completions protocol that misbehaves as told, and notes what should never reach it. */
export interface ModelServer extends AsyncDisposable {
  /** Base address, `http://127.0.0.1:PORT/v1`. */
  readonly endpoint: string;
  readonly requests: readonly SeenRequest[];
  /** Whatever a request held that it should not: other headers, wrong keys, other fields, chunks of a PNG that hold text. */
  readonly violations: readonly string[];
  /** Most requests that were open at one moment. */
  readonly mostOpen: number;
}

const HEADERS = new Set(
  ["host", "connection", "content-length", "content-type", "accept", "accept-encoding", "authorization"],
);
const FIELDS = new Set(["model", "messages", "max_tokens", "temperature", "seed", "response_format", "stream"]);

/** A good structured answer, different for every picture. */
export function goodAnswer(imageHash: string, prompt: string): string {
  const [, plane, modality] = /one (axial|coronal|sagittal) (CT|MR)?/.exec(prompt) ?? [];
  const sizeMm = Number.parseInt(imageHash.slice(0, 4), 16);
  return JSON.stringify({
    modality: modality ?? "other",
    plane,
    anatomy: ["liver", "spleen", "abdominal aorta"],
    findings: [`A hypodense lesion of ${sizeMm / 100} mm in segment ${Number.parseInt(imageHash[5]!, 16)} of the liver.`],
    confidence: 0.8,
  });
}

/** Starts the server on a free port of this machine. */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const { behave = () => ({ kind: "good" }), apiKey, latencyMs = 0 } = options;
  const [requests, violations, seen]: [SeenRequest[], string[], Map<string, number>] = [[], [], new Map()];
  let [open, mostOpen] = [0, 0];
  const closing = new AbortController();
  const server = createServer(async (request, response) => {
    mostOpen = Math.max(mostOpen, ++open);
    response.on("close", () => open--);
    response.on("error", () => {});
    try {
      const body = await readBody(request);
      checkRequest(request, body, { apiKey, violations });
      const { prompt, imageHash } = pictureOf(body, violations);
      const before = seen.get(imageHash) ?? 0;
      seen.set(imageHash, before + 1);
      const noted: SeenRequest = {
        imageHash,
        before,
        structured: body["response_format"] !== undefined,
        atMs: performance.now(),
        body: body as SeenRequest["body"],
      };
      requests.push(noted);
      if (latencyMs > 0) await wait(latencyMs, undefined, { signal: closing.signal });
      await answer(response, behave(noted), { good: goodAnswer(imageHash, prompt), closing: closing.signal });
    } catch (error) {
      if (closing.signal.aborted) return;
      violations.push(`the server failed: ${(error as Error).message}`);
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    violations,
    get mostOpen() {
      return mostOpen;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  request.setEncoding("utf8");
  for await (const part of request) text += part;
  return text === "" ? {} : JSON.parse(text);
}

function checkRequest(
  request: IncomingMessage,
  body: Record<string, unknown>,
  { apiKey, violations }: { readonly apiKey: string | undefined; readonly violations: string[] },
): void {
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
    violations.push(`unexpected ${request.method} ${request.url}`);
  }
  for (const name of Object.keys(request.headers)) if (!HEADERS.has(name)) violations.push(`header ${name}`);
  for (const name of Object.keys(body)) if (!FIELDS.has(name)) violations.push(`field ${name}`);
  const expected = apiKey === undefined ? undefined : `Bearer ${apiKey}`;
  if (request.headers.authorization !== expected) violations.push("the key is not the one expected");
}

function pictureOf(body: Record<string, unknown>, violations: string[]): { prompt: string; imageHash: string } {
  const messages = body["messages"] as { role: string; content: string | Record<string, unknown>[] }[] ?? [];
  const parts = messages.flatMap(({ content }) => typeof content === "string" ? [] : content);
  const urls = parts.flatMap((part) => part["type"] === "image_url" ? [(part["image_url"] as { url: string }).url] : []);
  if (messages.map(({ role }) => role).join() !== "system,user" || parts.length !== 2 || urls.length !== 1) {
    violations.push("messages are not one system text and one user text with a picture");
  }
  const png = Uint8Array.fromBase64(urls[0]?.replace(/^data:image\/png;base64,/, "") ?? "");
  const chunks: string[] = [];
  const view = new DataView(png.buffer);
  for (let at = 8; at + 8 <= png.length; at += view.getUint32(at) + 12) {
    chunks.push(new TextDecoder().decode(png.subarray(at + 4, at + 8)));
  }
  const others = chunks.filter((chunk) => !["IHDR", "IDAT", "IEND"].includes(chunk));
  if (others.length > 0) violations.push(`PNG chunks ${others.join()}`);
  decode(png);
  const prompt = String(parts.find((part) => part["type"] === "text")?.["text"]);
  return { prompt, imageHash: createHash("sha256").update(png).digest("hex") };
}

function completion(content: string | null, finish: string, refusal?: string): string {
  return JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "tiny-vision",
    choices: [{ index: 0, finish_reason: finish, message: { role: "assistant", content, ...(refusal && { refusal }) } }],
    usage: { prompt_tokens: 700, completion_tokens: 60, total_tokens: 760 },
  });
}

async function answer(
  response: ServerResponse,
  behaviour: Behaviour,
  { good, closing }: { readonly good: string; readonly closing: AbortSignal },
): Promise<void> {
  const json = { "content-type": "application/json; charset=utf-8" };
  const whole = completion(good, "stop");
  switch (behaviour.kind) {
    case "good":
      response.writeHead(200, json).end(whole);
      return;
    case "content":
      response.writeHead(200, json)
        .end(completion(behaviour.content, behaviour.finishReason ?? "stop", behaviour.refusal));
      return;
    case "status":
      response.writeHead(behaviour.status, { ...json, ...behaviour.headers })
        .end(JSON.stringify({ error: { message: `bad request with key ${response.req.headers.authorization}` } }));
      return;
    case "redirect":
      response.writeHead(behaviour.status ?? 307, { location: behaviour.to }).end();
      return;
    case "raw":
      response.writeHead(200, { "content-type": behaviour.contentType ?? "application/json" }).end(behaviour.body);
      return;
    case "hang":
      return;
    case "half-json":
      response.writeHead(200, json).end(whole.slice(0, whole.length / 2));
      return;
    case "cut":
      response.writeHead(200, { ...json, "content-length": String(whole.length) });
      response.write(whole.slice(0, whole.length / 2));
      await wait(10);
      response.destroy();
      return;
    case "drip":
      response.writeHead(200, json);
      for (const letter of whole) {
        if (response.destroyed || closing.aborted) return;
        response.write(letter);
        await wait(20);
      }
      response.end();
      return;
    case "huge":
      response.writeHead(200, json).end(completion("liver ".repeat(200_000), "stop"));
      return;
    case "endless":
      response.writeHead(200, json);
      while (!response.destroyed && !closing.aborted) {
        response.write(" ".repeat(65_536));
        await wait(1);
      }
      return;
    case "endless-headers":
    case "slow-headers":
      return await writeHeaders(response, behaviour.kind === "slow-headers" ? 1 : 1000, closing);
    case "no-last-chunk":
      response.writeHead(200, json).write(whole);
      return;
    case "reset":
      response.socket!.resetAndDestroy();
      return;
    case "no-choices":
      response.writeHead(200, json).end(JSON.stringify({ object: "chat.completion", choices: [] }));
  }
}

/** Writes so many headers every 20 ms until the other side hangs up. */
async function writeHeaders({ socket }: ServerResponse, count: number, closing: AbortSignal): Promise<void> {
  socket!.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
  while (!socket!.destroyed && !closing.aborted) {
    socket!.write(`x-filler: ${"liver ".repeat(40)}\r\n`.repeat(count));
    await wait(20);
  }
}
