import { strict as assert } from "node:assert";
import { dirname } from "node:path";
import {
  CorruptVolumeError,
  type Finding,
  listDicomSeries,
  readDicom,
  type ReadDicomOptions,
  readVolume,
} from "../mod.ts";
import { dicomCases, filesOf, valuesOf } from "./testdata/dicom_cases.ts";

const cases = await dicomCases();

for (const wanted of cases) {
  Deno.test(`readDicom: ${wanted.name}, as pydicom and nibabel read it`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      let path = folder;
      for (const [name, bytes] of filesOf(wanted.files)) {
        await Deno.mkdir(dirname(`${folder}/${name}`), { recursive: true });
        await Deno.writeFile(`${folder}/${name}`, bytes);
        if (wanted.single || wanted.open === name) path = `${folder}/${name}`;
      }
      const findings: Finding[] = [];
      const options: ReadDicomOptions = {
        ...(wanted.series && { series: wanted.series }),
        ...(wanted.segment && { segment: wanted.segment }),
        ...(wanted.irregular && { irregular: wanted.irregular }),
        onFinding: (finding) => findings.push(finding),
      };
      if (wanted.volumes) assert.equal((await listDicomSeries(path)).length, wanted.volumes);
      if (wanted.refused) {
        await assert.rejects(readDicom(path, options), (error) => {
          assert.ok(error instanceof CorruptVolumeError, String(error));
          assert.equal(error.code, wanted.refused, error.message);
          return true;
        });
        return;
      }
      const volume = await readDicom(path, options);
      assert.deepEqual(volume.shape, wanted.shape);
      if (wanted.dtype) assert.equal(volume.data.constructor.name.replace("Array", "").toLowerCase(), wanted.dtype);
      wanted.affine.forEach((value, i) =>
        assert.ok(Math.abs(value - volume.affine[i]!) < 1e-5, `affine ${volume.affine}`)
      );
      const values = valuesOf(wanted);
      const expected = wanted.dtype === "float32" ? Float32Array.from(values) : values;
      assert.deepEqual(Array.from(volume.data), Array.from(expected));
      const { onFinding: _, ...choice } = options;
      assert.deepEqual((await readVolume(path, choice)).data, volume.data);
      const codes = findings.map(({ code }) => code);
      assert.deepEqual(wanted.finding ? codes.includes(wanted.finding) : codes, wanted.finding ? true : []);
      for (const { message } of findings) assert.ok(volume.history.includes(message), "a finding in the history");
      assert.doesNotMatch(volume.history.join(), /Nobody|Made Up/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
