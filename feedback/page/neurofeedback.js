// What is rewarded: each criterion against its threshold, and the rewards. Hidden where nothing is told of it any more.

import { REASONS } from "./words.js";

const SILENT_AFTER_S = 2.5;
const percent = (share) => `${Math.round(share * 100)} %`;
const number = (value, unit) => (value === null ? "–" : unit === "dB" ? `${value.toFixed(1)} dB` : percent(value));

function row(criterion) {
  const item = document.createElement("li");
  item.innerHTML = '<span class="label"></span><span class="bar" aria-hidden="true"><span></span></span><span class="said"></span>';
  const [name, bar, words] = item.children;
  const { side, unit, reading, threshold, met } = criterion;
  name.textContent = `${criterion.name} ${side === "reward" ? "high" : "low"}`;
  const scale = unit === "dB" ? 12 : 1; // the threshold stands in the middle
  const share = reading === null || threshold === null ? 0 : 0.5 + (reading - threshold) / scale;
  bar.firstChild.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  words.textContent = threshold === null ? "threshold not measured yet" : `${number(reading, unit)}, ${side === "reward" ? "at least" : "at most"} ${number(threshold, unit)}${met ? " ✓" : ""}`;
  return item;
}

function said(message) {
  if (message.state === "failed") return message.detail;
  const why = message.reason && (REASONS[message.reason] || message.reason);
  if (message.state === "rest") return `${why || "Rest now: the thresholds are being measured."} ${percent(message.progress)}`;
  if (why) return `Nothing is rewarded: ${why}`;
  const held = message.criteria.every((one) => one.met);
  return message.brightness === null ? (held ? "All criteria hold." : "Not yet.") : `Brightness ${percent(message.brightness)}.`;
}

export class Neurofeedback {
  constructor(card) {
    this.card = card;
    [this.words, this.list, this.count, this.notes] = ["said", "criteria", "rewards", "notes"].map((name) => card.querySelector(`[data-part="${name}"]`));
    this.newest = new Map();
  }

  add(message, at) { this.newest.set(message.stream, { message, at }); }

  forget(stream) { this.newest.delete(stream); }

  show(stream, now) {
    const found = this.newest.get(stream);
    this.card.hidden = !found || now - found.at > SILENT_AFTER_S;
    if (this.card.hidden) return;
    const { message } = found;
    const origin = message.origin === "live" ? "" : "SIMULATED: ";
    const words = origin + said(message);
    if (this.words.textContent !== words) this.words.textContent = words;
    this.list.replaceChildren(...message.criteria.map(row));
    const share = message.share_met === null ? "" : `, all criteria held ${percent(message.share_met)} of the time`;
    this.count.textContent = `${message.rewards} ${message.rewards === 1 ? "reward" : "rewards"}${share}`;
    this.notes.textContent = [message.state === "failed" ? "" : message.detail, ...message.warnings].filter(Boolean).join("\n");
  }
}
