/** A program with cases that end well, throw, end the process and never end, for _sides_test.ts. */
import { servedSide, serveSide } from "../_sides.ts";

let processCases = 0;
const value = (value: number) => Promise.resolve({ value, processCases: ++processCases });
const CASES = [
  () => value(1),
  () => Promise.reject(new Error("no gradient\nand more")),
  () => Deno.exit(3),
  () => value(2),
];
console.log("a library's own words");
const side = servedSide();
if (side === "hangs") setInterval(() => {}, 1000);
await serveSide((index) =>
  side === "hangs" ? new Promise<object>(() => {}) : side === "counts" ? value(index) : CASES[index]!()
);
