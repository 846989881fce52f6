// The guided calibration: shows the cross or the task when the service says so, and what was measured in the end.

const STEP = 7;
const at = (id) => document.getElementById(id);
const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

const PHASES = {
  ready: ["Get ready", "Sit still, jaw loose, eyes open. It begins when the signal is good."],
  cross: ["Look at the cross", "Eyes open. Think of nothing in particular."],
  task: ["Count down in your head", ""],
  measuring: ["Thank you", "Measuring…"],
};

let shown = null;
let turns = [];

function draw(row, kinds, current) {
  row.replaceChildren(...kinds.map((kind, index) => {
    const cell = document.createElement("span");
    cell.dataset.kind = kind;
    if (index === current) cell.dataset.now = "";
    return cell;
  }));
}

// fields: a `calibration` message of a guided calibration that runs.
export function showGuide(fields) {
  const dialog = at("guide");
  if (!dialog.open) dialog.showModal();
  const key = `${fields.phase} ${fields.block}`;
  if (key !== shown) {
    shown = key;
    const [title, words] = PHASES[fields.phase] || [fields.phase, ""];
    say("guide-title", title);
    const start = 500 + Math.floor(Math.random() * 500);
    say("guide-words", fields.phase === "task" ? `Steps of ${STEP}, silently, eyes here.` : words);
    say("guide-picture", fields.phase === "task" ? String(start) : "+");
    if (fields.phase === "cross" || fields.phase === "task") turns[fields.block - 1] = fields.phase;
    draw(at("turns"), Array.from({ length: fields.blocks }, (_, i) => turns[i] || "later"), fields.block - 1);
  }
  at("guide-progress").value = fields.progress;
  const left = Math.ceil(fields.left_s);
  say("guide-left", fields.phase === "measuring" ? "" : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`);
}

export function hideGuide() {
  shown = null;
  turns = [];
  if (at("guide").open) at("guide").close();
}

// told: what the service says of a certificate, in use or just measured; null where there is none.
export function showCertificate(told) {
  at("certificate").hidden = !told;
  if (!told) return;
  say("certificate-said", told.sentence);
  const { auc, low, high } = told.brain;
  const place = (value) => `${Math.max(0, Math.min(1, (value - 0.5) * 2)) * 100}%`;
  const [range, mark] = at("auc").children;
  range.style.left = place(low);
  range.style.right = `calc(100% - ${place(high)})`;
  mark.style.left = place(auc);
  at("auc").dataset.kind = told.verdict === "passed" ? "good" : "bad";
  at("auc").setAttribute("aria-label", `${auc.toFixed(2)}, between ${low.toFixed(2)} and ${high.toFixed(2)}; chance is 0.50`);
  const days = Math.round(told.age_days);
  const age = told.age_days < 1 ? "measured today" : `measured ${days} day${days === 1 ? "" : "s"} ago`;
  say("certificate-more", told.measure_again ? `${age}: time to measure again` : age);
}

draw(at("turns-example"), ["cross", "task", "task", "cross", "task", "cross", "cross", "task", "cross", "task"], -1);
