/** What of a JavaScript runtime's global scope tells environment variables. */
interface RuntimeScope {
  readonly Deno?: {
    readonly env: { get(name: string): string | undefined };
    readonly permissions: { querySync(descriptor: { name: "env"; variable: string }): { readonly state: string } };
  };
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
}

/** Reads an environment variable where there is one to be read without asking the user; undefined in a browser. */
export function readEnvironment(name: string): string | undefined {
  const { Deno: deno, process } = globalThis as RuntimeScope;
  if (deno) {
    return deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
      ? deno.env.get(name)
      : undefined;
  }
  return process?.env?.[name];
}
