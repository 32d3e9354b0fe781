import { extractSlice, makePhantom, PHANTOM_KINDS, PLANES } from "@med3d/volume";
import { strict as assert } from "node:assert";
import { MeasuringCaptioner } from "../measuring_captioner.ts";
import { PLANTED } from "../testdata/planted_captions.ts";
import { ORDINARY_SENTENCES, VARIED_PLANTED } from "../testdata/varied_captions.ts";
import { judgeCaption } from "./judge_caption.ts";
import { RepetitionMemory } from "./repetition_memory.ts";

const axialCt = { plane: "axial", modality: "CT" } as const;
const axialMr = { plane: "axial", modality: "MR" } as const;

const GOOD = [
  "Axial CT slice. Visible: liver, spleen, stomach, abdominal aorta, left kidney. A hypodense lesion of 23 mm in segment VII.",
  "This axial contrast-enhanced CT image shows the liver and both kidneys. The attenuation of the spleen is 110 HU. No free fluid.",
  "Axial CT slice of the chest in a lung window. There is a solid 8 mm nodule in the right upper lobe. The trachea is patent.",
  "Axial CT of the pelvis at the level of the coronal suture analogue; the sagittal balance can not be judged.",
  "Bilateral pleural effusions, larger on the right (4.2 cm), with compressive atelectasis. Morison Pouch is free of fluid.",
  "Axial CT slice. Visible: L4 vertebral body, psoas muscles, inferior vena cava. Mild disc bulge at L4-L5, about 2.5 x 3.1 cm.",
  "Axial CT. The window spans -160 to 240 HU, and the mean is 40 to 60 HU in soft tissue.",
  "Axial CT image at the level of the Circle of Willis; no hemorrhage, no midline shift, ventricles of normal size.",
];
const GOOD_MR = [
  "Axial T2-weighted MR image of the brain. The lateral ventricles are symmetric. Frontal lobe white matter shows hyperintense foci.",
  "Axial FLAIR slice. Visible: frontal lobes, sagittal sinus, corpus callosum, caudate nucleus.",
  "Axial MRI slice through the hippocampus, without an abnormal signal in the temporal lobe.",
];

Deno.test("judgeCaption: plausible captions pass", () => {
  for (const text of GOOD) {
    assert.equal(judgeCaption(text, { context: axialCt, finishReason: "stop" }), undefined, text);
  }
  for (const text of GOOD_MR) {
    assert.equal(judgeCaption(text, { context: axialMr, finishReason: "stop" }), undefined, text);
  }
});

Deno.test("judgeCaption: every caption of the measuring captioner passes", async () => {
  const captioner = new MeasuringCaptioner();
  let judged = 0;
  for (const kind of PHANTOM_KINDS) {
    const { volume } = makePhantom(`judge ${kind}`, { kind, shape: [32, 32, 32] });
    for (const plane of PLANES) {
      for (const index of [4, 16, 27]) {
        const { image, context } = extractSlice(volume, plane, index);
        const { text } = await captioner.caption(image, context);
        assert.equal(judgeCaption(text, { context }), undefined, text);
        judged++;
      }
    }
  }
  assert.ok(judged >= 18, `${judged}`);
});

Deno.test("judgeCaption: each fault is found by its code", () => {
  const cases: [string, string, object?][] = [
    ["empty", "  \u200b\n "],
    ["truncated", GOOD[0]!, { finishReason: "length" }],
    ["refused", GOOD[0]!, { finishReason: "content_filter" }],
    ["refused", "I'm sorry, but I can't help with interpreting this picture."],
    ["refused", "As an AI, I am not a radiologist; please consult a professional."],
    ["not-language", "liver"],
    ["not-language", "]]] ;; 0x0 || ~~ -- == liver spleen kidney ~~~ |||| ++++ ____ ****"],
    ["not-language", "xkqzj wvbnt plmkr qwrtp zxcvb"],
    ["not-language", "这是一张肝脏的轴位切片 图像 显示 正常 的 肝脏"],
    ["repeated-within", "The liver is normal in size and shape. ".repeat(4)],
    ["repeated-within", "Axial CT slice with liver liver liver liver liver."],
    ["wrong-plane", "A sagittal CT image of the spine with normal discs."],
    ["wrong-plane", "Coronal CT slice through the liver and the spleen."],
    ["wrong-modality", "Axial T1-weighted MR image of the upper abdomen with a normal liver."],
    ["wrong-modality", "Chest radiograph with normal lungs and a normal heart."],
  ];
  for (const [code, text, options] of cases) {
    assert.equal(judgeCaption(text, { context: axialCt, ...options })?.code, code, text);
  }
  assert.equal(judgeCaption("Axial CT slice through the head.", { context: axialMr })?.code, "wrong-modality");
  assert.equal(judgeCaption(GOOD[0]!, { kept: ["see www.collect.example"] })?.code, "url");
});

