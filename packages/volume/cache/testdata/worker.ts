/**
 * A process that uses a cache, for tests: asks for volumes by turns drawn from its seed until it is killed or has asked often enough.
 *
 * Arguments: folder, maxBytes, seed, number of turns. Prints a line for every turn; one that begins with `fault` tells of a wrong volume or a finding.
 */
import { Random } from "random";
import { openCache } from "../open_cache.ts";
import { KEYS, volumeOf } from "./volumes.ts";

const [folder, maxBytes, seed, turns] = Deno.args;
const random = new Random(seed);
const cache = await openCache(folder!, {
  maxBytes: Number(maxBytes),
  onFinding: ({ code, message }) => console.log(`fault ${code} ${message}`),
});
for (let turn = 0; turn < Number(turns); turn++) {
  const number = random.int(0, KEYS - 1);
  const volume = await cache.get({ content: String(number), settings: { worker: true } }, () =>
    Promise.resolve(volumeOf(number)));
  const expected = volumeOf(number);
  const isEqual = volume.data.length === expected.data.length && volume.data.every((value, i) => value === expected.data[i]);
  console.log(isEqual ? `turn ${turn}` : `fault volume ${number} differs`);
}
console.log(`found ${cache.counts.found} made ${cache.counts.made}`);
