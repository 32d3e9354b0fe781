import { CorruptVolumeError, findingOf } from "@med3d/volume";
import { setImmediate } from "node:timers";
import type { SliceToCaption } from "../caption_slices.ts";
import type { PreparedCaption } from "../contract.ts";
import { prepareCaption } from "../remote/caption_record.ts";
import { CaptionerStoppedError } from "../remote/caption_refused_error.ts";
import { CaptionStoreError } from "../store/caption_store_error.ts";
import { weighBudget } from "./_budget.ts";
import { OutcomeWriter } from "./_outcome_writer.ts";
import { Slots } from "./_slots.ts";
import type { CaptionRunResult, CaptionScansOptions } from "./caption_scans.ts";
import { recordOf } from "./_record_of.ts";
import { countOutcome, noTotals } from "./run_totals.ts";
import { keyed, type ScanToCaption, selectionKey } from "./scan_to_caption.ts";
import { sleep } from "./_sleep.ts";

type Settings = CaptionScansOptions & Required<Pick<CaptionScansOptions, "inFlight" | "leaseMs" | "maxMissingInRow">>;

/** A scan whose slices are known by their hashes. */
interface KnownScan {
  readonly scan: ScanToCaption;
  readonly volume: string | undefined;
  readonly keys: readonly string[];
}

/** Slices of a scan that are this run's to ask about. */
interface Work extends KnownScan {
  readonly slices: ReadonlyMap<string, SliceToCaption>;
}

/** Asks about a slice and writes down what became of it. Does not reject. */
type Task = () => Promise<void>;

/** How long a run that waits for another's slices sleeps at most before it looks again, in milliseconds. */
const LOOK_AGAIN_MS = 1000;

