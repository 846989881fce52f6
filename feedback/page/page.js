// The live page: listens to one participant, says what is so, and never shows an old score as a new one.

import { Electrodes } from "./electrodes.js";
import { Explanation } from "./explanation.js";
import { Neurofeedback } from "./neurofeedback.js";
import { Trace } from "./trace.js";
import { REASONS, STATES } from "./words.js";

const SILENT_AFTER_S = 2.5;
const at = (id) => document.getElementById(id);
const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`);
const nowS = () => performance.now() / 1000;
const trace = new Trace(at("trace"));
const electrodes = new Electrodes(at("channels"), at("channels-none"));
const explanation = new Explanation(at("explanation"), at("explanation-none"));
const neurofeedback = new Neurofeedback(at("neurofeedback"));
const state = { token: "", stream: null, views: new Map(), told: new Map(), difficulties: new Map(), proposals: new Map(), socket: null, seen: {}, epoch: null, heardAt: 0, wait: 500 };

// Token: in the URL fragment, which no server ever sees and no log keeps.
function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem("focusloop-token", found);
    history.replaceState(null, "", location.pathname);
  }
  state.token = sessionStorage.getItem("focusloop-token") || "";
}

function say(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text; // unchanged text is not read out again
}

function link(kind, text) {
  at("link").dataset.kind = kind;
  say("link", text);
}

function askForToken(why) {
  at("live").hidden = true;
  at("door").hidden = false;
  if (why) say("door-why", why);
  at("token").focus();
}

function connect() {
  if (!state.token) { link("bad", "no token"); askForToken(); return; }
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`;
  const socket = (state.socket = new WebSocket(url, "focusloop.v1.json"));
  const send = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => send({ type: "hello", token: state.token, client: "focusloop page" });
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "welcome") welcome(message, send);
    else if (message.type in handlers) handlers[message.type](message);
  };
  socket.onclose = (event) => {
    state.socket = null;
    noScore("No connection to the service.");
    showView();
    if (event.code === 4401) {
      sessionStorage.removeItem("focusloop-token");
      state.token = "";
      link("bad", "not let in");
      askForToken(`${event.reason || "The token was refused"}.`);
      return;
    }
    if (event.code === 4403) { link("bad", `refused: ${event.reason}`); return; }
    link("wait", `${event.code === 4429 ? event.reason : "connection lost"}, trying again…`);
    setTimeout(connect, state.wait + Math.random() * 250);
    state.wait = Math.min(state.wait * 2, 8000);
  };
}

function welcome(message, send) {
  state.wait = 500;
  at("door").hidden = true;
  at("live").hidden = false;
  state.views = new Map(message.streams.map((view) => [view.id, view]));
  const since = state.epoch ? { epoch: state.epoch, ...state.seen } : undefined;
  if (state.epoch !== message.epoch) state.seen = {};
  state.epoch = message.epoch;
  send({ type: "subscribe", id: 1, stream: "*", topics: ["focus"], since });
  send({ type: "subscribe", id: 2, stream: "*", topics: ["status", "quality", "calibration", "difficulty", "neurofeedback", "proposal", "explanation"] });
  choose(state.stream && state.views.has(state.stream) ? state.stream : message.streams[0]?.id ?? null);
  if (!message.streams.length) noScore("No participant yet: start the service with --source, or POST /v1/streams.");
}

function choose(stream) {
  const select = at("stream");
  select.replaceChildren(...[...state.views.keys()].map((id) => new Option(id, id, false, id === stream)));
  at("chooser").hidden = state.views.size < 2;
  if (stream !== state.stream) {
    trace.clear();
    explanation.clear();
    noScore(stream ? "Waiting for a score." : at("reason").textContent);
    for (const id of ["calibration-said", "simulator-said"]) say(id, "");
  }
  state.stream = stream;
  showDifficulty();
  showProposal();
  neurofeedback.show(stream, nowS());
  showView();
}

