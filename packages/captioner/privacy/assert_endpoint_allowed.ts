import { isThisMachine, plainHost } from "./_hosts.ts";

/** What a configuration must say, word for word, before a slice may leave this machine. */
export const REMOTE_ACKNOWLEDGEMENT =
  "These scans may be sent to the hosts I allow; I have the right to do so and know that pixels can identify a person.";

/** What the user agreed to. */
export interface SendingConsent {
  /** Hosts beyond this machine that slices may be sent to, without port, spelled out: no wildcards. Default: none. */
  readonly allowRemote?: readonly string[];
  /** {@linkcode REMOTE_ACKNOWLEDGEMENT}, word for word; needed for any host beyond this machine. */
  readonly acknowledgement?: string;
}

/**
 * Makes sure that an endpoint may be sent slices: this machine, or a host that the user allowed and acknowledged, over https.
 *
 * @param endpoint Address of the server.
 * @param consent What the user agreed to.
 * @returns The address, read.
 * @throws TypeError when it is no http or https address, or holds a user, a password, a query or a fragment.
 * @throws Error when the host is not allowed, not acknowledged, or would be reached unencrypted. Nothing was sent.
 */
export function assertEndpointAllowed(endpoint: string, consent: SendingConsent = {}): URL {
  const { allowRemote = [], acknowledgement } = consent;
  const url = URL.parse(endpoint);
  const malformed = !url || !/^https?:$/.test(url.protocol)
    ? "no http or https address"
    : url.username || url.password
    ? "an address with a user or password in it"
    : url.search || url.hash
    ? "an address with a query or fragment"
    : undefined;
  if (malformed !== undefined) {
    throw new TypeError(
      `Cannot use the endpoint: it is malformed: got ${malformed}, expected such as http://127.0.0.1:8000/v1. ` +
        `Give the key as apiKey and nothing but the address here.`,
    );
  }
  const { hostname, protocol } = url!;
  if (isThisMachine(hostname)) return url!;
  const refuse = (what: string, expected: string, todo: string): never => {
    throw new Error(
      `Cannot send slices to ${hostname}: ${what}: got ${protocol}//${hostname}, expected ${expected}. ${todo}`,
    );
  };
  if (protocol !== "https:") {
    refuse("the connection is not encrypted", "https, or a server on this machine", "Use its https address.");
  }
  if (!allowRemote.some((host) => plainHost(host) === plainHost(hostname))) {
    refuse(
      "it lies beyond this machine and is not allowed",
      allowRemote.length > 0 ? `one of ${allowRemote.join(", ")}` : "a server on this machine",
      "Name the host in allowRemote if the scans may go there.",
    );
  }
  if (acknowledgement !== REMOTE_ACKNOWLEDGEMENT) {
    refuse(
      "the acknowledgement is missing",
      `acknowledgement: "${REMOTE_ACKNOWLEDGEMENT}"`,
      "Put the sentence into the configuration if it holds.",
    );
  }
  return url!;
}
