import type { Captioner } from "./contract.ts";

const THIS_MACHINE = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

/**
 * Makes sure that slices go nowhere the user did not agree to.
 *
 * A captioner that names no host ({@linkcode Captioner.sendsTo}) or names this machine is allowed.
 *
 * @param captioner What is about to see slices.
 * @param allowedHosts Hosts that the user agreed to, without port. Default: none.
 * @throws Error when the captioner sends slices to a host that is not allowed; nothing was sent.
 */
export function assertCaptionerAllowed(
  captioner: Pick<Captioner, "id" | "sendsTo">,
  allowedHosts: readonly string[] = [],
): void {
  const host = captioner.sendsTo?.toLowerCase();
  if (host === undefined || THIS_MACHINE.has(host)) return;
  if (allowedHosts.some((allowed) => allowed.toLowerCase() === host)) return;
  throw new Error(
    `Cannot caption with ${captioner.id}: it sends slices beyond this machine: got host "${captioner.sendsTo}", expected ` +
      `${allowedHosts.length > 0 ? `one of ${allowedHosts.join(", ")}` : "none"}. ` +
      `Add the host to allowedHosts if the scans may go there.`,
  );
}
