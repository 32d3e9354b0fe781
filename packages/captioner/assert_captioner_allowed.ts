import type { Captioner } from "./contract.ts";
import { isThisMachine, plainHost } from "./privacy/_hosts.ts";

/**
 * Makes sure that slices go nowhere the user did not agree to.
 *
 * A captioner that names no host ({@linkcode Captioner.sendsTo}) or names this machine (loopback) is allowed.
 *
 * @param captioner What is about to see slices.
 * @param allowedHosts Hosts that the user agreed to, without port. Default: none.
 * @throws Error when the captioner sends slices to a host that is not allowed; nothing was sent.
 */
export function assertCaptionerAllowed(
  captioner: Pick<Captioner, "id" | "sendsTo">,
  allowedHosts: readonly string[] = [],
): void {
  const host = captioner.sendsTo;
  if (host === undefined || isThisMachine(host)) return;
  if (allowedHosts.some((allowed) => plainHost(allowed) === plainHost(host))) return;
  throw new Error(
    `Cannot caption with ${captioner.id}: it sends slices beyond this machine: got host "${captioner.sendsTo}", expected ` +
      `${allowedHosts.length > 0 ? `one of ${allowedHosts.join(", ")}` : "none"}. ` +
      `Add the host to allowedHosts if the scans may go there.`,
  );
}
