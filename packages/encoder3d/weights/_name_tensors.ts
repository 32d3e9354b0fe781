import type { StoredTensor } from "@med3d/nn";
import { fromNnUNetStateDict } from "../nnunet_state_dict.ts";
import { fromMonaiStateDict } from "../vit/monai_state_dict.ts";
import { findPrefix, renamed } from "./_match_names.ts";
import type { WeightsReport } from "./weights_report.ts";

/** A tensor and where it comes from. */
export interface NamedTensor {
  readonly storedName: string;
  readonly tensor: StoredTensor;
}

/** Stored tensors by the names used here, and what is left over. */
export interface Named extends Pick<WeightsReport, "prefixStripped" | "prefixAdded" | "unexpected" | "ignored"> {
  readonly named: ReadonlyMap<string, NamedTensor>;
}

/** Gives stored tensors the names of parameters: other forms translated, prefixes taken away or put in front. */
export function nameTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  wanted: ReadonlySet<string>,
  prefix?: string,
): Named {
  const all = new Map([...tensors].map(([storedName, tensor]) => [storedName, { storedName, tensor }] as const));
  const inside = prefix === undefined ? all : withoutPrefix(all, prefix);
  const own = fromMonaiStateDict(isNnUNet(inside) ? fromNnUNetStateDict(inside) : inside);
  const rule = prefix === undefined ? findPrefix([...own.keys()], wanted) : { strip: "", add: "" };
  const named = new Map<string, NamedTensor>();
  for (const [name, entry] of own) {
    const ours = withSynonym(renamed(name, rule), wanted);
    if (ours !== undefined && wanted.has(ours)) named.set(ours, entry);
  }
  const used = new Set([...named.values()].map(({ storedName }) => storedName));
  const known = new Set([...own.values()].map(({ storedName }) => storedName));
  const left = [...all.keys()].filter((name) => !used.has(name));
  const aside = new Set([...inside.values()].map(({ storedName }) => storedName).filter((name) => !known.has(name)));
  return {
    prefixStripped: prefix ?? rule.strip,
    prefixAdded: rule.add,
    named,
    unexpected: left.filter((name) => !aside.has(name)).map((storedName) => ({
      storedName,
      storedShape: tensors.get(storedName)!.shape,
    })),
    ignored: left.filter((name) => aside.has(name)),
  };
}

function withoutPrefix(
  tensors: ReadonlyMap<string, NamedTensor>,
  prefix: string,
): ReadonlyMap<string, NamedTensor> {
  const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
  if (inside.length === 0) {
    const first = [...tensors.keys()][0];
    throw new RangeError(
      `Cannot load weights: nothing has the prefix: got "${prefix}", expected the beginning of a name such as "${
        first ?? ""
      }". Leave prefix out to have it found.`,
    );
  }
  return new Map(inside.map(([name, entry]) => [name.slice(prefix.length), entry]));
}

/** nnU-Net's state dicts name every convolution and norm twice. */
function isNnUNet(tensors: ReadonlyMap<string, unknown>): boolean {
  return [...tensors.keys()].some((name) => /(^|\.)all_modules\.\d+\.|(^|\.)decoder\.seg_layers\.\d+\./.test(name));
}

/** The published self-supervised weights of Swin UNETR name the layers of an MLP as the Swin transformer's authors do. */
function withSynonym(name: string | undefined, wanted: ReadonlySet<string>): string | undefined {
  if (name === undefined || wanted.has(name)) return name;
  return name.replace(/\.mlp\.fc([12])\./, ".mlp.linear$1.");
}
