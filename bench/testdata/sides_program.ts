/** A program with cases that end well, throw, end the process and never end, for _sides_test.ts. */
import { serveSide, sideRequest } from "../_sides.ts";

const CASES = [
  () => Promise.resolve({ value: 1 }),
  () => Promise.reject(new Error("no gradient\nand more")),
  () => Deno.exit(3),
  () => Promise.resolve({ value: 2 }),
];
const request = sideRequest()!;
console.log(`a library's own words`);
if (request.side === "hangs") {
  setInterval(() => {}, 1000);
  await serveSide(request, 1, () => new Promise(() => {}));
}
await serveSide(request, CASES.length, (i) => CASES[i]!());
