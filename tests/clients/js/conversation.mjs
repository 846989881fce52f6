// The JavaScript client without a network, its clock in our hands: node conversation.mjs FOCUSLOOP.js
import assert from "node:assert/strict";

let now = 0, tick, socket;
Object.defineProperty(globalThis, "performance", { value: { now: () => now } });
globalThis.setInterval = (run) => { tick = run; };
globalThis.setTimeout = (run) => { if (socket.closed) run(); };
globalThis.WebSocket = class {
  readyState = 1;
  said = [];
  constructor() { socket = this; }
  send(text) { this.said.push(JSON.parse(text)); }
  close(code) { this.closed = code; }
};
const { FocusLoop } = await import(process.argv[2]);

const hear = (message) => socket.onmessage({ data: JSON.stringify(message) });
const said = (type) => socket.said.splice(0).filter((one) => one.type === type);
const trials = () => said("trial").map((one) => one.trial);
const pass = (ms) => { now += ms; tick(); };
const pong = () => hear({ type: "pong", t0: now, t1: 1, t2: 1 });
function welcome(epoch = "e1", streams = []) {
  socket.onopen();
  hear({ type: "welcome", epoch, server: "focusloop/0", streams: streams.map((id) => ({ id })) });
}
function setTheClock() {
  for (let n = 0; n < 5; n++) {
    assert.deepEqual(socket.said.filter((one) => one.type === "trial"), []);
    pass(50);
    pong();
  }
}
function lose(code = 1006, reason = "") {
  const lost = socket;
  lost.closed = code;
  lost.onclose({ code, reason });
  if (code !== 4401) assert.notEqual(socket, lost);
}
const refused = (loop, trial, code = "no_such_stream") => hear({ type: "error", code, message: "…", run: loop.run, trial });
const acknowledged = (loop, trial) => hear({ type: "ack", run: loop.run, trial, duplicate: false });

const scenarios = {
  "who plays with one person listens to no other"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    loop.subscribe(["difficulty"]);
    loop.subscribe(["difficulty"], { stream: "*" });
    welcome();
    assert.deepEqual(said("subscribe").map((one) => one.stream), ["p01", "*"]);
    const everyone = new FocusLoop({ url: "ws://x" });
    everyone.subscribe(["difficulty"]);
    welcome();
    assert.deepEqual(said("subscribe").map((one) => one.stream), ["*"]);
  },

  "trials wait for five pongs on each connection"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    loop.trial({ correct: true });
    welcome();
    loop.trial({ correct: true });
    setTheClock();
    assert.deepEqual(trials(), [1, 2]);
    loop.trial({ correct: true });
    assert.deepEqual(trials(), [3]);
    lose();
    welcome();
    setTheClock();
    assert.deepEqual(trials(), [1, 2, 3]);
  },

  "trials do not wait for pongs for ever"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    welcome();
    loop.trial({ correct: true });
    pass(1999);
    assert.deepEqual(trials(), []);
    pass(1);
    assert.deepEqual(trials(), [1]);
  },

  "a trial waits for a stream that is gone and is sent when it is back"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "added" });
    let told = 0;
    loop.on("error", () => { told += 1; });
    for (let n = 0; n < 3; n++) loop.trial({ correct: true });
    welcome();
    setTheClock();
    assert.deepEqual(trials(), [1, 2, 3]);
    for (const trial of [1, 2, 3]) refused(loop, trial);
    loop.trial({ correct: true });
    assert.deepEqual(trials(), []);
    assert.equal(told, 1);
    pass(5000);
    assert.deepEqual(trials(), [1]);
    refused(loop, 1);
    assert.deepEqual([told, loop.unacknowledged], [1, 4]);
    pass(5000);
    acknowledged(loop, 1);
    assert.deepEqual(trials(), [1, 2, 3, 4]);
    loop.drop(2);
    refused(loop, 3, "bad_message");
    assert.deepEqual([told, loop.unacknowledged], [2, 1]);
  },

  "a stream that a welcome names is there again"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "added" });
    for (let n = 0; n < 2; n++) loop.trial({ correct: true });
    welcome();
    setTheClock();
    refused(loop, 1);
    lose();
    welcome("e2", ["added"]);
    setTheClock();
    assert.deepEqual(trials(), [1, 2]);
  },

  "topics of a stream that is not there yet are asked for again"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "added" });
    let told = 0;
    loop.on("subscribed", () => { told += 1; });
    loop.subscribe(["focus", "difficulty"]);
    welcome();
    said("subscribe");
    const answer = { type: "subscribed", id: 1, accepted: [], refused: [{ topic: "focus", code: "no_such_stream", message: "…" }] };
    hear(answer);
    pass(5000);
    assert.deepEqual(said("subscribe").map((one) => [one.stream, one.topics]), [["added", ["focus"]]]);
    hear(answer);
    assert.equal(told, 1);
    hear({ ...answer, accepted: ["focus"], refused: [] });
    pass(5000);
    assert.deepEqual(said("subscribe"), []);
  },

  async "a denied program is told wherever it asks"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    loop.trial({ correct: true });
    const settled = loop.settle();
    lose(4401, "wrong token");
    await assert.rejects(settled, /refuses this client \(4401\): wrong token/);
    await assert.rejects(loop.settle(), /4401/);
    assert.throws(() => loop.trial({ correct: true }), /4401/);
    assert.throws(() => loop.marker("begun"), /4401/);
    assert.equal(loop.unacknowledged, 1);
  },

  "who is turned away for a while comes again, and keeps what it owes"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    loop.trial({ correct: true });
    lose(4429, "too many wrong tokens from 10.0.0.5; try again in 5 s");
    welcome();
    setTheClock();
    assert.deepEqual(trials(), [1]);
  },

  async "who waits for acknowledgements is told when all came, when time ran out, and when the client was closed"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    assert.equal(await loop.settle(), true);
    loop.trial({ correct: true });
    const patient = loop.settle(), hasty = loop.settle(1000);
    pass(999);
    assert.equal(await Promise.race([hasty, "still waits"]), "still waits");
    pass(1);
    assert.equal(await hasty, false);
    acknowledged(loop, 1);
    assert.equal(await patient, true);
    loop.trial({ correct: true });
    const left = loop.settle();
    loop.close();
    assert.equal(await left, false);
    assert.equal(await loop.settle(), false);
  },

  "what is no number is not kept"() {
    const loop = new FocusLoop({ url: "ws://x", stream: "p01" });
    assert.throws(() => loop.trial({ correct: true, rt_ms: NaN }), /rt_ms: expected a finite number/);
    assert.equal(loop.unacknowledged, 0);
    assert.equal(loop.trial({ correct: true, rt_ms: null }), 1);
  },
};

for (const [name, run] of Object.entries(scenarios)) {
  await run();
  console.log(`held: ${name}`);
}
