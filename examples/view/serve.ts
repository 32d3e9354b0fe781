import { encodeNifti, readVolume } from "@med3d/volume";
import { type Layer, LAYERS, type ViewCase } from "../_shared/view_cases.ts";
import { CONTENT_POLICY, viewerPage } from "./page.ts";

/** What the page is told of a case: neither its paths nor its headers. */
export interface ServedCase {
  /** How the list shows it. */
  readonly id: string;
  /** Layers that it has, bottom first. */
  readonly layers: readonly Layer[];
}

/**
 * Answers the viewer's requests: the page, its script, the list of cases, and scans, which are read by `@med3d/volume`
 * and handed over as NIfTI whatever their format is.
 *
 * Only requests that name this machine as their host are answered, so that a page from elsewhere cannot reach the scans
 * by a name that it had pointed here.
 *
 * @param cases What can be looked at.
 * @param client The page's script.
 */
export function viewerHandler(cases: readonly ViewCase[], client: string): (request: Request) => Promise<Response> {
  const list: ServedCase[] = cases.map((one) => ({ id: one.id, layers: LAYERS.filter((layer) => one[layer]) }));
  return async (request) => {
    const { hostname, pathname } = new URL(request.url);
    if (hostname !== "127.0.0.1" && hostname !== "localhost") return answer("Ask 127.0.0.1.", "text/plain", 403);
    if (request.method !== "GET") return answer("Only GET is answered.", "text/plain", 405);
    if (pathname === "/") return answer(viewerPage(), "text/html");
    if (pathname === "/client.js") return answer(client, "text/javascript");
    if (pathname === "/cases.json") return answer(JSON.stringify(list), "application/json");
    const [, index, layer] = /^\/scans\/(\d+)\/(image|reference|prediction)\.nii$/.exec(pathname) ?? [];
    const path = cases[Number(index)]?.[layer as Layer];
    if (path === undefined) return answer("There is no such page.", "text/plain", 404);
    try {
      return answer(await encodeNifti(await readVolume(path)), "application/octet-stream");
    } catch (error) {
      return answer((error as Error).message, "text/plain", 422);
    }
  };
}

function answer(body: BodyInit, type: string, status = 200): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": type.startsWith("text/") ? `${type}; charset=utf-8` : type,
      "content-security-policy": CONTENT_POLICY,
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    },
  });
}
