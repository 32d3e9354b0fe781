import { CorruptVolumeError, type Finding } from "../findings.ts";
import type { DataFolder } from "./_data_folder.ts";
import { listNpz, type NpzArray, readNpzArray } from "./_npz.ts";
import { type ListedCase, type PickOptions, type Recognised, testFinding } from "./_recognised.ts";

const SPLITS = [["train", "train"], ["val", "validation"], ["test", undefined]] as const;

/** The archive of a folder that holds nothing else to be taken for scans. */
export function findArchive(folder: DataFolder): string | undefined {
  if (folder.list !== undefined && /\.npz$/i.test(folder.list)) return folder.list;
  const isAlone = folder.files.length === 0 && folder.archives.length === 1;
  return folder.list === undefined && isAlone ? folder.archives[0] : undefined;
}

/**
 * Reads the lists of a MedMNIST archive: an item of `train_images`, `val_images` or `test_images` is a scan, its row of `…_labels` its classes.
 */
export async function recogniseMedmnist(
  folder: DataFolder,
  archive: string,
  options: PickOptions,
): Promise<Recognised> {
  const path = folder.pathOf(archive);
  const arrays = new Map((await listNpz(path)).map((array) => [array.name, array]));
  const findings: Finding[] = [];
  const cases: ListedCase[] = [];
  for (const [name, split] of SPLITS) {
    const images = arrays.get(`${name}_images`);
    if (!images) continue;
    const count = countOfItems(images, path);
    if (name === "test" && !options.includeTest) {
      findings.push(...testFinding(path, count));
      continue;
    }
    const classes = await classesOf(arrays.get(`${name}_labels`), { path, count, findings });
    for (let index = 0; index < count; index++) {
      const id = `${name}/${String(index).padStart(String(count - 1).length, "0")}`;
      cases.push({
        image: archive,
        item: { array: images.name, index },
        name: id,
        subject: id,
        ...(split && { split }),
        ...(classes && { classLabels: classes[index]! }),
      });
    }
  }
  if (cases.length === 0) {
    throw new CorruptVolumeError("not-3d", {
      action: "index data set",
      path,
      problem: `it holds no train_images, val_images or test_images that are used, but ${
        [...arrays.keys()].slice(0, 12).map((name) => name.slice(0, 40)).join(", ") || "no arrays"
      }`,
      fix: "Give a MedMNIST archive, or name a single array to readNumpy.",
    });
  }
  findings.push({
    severity: "info",
    code: "no-geometry",
    path,
    message:
      "archives hold no geometry: voxels are taken as 1 mm, axes as depth, height, width in RAS+, items for persons of their own",
    fix: "Nothing, where no measure in millimetres matters.",
  });
  return { kind: "medmnist", title: "MedMNIST archive", modality: "unknown", cases, others: [], findings };
}

function countOfItems({ name, header: { shape } }: NpzArray, path: string): number {
  if (shape.length === 4 || (shape.length === 5 && shape[4] === 1)) return shape[0]!;
  throw new CorruptVolumeError("not-3d", {
    action: "index data set",
    path,
    problem: `its array ${name} has the shape (${shape.join(", ")}), expected (items, depth, height, width)`,
    fix: "Use one of MedMNIST's 3D sets.",
  });
}

async function classesOf(
  array: NpzArray | undefined,
  { path, count, findings }: { readonly path: string; readonly count: number; readonly findings: Finding[] },
): Promise<readonly (readonly number[])[] | undefined> {
  if (!array) return undefined;
  const { shape } = array.header;
  const values = await readNpzArray(path, array.name);
  if (shape[0] !== count || !values) {
    const message = `${array.name} has the shape (${
      shape.join(", ")
    }), which does not go with ${count} items; no classes are taken from it`;
    findings.push({ severity: "warning", code: "bad-classes", path, message, fix: "Look for the right archive." });
    return undefined;
  }
  const { data } = values;
  const width = data.length / count;
  return Array.from({ length: count }, (_, index) => Array.from(data.subarray(index * width, (index + 1) * width)));
}
