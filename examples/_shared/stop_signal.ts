const SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];

/** A wish to stop that comes from outside; disposing stops listening. */
export interface StopSignal extends Disposable {
  /** Fires at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Listens for Ctrl-C and SIGTERM. The first asks the program to end in order, the second ends it at once. */
export function stopSignal(): StopSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) Deno.exit(130);
    console.log("\nStopping after the current step …");
    controller.abort(new Error("stopped from outside"));
  };
  for (const name of SIGNALS) Deno.addSignalListener(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => SIGNALS.forEach((name) => Deno.removeSignalListener(name, onSignal)),
  };
}
