import { strict as assert } from "node:assert";
import { join } from "node:path";
import { runProgramFile, startProgram } from "./program.ts";

/** Folders of the same run, once stopped and gone on from, once whole. */
export interface ResumedRun {
  /** Stopped by SIGTERM in its training and resumed. */
  readonly stopped: string;
  /** Never stopped. */
  readonly whole: string;
}

/**
 * Runs a program that trains twice: once it is stopped by SIGTERM within its `steps` and resumed, once it runs through.
 *
 * @param flags Its flags without `--steps` and `--out`; checkpoints should be rarer than `steps`.
 * @throws AssertionError when it ends otherwise than it should.
 */
export async function runStoppedAndWhole(
  program: string,
  flags: readonly string[],
  { folder, steps }: { folder: string; steps: number },
): Promise<ResumedRun> {
  const [stopped, whole] = [join(folder, "stopped"), join(folder, "whole")];
  const all = [...flags, `--steps=${steps}`];
  const running = startProgram(program, [...all, `--out=${stopped}`]);
  await running.printed(new RegExp(`training \\d+/${steps}`));
  running.kill("SIGTERM");
  assert.equal((await running.ended).code, 130);
  for (const last of [[`--resume=${stopped}`], [...all, `--out=${whole}`]]) {
    const { code, stdout, stderr } = await runProgramFile(program, last);
    assert.equal(code, 0, stdout + stderr);
  }
  return { stopped, whole };
}