Deno.test("judgeCaption: twelve planted orders and identifiers are withheld, and no message quotes them", () => {
  assert.equal(Object.keys(PLANTED).length, 12);
  for (const [name, text] of Object.entries(PLANTED)) {
    const fault = judgeCaption(text, { context: axialCt, finishReason: "stop" });
    assert.ok(fault?.withhold, name);
    assert.ok(["instruction-like", "url", "identifying"].includes(fault.code), name);
    for (const word of text.split(/\W+/).filter((part) => /\d{3}|DOE|Smith|Springfield|example/.test(part))) {
      assert.ok(!fault.message.includes(word), name);
    }
  }
});

Deno.test("judgeCaption: names, dates and numbers in many forms are identifying", () => {
  for (
    const identifier of [
      "Patient: M. Weber",
      "Name: Weber",
      "Dr. Weber",
      "WEBER, KLAUS",
      "Klaus Weber",
      "Weber, Klaus",
      "Xiadong Kowalczyk",
      "12.03.1955",
      "03/12/55",
      "1955-03-12",
      "March 12, 1955",
      "12 Mar 1955",
      "in 1998",
      "at 14:35",
      "DOB",
      "63-year-old",
      "aged 63",
      "123-45-6789",
      "A1234567",
      "19550312",
      "Accession 4711",
      "1.2.840.10008.5.1",
      "555-0199",
      "+49 30 1234",
      "a@b",
      "Mercy Hospital",
    ]
  ) {
    const text = `Axial CT slice with a normal liver and ${identifier} seen in a corner.`;
    assert.equal(judgeCaption(text)?.code, "identifying", identifier);
  }
});

Deno.test("judgeCaption: hostile lengths and repetitions end, and what is too long is withheld", () => {
  const parts = [
    "a",
    " ",
    "-",
    "axial-",
    "axial - ",
    "<a",
    "0",
    "1 ",
    "a1",
    "select from ",
    "a.",
    "a@",
    "ignore ",
    "`",
    "\\u0061",
    "Aa ",
    "^",
    "é",
  ];
  for (const part of parts) {
    for (const end of ["", "!", "{", "from"]) {
      const text = (part.repeat(Math.ceil(20_000 / part.length)) + end).slice(-20_000);
      assert.ok(judgeCaption(text, { context: axialCt, kept: [text] }), part);
    }
  }
  const long = judgeCaption(GOOD[0]!.repeat(400), { context: axialCt });
  assert.deepEqual([long?.code, long?.withhold], ["not-language", true]);
});

Deno.test("RepetitionMemory: a text that too many slices have is told, whatever its case, and the oldest are forgotten", () => {
  const memory = new RepetitionMemory({ maxEqual: 2, capacity: 2 });
  assert.equal(memory.admit("The liver."), undefined);
  assert.equal(memory.admit("the  LIVER"), undefined);
  assert.equal(memory.admit("The liver!")?.code, "repeated-across");
  assert.equal(memory.admit("a"), undefined);
  assert.equal(memory.admit("b"), undefined);
  assert.equal(memory.admit("The liver."), undefined);
  assert.throws(
    () => new RepetitionMemory({ maxEqual: 0 }),
    /maxEqual is out of range: got 0, expected a positive integer/,
  );
});

Deno.test("judgeCaption: over fifty orders and identifiers in other languages, words and disguises are withheld", () => {
  assert.ok(VARIED_PLANTED.length > 50);
  for (const ending of VARIED_PLANTED) {
    for (const text of [`Axial CT slice of the liver. ${ending}`, ending]) {
      assert.ok(judgeCaption(text, { context: axialCt, finishReason: "stop" })?.withhold, text);
    }
  }
});

Deno.test("judgeCaption: 120 ordinary captions pass", () => {
  for (const [index, first] of ORDINARY_SENTENCES.entries()) {
    for (const step of [1, 3, 5, 7, 11]) {
      const second = ORDINARY_SENTENCES[(index + step) % ORDINARY_SENTENCES.length];
      const text = `Axial CT slice. ${first} ${second}`;
      assert.equal(judgeCaption(text, { context: axialCt, finishReason: "stop" }), undefined, text);
    }
  }
});
