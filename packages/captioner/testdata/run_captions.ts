/** A process that captions made-up scans by a local server until all is done or it is killed. Arguments: store, server, scans, slices per scan. */
import { captionScans, CaptionStore } from "../mod.ts";
import { madeUpScans, sliceCaptioner } from "./slice_server.ts";

const [path, url, scans, slicesPerScan] = Deno.args;
using store = CaptionStore.open(path!);
console.log("open");
const result = await captionScans(madeUpScans(Number(scans), Number(slicesPerScan)), {
  ...{ captioner: sliceCaptioner(url!), store, inFlight: 8, leaseMs: 500 },
});
console.log(JSON.stringify(result));
