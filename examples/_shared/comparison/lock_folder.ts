import process from "node:process";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

const LOCK_FILE = "lock";

/**
 * Claims a folder for this process, so that two comparisons do not run the same cell at once. A claim of a process that is gone is taken over.
 *
 * @throws Error when a process that runs holds it.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, LOCK_FILE);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(String(Deno.pid));
      await file.close();
      return { [Symbol.asyncDispose]: async () => await rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const holder = Number(await readFile(path, "utf8").catch(() => ""));
      if (isRunning(holder)) {
        throw new Error(
          `Cannot compare in ${folder}: process ${holder} does so already. Wait for it, or stop it and start again.`,
        );
      }
      await rm(path, { force: true });
    }
  }
  throw new Error(`Cannot compare in ${folder}: another process took it a moment ago. Try again.`);
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
