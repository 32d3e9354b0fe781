/// <reference lib="dom" />
/** The viewer's program in the browser: shows a case's scan with its label maps in three planes and from outside. */
import { Niivue, NVImage } from "@niivue/niivue";
import type { ServedCase } from "./serve.ts";

/** Colours of labels 1, 2, …, taken in turn; 0 is clear. */
const COLOURS = [[230, 75, 60], [70, 170, 90], [75, 130, 235], [245, 190, 60], [165, 95, 205], [70, 195, 200]] as const;
const LABELS = 256;

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const message = element("message");
const picker = element<HTMLSelectElement>("case");
const cases = await (await fetch("/cases.json")).json() as ServedCase[];

const viewer = new Niivue({
  backColor: [0, 0, 0, 1],
  isColorbar: false,
  dragAndDropEnabled: false,
  isRadiologicalConvention: false,
  sagittalNoseLeft: false,
});
viewer.onLocationChange = (place) => {
  const { mm, values } = place as { mm: ArrayLike<number>; values: { name: string; value: number }[] };
  const at = Array.from(mm).slice(0, 3).map((x) => x.toFixed(1)).join(", ");
  const layers = cases[picker.selectedIndex]!.layers;
  element("place").textContent = `${at} mm; ` +
    values.map(({ value }, index) => `${layers[index]} ${Number(value.toFixed(4))}`).join(", ");
};
await viewer.attachToCanvas(element<HTMLCanvasElement>("canvas"));

/** Gives each label a colour of its own and draws it without blending neighbours. */
function colourLabels(map: NVImage): void {
  const values = Array.from({ length: LABELS }, (_, label) => label);
  const channel = (index: 0 | 1 | 2): number[] =>
    values.map((label) => label === 0 ? 0 : COLOURS[(label - 1) % COLOURS.length]![index]);
  map.setColormapLabel({
    R: channel(0),
    G: channel(1),
    B: channel(2),
    A: values.map((label) => label === 0 ? 0 : 255),
    I: values,
    labels: values.map(String),
  });
}

async function loadLayer(address: string, name: string): Promise<NVImage> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
  return await NVImage.loadFromUrl({ url: address, buffer: await response.arrayBuffer(), name: `${name}.nii` });
}

async function show(index: number): Promise<void> {
  document.body.dataset.shown = "";
  message.textContent = "Loading …";
  while (viewer.volumes.length > 0) viewer.removeVolumeByIndex(0);
  for (const layer of ["reference", "prediction"] as const) element<HTMLInputElement>(layer).disabled = true;
  try {
    const { layers } = cases[index]!;
    for (const layer of layers) {
      const loaded = await loadLayer(`/scans/${index}/${layer}.nii`, layer);
      if (layer !== "image") {
        colourLabels(loaded);
        const slider = element<HTMLInputElement>(layer);
        slider.disabled = false;
        loaded.opacity = Number(slider.value);
      }
      viewer.addVolume(loaded);
    }
    message.textContent = "";
    document.body.dataset.shown = String(index);
  } catch (error) {
    message.textContent = (error as Error).message;
  }
}

for (const { id } of cases) picker.add(new Option(id));
picker.addEventListener("change", () => show(picker.selectedIndex));
for (const layer of ["reference", "prediction"] as const) {
  const slider = element<HTMLInputElement>(layer);
  slider.addEventListener("input", () => {
    const index = cases[picker.selectedIndex]!.layers.indexOf(layer);
    if (index >= 0 && index < viewer.volumes.length) viewer.setOpacity(index, Number(slider.value));
  });
}
element<HTMLFormElement>("go").addEventListener("submit", (event) => {
  event.preventDefault();
  const target = element<HTMLInputElement>("target").value.split(/[\s,;]+/).map(Number);
  if (target.length !== 3 || !target.every(Number.isFinite)) {
    message.textContent = "Three numbers are needed, such as 10, -20, 5.";
    return;
  }
  message.textContent = "";
  viewer.scene.crosshairPos = viewer.mm2frac([target[0]!, target[1]!, target[2]!]);
  viewer.createOnLocationChange();
  viewer.drawScene();
});
await show(0);
