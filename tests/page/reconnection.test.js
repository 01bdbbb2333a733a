import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Refused, Unreachable } from "../../voicebot/web/ui/static/http.js";
import { PacketWatch } from "../../voicebot/web/ui/static/peer.js";
import { Reconnection, backoff_ms, isTemporary } from "../../voicebot/web/ui/static/reconnection.js";

test("pauses double up to fifteen seconds, and vary by chance", () => {
  const pauses = [
    [0, 0],
    [0, 1],
    [3, 1],
    [9, 1],
  ].map(([retries, random]) => backoff_ms(retries, random));
  assert.deepEqual(pauses, [250, 500, 4_000, 15_000]);
});

test("a retry makes sense unless the server gave a reason that stays", () => {
  assert.equal(isTemporary(new Unreachable("no server")), true);
  /** @type {[string | undefined, number, boolean][]} */
  const refusals = [
    ["rate", 429, true],
    ["moving", 503, true],
    ["full", 503, false],
    ["day", 429, false],
    ["engines", 503, false],
    [undefined, 502, true],
    [undefined, 429, true],
    [undefined, 401, false],
  ];
  for (const [code, status, temporary] of refusals) {
    assert.equal(isTemporary(new Refused("", { code, status })), temporary, `${code} ${status}`);
  }
});

/** Lets everything run that waits for no timer. */
async function settle() {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** A reconnection whose attempts fail with these errors, then succeed. @param {unknown[]} errors */
function failing(...errors) {
  /** @type {unknown[]} */
  const told = [];
  const reconnection = new Reconnection({
    connect: async () => {
      const error = errors.shift();
      if (error) throw error;
      told.push("connected");
    },
    waiting: (retry) => told.push(retry),
    failed: (error) => told.push(error),
  });
  return { reconnection, told };
}

test("it retries until it is connected, and waits as long as the server asks", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { reconnection, told } = failing(
    new Unreachable("no server"),
    new Refused("", { code: "rate", retryAfter_s: 7 }),
  );
  reconnection.start(0);
  mock.timers.tick(500);
  await settle();
  mock.timers.tick(1_000);
  await settle();
  mock.timers.tick(6_000);
  await settle();
  assert.deepEqual(told, [1, 2, 3]);
  mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(told, [1, 2, 3, "connected"]);
  mock.timers.reset();
});

test("the first retry needs no pause if a new session can begin at once, but the next one does", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { reconnection, told } = failing(new Unreachable("no server"));
  reconnection.start(20_000, true);
  await settle();
  assert.deepEqual(told, [1, 2]);
  mock.timers.tick(1_000);
  await settle();
  assert.deepEqual(told, [1, 2, "connected"]);

  reconnection.start(5_000, true);
  await settle();
  assert.deepEqual(told.slice(3), [3], "a session that breaks again and again is not begun at once");
  mock.timers.reset();
});

test("it stops at a refusal that stays, and after ten retries", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const full = new Refused("full", { code: "full" });
  const refused = failing(full);
  refused.reconnection.start(0);
  refused.reconnection.retryNow();
  await settle();
  assert.deepEqual(refused.told, [1, full]);

  const gone = failing(...Array(20).fill(new Unreachable("no server")));
  gone.reconnection.start(0);
  for (let retry = 0; retry < 12; retry += 1) {
    mock.timers.tick(15_000);
    await settle();
  }
  assert.deepEqual(gone.told.slice(0, -1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.ok(gone.told.at(-1) instanceof Unreachable);
  mock.timers.reset();
});

test("a cancelled reconnection does nothing more", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { reconnection, told } = failing();
  reconnection.start(0);
  reconnection.cancel();
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual(told, [1]);
  mock.timers.reset();
});

test("after about a second without packets the watch is quiet, until one comes", () => {
  const watch = new PacketWatch(0);
  /** @type {[number, number, boolean][]} */
  const checks = [
    [1, 500, false],
    [1, 1_000, false],
    [1, 1_500, true],
    [1, 2_000, true],
    [2, 2_500, false],
    [2, 3_300, false],
    [2, 3_400, true],
  ];
  for (const [packets, now_ms, quiet] of checks) {
    watch.hasStopped(packets, now_ms);
    assert.equal(watch.isQuiet(now_ms), quiet, `at ${now_ms} ms`);
  }
});

test("packets that stop for four seconds break the connection, after a sleep for a second and a half", () => {
  /** @param {[number, number][]} checks packets and time */
  const stops = (...checks) => {
    const watch = new PacketWatch(0);
    return checks.map(([packets, now_ms]) => watch.hasStopped(packets, now_ms));
  };
  assert.deepEqual(stops([1, 1_000], [1, 2_000], [1, 5_000], [1, 5_100]), [false, false, false, true]);
  assert.deepEqual(stops([1, 1_000], [1, 60_000], [1, 61_400], [1, 61_600]), [false, false, false, true]);
  assert.deepEqual(stops([1, 1_000], [1, 60_000], [9, 61_000], [9, 64_900]), [false, false, false, false]);
});
