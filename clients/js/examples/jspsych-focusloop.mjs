// The few lines between jsPsych and focusloop: the level to show, and what came of it. Needs no jsPsych to be tested.

export function trialsOf(loop) {
  loop.subscribe(["focus", "difficulty"]);
  let shown;
  return {
    wanted: null,
    /** The level for the stimulus that is about to be shown, 0 to 1. */
    level: () => (shown = loop.difficulty()?.level ?? 0.5),
    /** Send the trial that was just answered, at the level at which it was shown. */
    finished: (trial) => loop.trial({ ...trial, level: shown }),
  };
}
