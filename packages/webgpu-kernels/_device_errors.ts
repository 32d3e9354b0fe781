/** What devices have reported since the last look. */
let reported: string[] = [];

/** Takes what devices have reported since the last look: errors caught in scopes and uncaught ones alike. */
function takeDeviceErrors(): string[] {
  const taken = reported;
  reported = [];
  return taken;
}

/** Runs a test and, unless it asks for them, fails with the errors that devices reported, beside its own failure. */
export async function failOnDeviceErrors(asksForErrors: boolean, test: () => Promise<void>): Promise<void> {
  takeDeviceErrors();
  let failure: unknown;
  try {
    await test();
  } catch (error) {
    failure = error;
  }
  const errors = takeDeviceErrors();
  if (errors.length > 0 && !asksForErrors) { // tools/run_tests.ts counts these
    throw new Error(`WebGPU reported errors: got ${errors.length}, expected 0. ${errors.join("; ")}`, {
      cause: failure,
    });
  }
  if (failure !== undefined) throw failure;
}

/** Listens to a device for good. */
function listen(device: GPUDevice): void {
  device.addEventListener("uncapturederror", (event) => {
    reported.push((event as unknown as { readonly error: { readonly message: string } }).error.message); // typed or not, by the libraries in force
  });
  const popErrorScope = device.popErrorScope.bind(device);
  device.popErrorScope = async () => {
    const error = await popErrorScope();
    if (error) reported.push(error.message);
    return error;
  };
}

const adapters = (globalThis as { GPUAdapter?: typeof GPUAdapter }).GPUAdapter?.prototype;
if (adapters) {
  const requestDevice = adapters.requestDevice;
  adapters.requestDevice = async function (...args): Promise<GPUDevice> {
    const device = await requestDevice.apply(this, args);
    listen(device);
    return device;
  };
}
