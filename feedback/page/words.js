// What reasons and states are called on the page.

export const REASONS = {
  paused: "Scoring is paused.",
  no_data: "No sample has come from the headset yet.",
  stale: "The headset has stopped sending.",
  not_worn: "The headset is not being worn.",
  unassigned: "Nobody has said where the electrodes are: give a montage.",
  poor_contact: "Too few electrodes touch well: press them on, moisten them.",
  artifact: "Movement or muscle hides the brain's signal: loosen your jaw, sit still.",
  warming_up: "Warming up: a few seconds of signal are needed.",
  out_of_distribution: "This signal is unlike anything the model has learnt from.",
  baseline_mismatch: "The signal does not fit the recorded baseline: record a new one.",
};
export const STATES = {
  connecting: "looking for the headset", streaming: "streaming", stalled: "no samples are coming",
  reconnecting: "looking for the headset again", closed: "closed", failed: "failed",
};
