/** A host's name as it is compared: lower case, no brackets, no final dot. */
export function plainHost(host: string): string {
  return host.toLowerCase().replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

/** Whether a host name means this machine, whatever a name server says: loopback addresses and `localhost`. */
export function isThisMachine(host: string): boolean {
  const plain = plainHost(host);
  return plain === "localhost" || plain === "::1" || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(plain);
}
