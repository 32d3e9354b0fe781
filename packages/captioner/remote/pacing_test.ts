import { strict as assert } from "node:assert";
import { backoffMs, readRetryAfter } from "./_backoff.ts";
import { Pacer } from "./_pacer.ts";
import { type Clock, SYSTEM_CLOCK, TokenBucket } from "./_token_bucket.ts";

/** A clock that jumps to where it is asked to wait. */
function jumpingClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    sleep: (ms, signal) => {
      signal?.throwIfAborted();
      now += ms;
      return Promise.resolve();
    },
  };
}

Deno.test("TokenBucket: never more per minute than asked for beyond one burst, in order", async () => {
  const clock = jumpingClock();
  const bucket = new TokenBucket(60, clock);
  const order: number[] = [];
  const times = await Promise.all(Array.from({ length: 180 }, async (_, n) => {
    await bucket.take(1);
    order.push(n);
    return clock.now();
  }));
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  for (const start of [0, 30_000, 60_000, 100_000]) {
    const within = times.filter((time) => time >= start && time < start + 60_000 - 1e-6).length;
    assert.ok(within <= 66, `${within} in the minute from ${start}`);
  }
  assert.ok(Math.abs(times.at(-1)! - (180 - 6) * 1000) < 1, `${times.at(-1)}`);
});

Deno.test("TokenBucket: one larger than a burst goes into debt; what was taken too much comes back; a signal takes nothing", async () => {
  const clock = jumpingClock();
  const bucket = new TokenBucket(600, clock); // 60 at once, 10 a second
  await bucket.take(100);
  assert.equal(clock.now(), 0);
  await bucket.take(10);
  assert.ok(Math.abs(clock.now() - 5000) < 1e-3, `${clock.now()}`);
  bucket.giveBack(30);
  await bucket.take(30);
  assert.ok(Math.abs(clock.now() - 5000) < 1e-3);
  await assert.rejects(bucket.take(30, AbortSignal.abort(new Error("enough"))), /enough/);
  await bucket.take(10);
  assert.ok(Math.abs(clock.now() - 6000) < 1e-3, `${clock.now()}`);
});

Deno.test("Pacer: a pause holds all back, and the longest one counts", async () => {
  const clock = jumpingClock();
  const pacer = new Pacer({}, clock);
  const one = { promptTokens: 1, completionTokens: 1 };
  pacer.pause(500);
  pacer.pause(200);
  await pacer.turn(one);
  assert.equal(clock.now(), 500);
  await pacer.turn(one);
  assert.equal(clock.now(), 500);
});

Deno.test("SYSTEM_CLOCK.sleep: ends with the signal's reason, at once where it has fired", async () => {
  await assert.rejects(SYSTEM_CLOCK.sleep(60_000, AbortSignal.abort(new Error("before"))), /before/);
  const controller = new AbortController();
  const waiting = SYSTEM_CLOCK.sleep(60_000, controller.signal);
  controller.abort(new Error("while"));
  await assert.rejects(waiting, /while/);
});

Deno.test("backoffMs: doubles up to the most, with jitter that differs by slice and not by run", () => {
  const options = { baseDelayMs: 100, maxDelayMs: 1000 };
  for (const failures of [1, 2, 3, 4, 5, 9]) {
    const full = Math.min(1000, 100 * 2 ** (failures - 1));
    const waits = Array.from({ length: 50 }, (_, seed) => backoffMs(failures, `${seed}`, options));
    assert.ok(waits.every((ms) => ms >= full / 2 && ms <= full), `${failures}`);
    assert.ok(new Set(waits).size > 40);
    assert.equal(backoffMs(failures, "7", options), waits[7]);
  }
});

Deno.test("readRetryAfter: seconds and dates of HTTP; anything else is none", () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  assert.equal(readRetryAfter("120", now), 120_000);
  assert.equal(readRetryAfter(" 1.5 ", now), 1500);
  assert.equal(readRetryAfter("Fri, 02 Jan 2026 03:05:05 GMT", now), 60_000);
  assert.equal(readRetryAfter("Fri, 02 Jan 2026 03:00:00 GMT", now), 0);
  for (const other of [undefined, "", "-5", "soon", "1e9", "2026-01-02", "NaN"]) {
    assert.equal(readRetryAfter(other, now), undefined, `${other}`);
  }
});