/** One run of `captionScans`. */
export class CaptionRun {
  readonly #settings: Settings;
  readonly #owner = crypto.randomUUID();
  readonly #totals = noTotals();
  readonly #slots: Slots;
  readonly #writer: OutcomeWriter;
  /** Slices that this run claimed and is not done with. */
  readonly #busy = new Set<string>();
  /** Slices that this run got no caption for, and does not ask about again. */
  readonly #givenUp = new Set<string>();
  /** Scans of which other runs have slices, or this one by way of another scan. */
  #deferred: KnownScan[] = [];
  #missingInRow = 0;
  #ended: CaptionRunResult["endedEarly"];
  #fault: { readonly error: unknown } | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#slots = new Slots(settings.inFlight);
    this.#writer = new OutcomeWriter(settings.store);
  }

  async run(scans: Iterable<ScanToCaption> | AsyncIterable<ScanToCaption>): Promise<CaptionRunResult> {
    const { store, leaseMs } = this.#settings;
    const owner = this.#owner;
    const heartbeat = setInterval(() => {
      try {
        store.claims.renew({ owner, leaseMs });
      } catch (error) {
        this.#fault ??= { error };
      }
    }, leaseMs / 3);
    try {
      await this.#work(this.#found(scans));
      while (this.#deferred.length > 0 && !this.#stopping()) await this.#workOnDeferred();
    } catch (error) {
      this.#fault ??= { error };
    }
    await this.#slots.allEnded();
    clearInterval(heartbeat);
    try {
      store.claims.release(owner);
    } catch (error) {
      this.#fault ??= { error };
    }
    if (this.#fault) throw this.#fault.error;
    return { ...this.#totals, ...(this.#ended && { endedEarly: this.#ended }) };
  }

  /** Whether nothing new is to be asked. */
  #stopping(): boolean {
    const { signal } = this.#settings;
    if (signal?.aborted) this.#ended ??= { cause: "signal", reason: "stopped from outside" };
    return this.#ended !== undefined || this.#fault !== undefined;
  }

  /** Asks about all slices of work, reading the next scan while those of the last are in flight. */
  async #work(source: AsyncGenerator<Work>): Promise<void> {
    const ahead: Task[] = []; // rendered, so that their requests leave as soon as there is a place
    let next = source.next();
    const stop = async (): Promise<void> => {
      await next.catch(() => {});
      await source.return(undefined);
    };
    while (true) {
      let read = false;
      next.then(() => read = true, () => read = true);
      while (!read && ahead.length > 0) {
        await Promise.race([next, this.#slots.oneEnded()]);
        if (!await this.#start(ahead, this.#settings.inFlight)) return await stop();
      }
      const { value, done } = await next;
      if (done) return void await this.#start(ahead, 0);
      next = source.next();
      next.catch(() => {}); // it is awaited in the next round
      for (const [key, slice] of value.slices) {
        ahead.push(this.#prepared(key, slice, value));
        if (!await this.#start(ahead, this.#settings.inFlight)) return await stop();
        await this.#letRequestsLeave();
      }
    }
  }

  /**
   * Lets requests leave, and answers in, before the next slice is rendered: else those that start together wait for each other's pictures.
   * Sockets need the runtime to wait for an event: with immediates alone, Deno looks at them once in 61 turns.
   */
  async #letRequestsLeave(): Promise<void> {
    const { sendsTo } = this.#settings.captioner;
    await new Promise<void>((resolve) => sendsTo === undefined ? setImmediate(resolve) : setTimeout(resolve, 0));
  }

  /** Starts what is ready while places are free, and waits for places until at most so many are left. @returns Whether to go on. */
  async #start(ready: Task[], most: number): Promise<boolean> {
    while (ready.length > 0 && (ready.length > most || this.#slots.active < this.#settings.inFlight)) {
      if (!await this.#mayStart()) return false;
      this.#slots.start(ready.shift()!);
    }
    return !this.#stopping();
  }

  async #mayStart(): Promise<boolean> {
    await this.#slots.free();
    while (!this.#stopping()) {
      const verdict = weighBudget(this.#totals, this.#slots.active, this.#settings);
      if (verdict === "go") return true;
      if (verdict === "wait") await this.#slots.oneEnded();
      else this.#ended = { cause: "budget", reason: verdict.spent };
    }
    return false;
  }

  /** Looks at scans one after the other and reads those with slices to ask about. */
  async *#found(scans: Iterable<ScanToCaption> | AsyncIterable<ScanToCaption>): AsyncGenerator<Work> {
    for await (const scan of scans) {
      if (this.#stopping()) return;
      try {
        const work = await this.#look(scan);
        if (work) yield work;
      } catch (error) {
        if (error instanceof CaptionStoreError) throw error; // the scan is not to blame
        this.#report(scan, error as Error);
      }
      this.#totals.scans++;
      this.#settings.onProgress?.(this.#totals);
    }
  }

  async #look(scan: ScanToCaption): Promise<Work | undefined> {
    const { selections } = this.#settings.store;
    const volume = await scan.identify?.();
    const selection = volume === undefined ? undefined : selectionKey(volume, scan.choice ?? "");
    const chosen = selection === undefined ? undefined : selections.get(selection);
    if (chosen) {
      this.#totals.slices += chosen.length;
      return await this.#take({ scan, volume, keys: chosen });
    }
    const slices = await keyed(scan);
    const keys = [...slices.keys()];
    if (selection !== undefined) selections.put(selection, keys);
    this.#totals.slices += keys.length;
    return await this.#take({ scan, volume, keys }, slices);
  }

  /** Claims what it can of a scan and reads it where that is needed. */
  async #take(
    known: KnownScan,
    read?: ReadonlyMap<string, SliceToCaption>,
  ): Promise<Work | undefined> {
    const { store, captioner, leaseMs } = this.#settings;
    const [busy, open] = [[] as string[], [] as string[]];
    for (const key of known.keys) if (!this.#givenUp.has(key)) (this.#busy.has(key) ? busy : open).push(key);
    const { claimed, elsewhere, done } = store.claims.claim(open, captioner.id, { owner: this.#owner, leaseMs });
    this.#totals.done += done.length;
    for (const key of claimed) this.#busy.add(key);
    const later = [...busy, ...elsewhere];
    if (later.length > 0) this.#deferred.push({ ...known, keys: later });
    if (claimed.length === 0) return undefined;
    try {
      const all = read ?? await keyed(known.scan);
      const slices = new Map(claimed.flatMap((key) => {
        const slice = all.get(key);
        return slice ? [[key, slice] as const] : [];
      }));
      if (slices.size < claimed.length) {
        throw new Error("reading it again gave other slices than before. Let nothing change the file, then run again");
      }
      return { ...known, slices };
    } catch (error) {
      this.#giveUp(claimed);
      throw error;
    }
  }

  #giveUp(keys: readonly string[]): void {
    for (const key of keys) {
      this.#busy.delete(key);
      this.#givenUp.add(key);
    }
    this.#settings.store.claims.release(this.#owner, keys);
  }

  #prepared(key: string, slice: SliceToCaption, work: Work): Task {
    const ask = prepareCaption(work.scan.captioner ?? this.#settings.captioner, slice);
    return () => this.#ask(ask, { key, slice }, work);
  }

  async #ask(
    ask: PreparedCaption,
    { key, slice }: { readonly key: string; readonly slice: SliceToCaption },
    { volume }: Work,
  ): Promise<void> {
    try {
      const record = await recordOf(ask, { key, captionerId: this.#settings.captioner.id });
      const { status } = record;
      if (status === "missing") {
        this.#giveUp([key]);
        this.#report({ id: key }, new Error(record.reason ?? "no reason was given"), "caption-missing");
        if (++this.#missingInRow >= this.#settings.maxMissingInRow) {
          const reason = `${this.#missingInRow} slices in a row got no caption, the last: ${record.reason}`;
          this.#ended ??= { cause: "captioner", reason };
        }
      } else {
        const { modality, plane, index, count } = slice.context;
        const origin = volume === undefined ? undefined : { volume, modality, plane, index, count };
        await this.#writer.write({ ...record, status, sliceHash: key, ...(origin && { origin }) });
        this.#busy.delete(key);
        this.#missingInRow = 0;
      }
      countOutcome(this.#totals, record);
      this.#settings.onProgress?.(this.#totals);
    } catch (error) {
      if (error instanceof CaptionerStoppedError) {
        this.#ended ??= { cause: "captioner", reason: error.message };
      } else this.#fault ??= { error };
    }
  }

  /** Waits until another run may be done with its slices or gave them up, and works on what came free. */
  async #workOnDeferred(): Promise<void> {
    const { store, captioner, signal } = this.#settings;
    await this.#slots.allEnded(); // equal slices of two scans are free or done then
    const waiting = this.#deferred;
    this.#deferred = [];
    await this.#work(this.#takeAll(waiting));
    if (this.#deferred.length === 0 || this.#stopping()) return;
    const keys = this.#deferred.flatMap((known) => known.keys);
    const expiry = store.claims.firstExpiryMs(keys, captioner.id) ?? 0;
    await sleep(Math.max(20, Math.min(LOOK_AGAIN_MS, expiry - Date.now())), signal);
  }

  async *#takeAll(waiting: readonly KnownScan[]): AsyncGenerator<Work> {
    for (const known of waiting) {
      if (this.#stopping()) return;
      try {
        const work = await this.#take(known);
        if (work) yield work;
      } catch (error) {
        if (error instanceof CaptionStoreError) throw error;
        this.#report(known.scan, error as Error);
      }
      this.#settings.onProgress?.(this.#totals);
    }
  }

  #report({ id }: { readonly id: string }, error: Error, code = "unusable-scan"): void {
    this.#settings.onFinding?.(
      error instanceof CorruptVolumeError ? findingOf(error, id) : {
        severity: code === "unusable-scan" ? "error" : "warning",
        ...{ code, path: id, message: error.message },
        fix: code === "unusable-scan" ? "Mend or remove the scan." : "Run again to ask once more.",
      },
    );
  }
}
