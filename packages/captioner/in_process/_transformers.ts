/** What of transformers.js is used. */
export interface Transformers {
  /** Settings of the whole module. */
  readonly env: {
    allowRemoteModels: boolean;
    allowLocalModels: boolean;
    localModelPath: string;
    useBrowserCache?: boolean;
  };
  /** Pictures as models take them. */
  readonly RawImage: new (
    data: Uint8ClampedArray,
    width: number,
    height: number,
    channels: number,
  ) => { rgb(): unknown };
  /** Loads a model for a task. */
  pipeline(task: "image-to-text", model: string, options: object): Promise<ImageToText>;
}

/** A model that says something of a picture. */
export interface ImageToText {
  (image: unknown, options: object): Promise<readonly { readonly generated_text: string }[]>;
  dispose(): Promise<unknown>;
}

/** Loaded by name at run time: half a gigabyte that nobody but users of models in process need must not stand in the lock file. */
const PACKAGE: string = "npm:@huggingface/transformers@4.3.1";

/** Loads transformers.js: the npm package alone, never weights. @throws Error (as a rejection) when it cannot be had. */
export async function loadTransformers(): Promise<Transformers> {
  try {
    return await import(PACKAGE);
  } catch (cause) {
    throw new Error(
      `Cannot load transformers.js: the package is not there: got ${(cause as Error).message}, expected ${PACKAGE}. ` +
        `Run "deno cache ${PACKAGE}" once where the npm registry can be reached.`,
      { cause },
    );
  }
}
