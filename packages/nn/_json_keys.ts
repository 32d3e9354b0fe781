/**
 * Finds a key that one object of a JSON text holds twice, which `JSON.parse` would silently resolve to the last. The text must have
 * passed `JSON.parse` already. Keys are compared as decoded, so that escapes hide nothing.
 */
export function findDuplicateKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // keys of each open object; undefined for an array
  let keyExpected = false;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case "{":
        open.push(new Set());
        keyExpected = true;
        break;
      case "[":
        open.push(undefined);
        keyExpected = false;
        break;
      case "}":
      case "]":
        open.pop();
        keyExpected = false;
        break;
      case ",":
        keyExpected = open.at(-1) !== undefined;
        break;
      case '"': {
        const start = i++;
        while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
        if (keyExpected) {
          const key: string = JSON.parse(json.slice(start, i + 1));
          const keys = open.at(-1);
          if (keys?.has(key)) return key;
          keys?.add(key);
          keyExpected = false;
        }
        break;
      }
    }
  }
  return undefined;
}
