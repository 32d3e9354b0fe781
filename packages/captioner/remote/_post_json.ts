import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";

/** What went wrong on the way, before there was an answer worth reading. */
export type TransportFault = "network" | "timeout" | "too-large";

/** An answer, or what went wrong. */
export type PostResult =
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly contentType: string;
    readonly retryAfter: string | undefined;
    readonly body: string;
  }
  | { readonly kind: "fault"; readonly fault: TransportFault; readonly message: string };

/** One request. */
export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal;
}

/**
 * Posts JSON to one server and reads the answer whole, within a time and a size.
 *
 * Over node:http rather than fetch: it follows no redirect, obeys no proxy of the environment (fetch would hand pixels and key to it), sends no header
 * but the ones given, and keeps no cookies. The time counts from the first byte sent to the last one received, so an answer that drips does not
 * outlast it.
 */
export class JsonPoster implements Disposable {
  readonly #url: URL;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(url: URL, maxSockets: number) {
    this.#url = url;
    const options = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets };
    this.#agent = url.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Sends the body. @throws the signal's reason (as a rejection); everything else is a result. */
  async post(body: string, options: PostOptions): Promise<PostResult> {
    const { timeoutMs, signal } = options;
    signal?.throwIfAborted();
    const bytes = new TextEncoder().encode(body);
    let sent: ClientRequest | undefined;
    let whole = false;
    let [timer, stop]: [ReturnType<typeof setTimeout> | undefined, (() => void) | undefined] = [undefined, undefined];
    try {
      const result = await new Promise<PostResult>((resolve, reject) => {
        const fail = (fault: TransportFault, message: string): void => resolve({ kind: "fault", fault, message });
        timer = setTimeout(() => fail("timeout", `no whole answer within ${timeoutMs} ms`), timeoutMs);
        stop = () => reject(signal!.reason);
        signal?.addEventListener("abort", stop, { once: true });
        const onError = (error: NodeJS.ErrnoException): void => fail("network", networkMessage(error));
        sent = this.#open(bytes.length, options.headers);
        // Deno sends a request again by itself when a connection that was used before breaks, even where we broke it: pixels would go out twice,
        // neither counted nor audited. It does so only for sockets that are marked as used before.
        sent.on("socket", () => sent!.reusedSocket = false);
        sent.on("error", onError);
        sent.on("response", (response) => {
          response.on("error", onError);
          readAnswer(response, options.maxAnswerBytes, resolve);
        });
        sent.end(bytes);
      });
      whole = result.kind === "answer";
      return result;
    } finally {
      clearTimeout(timer);
      if (stop) signal?.removeEventListener("abort", stop);
      if (!whole) sent?.destroy();
    }
  }

  /** Closes connections that are kept. */
  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #open(length: number, headers: Readonly<Record<string, string>>): ClientRequest {
    const options = { method: "POST", agent: this.#agent, headers: { ...headers, "content-length": String(length) } };
    return this.#url.protocol === "https:"
      ? requestHttps(this.#url, { ...options, rejectUnauthorized: true })
      : requestHttp(this.#url, options);
  }
}

/** The system's code alone: messages of the system can hold anything. */
function networkMessage({ code }: NodeJS.ErrnoException): string {
  return `the connection failed (${/^[A-Z][A-Z0-9_]{1,40}$/.test(code ?? "") ? code : "no code"})`;
}

function readAnswer(response: IncomingMessage, maxBytes: number, resolve: (result: PostResult) => void): void {
  const { statusCode: status = 0, headers } = response;
  const parts: Uint8Array[] = [];
  let length = 0;
  const tooLarge = (): void =>
    resolve({ kind: "fault", fault: "too-large", message: `the answer is larger than ${maxBytes} bytes` });
  if (Number(headers["content-length"] ?? 0) > maxBytes) return tooLarge();
  response.on("data", (part: Uint8Array) => {
    length += part.length;
    if (length > maxBytes) tooLarge();
    else parts.push(part);
  });
  response.on("end", () => {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    const encoded = headers["content-encoding"] ?? "identity";
    resolve({
      kind: "answer",
      status,
      contentType: encoded === "identity" ? headers["content-type"] ?? "" : `encoded as ${encoded}`,
      retryAfter: headers["retry-after"],
      body: new TextDecoder().decode(bytes),
    });
  });
}
