// Ten lines that join the loop: node game.mjs http://127.0.0.1:8765 TOKEN p01
import { FocusLoop, isSimulated } from "../lib/focusloop.js";

const [url, token, stream] = process.argv.slice(2);
const loop = new FocusLoop({ url, token, stream, client: "my-game/1.0" });
loop.subscribe(["focus", "difficulty"], { rate_hz: 10 });
loop.on("focus", (m) => console.log(isSimulated(m) ? "SIMULATED" : "", m.stream, m.valid ? m.value.toFixed(2) : m.reason));
loop.on("difficulty", (m) => {
  console.log(`level ${m.level.toFixed(2)}: ${m.reason}`);
  loop.trial({ correct: true, rt_ms: 532 });
});
loop.on("error", (m) => console.error(m.message));
loop.on("denied", (m) => { console.error(m.reason); process.exitCode = 1; });