async function api(method, path, body) {
  const response = await fetch(`/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${state.token}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail), { status: response.status });
  return answer;
}

// Carries out a click, and says what went wrong where the person looks.
async function attempt(sayTo, work) {
  try { say(sayTo, (await work()) || ""); } catch (error) { say(sayTo, error.message); }
}

async function refreshView(stream) {
  const before = state.told.get(stream);
  try {
    const view = await api("GET", `/streams/${encodeURIComponent(stream)}`);
    const told = state.told.get(stream);
    state.views.set(stream, told === before ? view : { ...view, ...told }); // what was told meanwhile is newer
  } catch (error) {
    if (error.status === 404) removed(stream); // anything else: the connection says so, and the next turn asks again
    return;
  }
  if (stream === state.stream) showView();
}

function removed(stream) {
  state.views.delete(stream);
  state.told.delete(stream);
  electrodes.forget(stream);
  state.difficulties.delete(stream);
  neurofeedback.forget(stream);
  if (stream !== state.stream) { choose(state.stream); return; }
  choose([...state.views.keys()][0] ?? null);
  noScore(state.stream ? `${stream} was closed; this is ${state.stream}.` : `${stream} was closed; there is no participant.`);
}

// True where samples come, as far as this page can know.
function flowing(view) {
  return state.socket !== null && (view?.state ?? "streaming") === "streaming";
}

function showView() {
  const view = state.views.get(state.stream) ?? {};
  electrodes.show(state.stream, flowing(view), nowS());
  const facts = {
    device: view.device || "–",
    state: (state.socket && (STATES[view.state] || view.state)) || "–",
    rate: view.rate_hz && flowing(view) ? `${view.rate_hz.toFixed(1)} Hz` : "–",
    "lost samples": view.lost_samples ?? "–",
    battery: view.battery === null || view.battery === undefined ? "not told" : percent(view.battery),
    model: view.model || "–",
    delay: view.delay?.delay_s ? `${view.delay.delay_s.toFixed(1)} s, window ${view.delay.window_s} s` : "–",
  };
  at("device").replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name; told.textContent = value;
    row.append(term, told);
    return row;
  }));
  say("detail", view.detail || "");
  showOrigin(view.origin);
  say("pause", view.paused ? "Resume scoring" : "Pause scoring");
  say("baseline", baselineWords(view));
  at("confirm").hidden = !view.baseline_ended;
  at("forget").hidden = !(view.baseline || view.baseline_ended);
  say("fallbacks", (view.fallbacks || []).join(" "));
  const errors = view.internal_errors?.count || 0;
  say("internal", errors ? `${errors} internal error${errors > 1 ? "s" : ""} of focusloop on this stream, a defect; the last: ${view.internal_errors.last}. The service's log has the rest.` : "");
  showSimulator(view.simulator);
}

function baselineWords(view) {
  if (view.baseline_ended) return "Your baseline ended, because the headset was off for 10 s.";
  if (!view.baseline) return "None in use: the score is measured against a running average.";
  const { eyes, clean_s, age_s } = view.baseline;
  const age = age_s < 90 ? "just now" : age_s < 5400 ? `${Math.round(age_s / 60)} min ago` : age_s < 129600 ? `${Math.round(age_s / 3600)} h ago` : `${Math.round(age_s / 86400)} days ago`;
  return `In use: ${Math.round(clean_s)} s with eyes ${eyes}, taken ${age}.`;
}

function showDifficulty() {
  const newest = state.difficulties.get(state.stream);
  at("difficulty").hidden = !newest;
  if (!newest) return;
  at("level").value = newest.level;
  say("level-shown", `${newest.level.toFixed(2)} (${newest.policy}, aims at ${percent(newest.target)} correct)`);
  say("difficulty-said", newest.reason);
}

const proposals = () => [...(state.proposals.get(state.stream) || new Map()).values()]; // of each kind the newest

function showProposal() {
  const proposed = proposals();
  at("proposal").hidden = !proposed.length;
  say("proposal-said", proposed.length > 1 ? `${proposed.length - 1} more after this` : "");
  if (proposed.length) say("proposal-text", proposed[0].text);
}

function answerProposal(accepted) {
  const { stream } = state;
  const [{ kind }] = proposals();
  attempt("proposal-said", async () => {
    await api("POST", `/streams/${encodeURIComponent(stream)}/proposals`, { kind, accepted });
    state.proposals.get(stream).delete(kind);
    showProposal();
  });
}

function showOrigin(origin) {
  const words = {
    simulator: "SIMULATED: these scores come from a simulated participant, not from a person.",
    file: "SIMULATED live: these scores come from a recording that is being replayed.",
  };
  at("origin").hidden = !(origin in words);
  say("origin", words[origin] || "");
}

function noScore(words) {
  explanation.clear();
  say("value", "–");
  at("value").classList.add("none");
  at("value").setAttribute("aria-valuetext", "no valid score");
  for (const id of ["steady", "relative", "confidence", "quality", "certificate"]) say(id, "–");
  say("reason", words);
}

// What was measured of this person: an AUC with its interval and its age, or that nothing was.
function readable(certificate) {
  if (!certificate) return "not measured";
  const figure = (auc) => auc.toFixed(2).replace(/^0/, "");
  const days = Math.round(certificate.age_days);
  return `${figure(certificate.auc)} [${figure(certificate.low)}–${figure(certificate.high)}], ${days === 0 ? "today" : days === 1 ? "yesterday" : `${days} days ago`}`;
}

function wordsFor(reason) {
  const { state: now, detail } = state.views.get(state.stream) ?? {};
  const ended = { closed: "The source has ended.", failed: "The source has failed; below it says why." };
  if (reason !== "stale" && reason !== "no_data") return REASONS[reason] || reason;
  if (now === "connecting" && detail) return detail.includes("\n") ? "No sample has come yet; below it says what is looked for." : `No sample has come yet: ${detail}`;
  return ended[now] || REASONS[reason];
}

const handlers = {
  subscribed(message) {
    if (message.id === 2) link("good", "connected");
  },

  focus(message) {
    (state.seen[message.stream] ??= {}).focus = message.seq;
    if (!state.views.has(message.stream)) { state.views.set(message.stream, { id: message.stream }); refreshView(message.stream); choose(state.stream ?? message.stream); }
    if (message.stream !== state.stream) return;
    state.heardAt = nowS();
    trace.add(state.heardAt, message.value, message.raw);
    showOrigin(message.origin);
    say("calibrated", message.calibrated ? "your own" : "running average");
    if (!message.valid) { noScore(wordsFor(message.reason)); say("quality", percent(message.quality)); return; }
    say("value", String(Math.round(message.value * 100)));
    at("value").classList.remove("none");
    at("value").setAttribute("aria-valuenow", Math.round(message.value * 100));
    at("value").removeAttribute("aria-valuetext");
    say("reason", "");
    say("steady", percent(message.steady));
    say("relative", message.relative === null ? "–" : message.relative > 0.6 ? "above usual" : message.relative < 0.4 ? "below usual" : "as usual");
    say("confidence", percent(message.confidence));
    say("quality", percent(message.quality));
    say("certificate", readable(message.certificate));
  },

  explanation(message) {
    if (message.stream === state.stream) explanation.show(message);
  },

  status(message) {
    const view = state.views.get(message.stream);
    if (message.state === "closed" && !view) return;
    const { state: now, detail, rate_hz, lost_samples, battery } = message;
    const told = { state: now, detail, rate_hz, lost_samples, battery };
    state.told.set(message.stream, told);
    state.views.set(message.stream, { ...view, id: message.stream, ...told });
    if (!view || view.state !== message.state || message.state === "closed") refreshView(message.stream);
    if (message.stream === state.stream) showView(); else choose(state.stream ?? message.stream);
  },

  quality(message) {
    electrodes.add(message.stream, message.channels, nowS());
    if (message.stream === state.stream) electrodes.show(state.stream, flowing(state.views.get(state.stream)), nowS());
  },

  difficulty(message) {
    state.difficulties.set(message.stream, message);
    if (message.stream === state.stream) showDifficulty();
  },

  neurofeedback(message) {
    neurofeedback.add(message, nowS());
    neurofeedback.show(state.stream, nowS());
  },

  proposal(message) {
    if (!state.proposals.has(message.stream)) state.proposals.set(message.stream, new Map());
    state.proposals.get(message.stream).set(message.kind, message);
    if (message.stream === state.stream) showProposal();
  },

  calibration(message) {
    if (message.state === "done" && state.proposals.get(message.stream)?.delete("recalibration")) showProposal(); // followed
    if (message.stream !== state.stream) return;
    const dialog = at("rest");
    if (message.state === "running") {
      if (!dialog.open && state.calibrating) dialog.showModal();
      at("rest-progress").value = message.progress;
      say("rest-left", `${Math.max(0, Math.ceil((1 - message.progress) * 30))} s`);
      say("calibration-said", `Recording: ${percent(message.progress)}`);
      return;
    }
    state.calibrating = false;
    if (dialog.open) dialog.close();
    const words = { done: "Baseline recorded", refused: "Baseline refused", cancelled: "Cancelled" };
    say("calibration-said", `${words[message.state] || message.state}${message.message && message.state !== "cancelled" ? `: ${message.message}` : ""}`);
    refreshView(message.stream);
  },
};

const own = (path) => `/streams/${encodeURIComponent(state.stream)}${path}`;

at("calibrate").onclick = () => attempt("calibration-said", async () => {
  state.calibrating = true;
  await api("POST", own("/calibration"), { seconds: 30, phases: ["eyes_open"] });
  if (!at("rest").open) at("rest").showModal();
});
at("confirm").onclick = () => attempt("calibration-said", async () => {
  await api("PUT", own("/calibration"), { confirm: true });
  await refreshView(state.stream);
  return "The baseline is in use again.";
});
at("forget").onclick = () => attempt("calibration-said", async () => {
  await api("DELETE", own("/calibration?forget=true"));
  await refreshView(state.stream);
  return "The baseline is deleted.";
});
const cancel = () => attempt("calibration-said", async () => {
  at("rest").close();
  await api("DELETE", own("/calibration"));
});
at("rest-cancel").onclick = cancel;
at("proposal-accept").onclick = () => answerProposal(true);
at("proposal-refuse").onclick = () => answerProposal(false);
at("rest").addEventListener("cancel", (event) => { event.preventDefault(); cancel(); });
at("pause").onclick = () => attempt("calibration-said", async () => {
  await api("PUT", own("/paused"), { paused: !state.views.get(state.stream)?.paused });
  await refreshView(state.stream);
});
at("stream").onchange = (event) => { choose(event.target.value); refreshView(event.target.value); };
at("door").onsubmit = (event) => {
  event.preventDefault();
  state.token = at("token").value.trim();
  sessionStorage.setItem("focusloop-token", state.token);
  connect();
};

// simulator:manual
const FAULTS = ["no_data", "stale", "not_worn", "unassigned", "poor_contact", "artifact", "warming_up", "out_of_distribution", "baseline_mismatch"];
const moveSimulator = (attention, fault) => attempt("simulator-said", async () => {
  await api("PUT", own("/simulator"), { attention, fault });
  await refreshView(state.stream);
  return fault === "baseline_mismatch" && !state.views.get(state.stream)?.baseline ? "The eyes are closed now; that is a mismatch only with a baseline of open ones: record one first." : "";
});

function showSimulator(simulator) {
  at("simulator").hidden = !simulator;
  if (!simulator) return;
  for (const button of at("faults").children) button.setAttribute("aria-pressed", String(button.dataset.fault === simulator.fault));
  if (document.activeElement === at("attention")) return; // somebody is moving it
  at("attention").value = Math.round(simulator.attention * 100);
  say("attention-shown", `${at("attention").value} %`);
}
at("faults").append(...FAULTS.map((name) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = name.replaceAll("_", " ");
  button.dataset.fault = name;
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => moveSimulator(undefined, button.getAttribute("aria-pressed") === "true" ? null : name);
  return button;
}));
at("attention").oninput = (event) => say("attention-shown", `${event.target.value} %`);
at("attention").onchange = (event) => {
  const { fault } = state.views.get(state.stream)?.simulator ?? {};
  moveSimulator(event.target.value / 100, fault ?? null);
};

setInterval(() => {
  if (state.socket && state.heardAt && nowS() - state.heardAt > SILENT_AFTER_S) noScore("The service sends no scores.");
  electrodes.show(state.stream, flowing(state.views.get(state.stream)), nowS());
  neurofeedback.show(state.stream, nowS());
}, 500);
setInterval(() => { if (state.socket?.readyState === 1 && state.stream) refreshView(state.stream); }, 5000);

takeToken();
addEventListener("hashchange", () => { takeToken(); state.socket?.close(); if (!state.socket) connect(); });
connect();
