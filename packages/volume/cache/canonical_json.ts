/**
 * Writes plain data as JSON that depends on what it says alone: keys in order of their code units, no white space, −0 as 0.
 *
 * @param value Null, booleans, strings, finite numbers, arrays and plain objects of these; keys whose value is `undefined` are left out.
 * @returns The text: equal for equal data, in whatever order their keys were set.
 * @throws TypeError for anything else (NaN, functions, dates, typed arrays, maps), naming where it stands, and for data that contain themselves.
 */
export function canonicalJson(value: unknown): string {
  return write(value, { path: "settings", around: new Set() });
}

interface Place {
  readonly path: string;
  /** Arrays and objects that the value lies in. */
  readonly around: ReadonlySet<unknown>;
}

function write(value: unknown, { path, around }: Place): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (around.has(value)) throw unusable(path, "data that contain themselves");
  const within = new Set(around).add(value);
  if (Array.isArray(value)) {
    return `[${value.map((item, index) => write(item, { path: `${path}[${index}]`, around: within })).join(",")}]`;
  }
  if (typeof value === "object" && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    const entries = Object.entries(value as object).filter(([, item]) => item !== undefined);
    const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${
      sorted.map(([key, item]) => `${JSON.stringify(key)}:${write(item, { path: `${path}.${key}`, around: within })}`)
        .join(",")
    }}`;
  }
  throw unusable(path, Object.prototype.toString.call(value) + (typeof value === "number" ? ` ${value}` : ""));
}

function unusable(path: string, got: string): TypeError {
  return new TypeError(
    `Cannot write canonical JSON: ${path} is no plain data: got ${got}, expected null, booleans, strings, finite numbers, arrays ` +
      `or plain objects. Turn it into one of these first.`,
  );
}
