// What the score rests on: shares of bands, regions, eyes and muscle, as bars. Without a score there is none.

const PLACES = { front: "front", left: "left side", centre: "centre", right: "right side", back: "back" };
const percent = (share) => `${Math.round(share * 100)} %`;
const way = (logit) => (Math.abs(logit) < 0.05 ? "" : logit > 0 ? ", raises it" : ", lowers it");

function row(label, share, said) {
  const item = document.createElement("li");
  item.innerHTML = '<span class="label"></span><span class="bar" aria-hidden="true"><span></span></span><span class="said"></span>';
  const [name, bar, words] = item.children;
  name.textContent = label;
  bar.firstChild.style.width = `${Math.round(share * 100)}%`;
  words.textContent = percent(share) + said;
  return item;
}

export class Explanation {
  constructor(list, none) {
    this.list = list;
    this.none = none;
    this.clear();
  }

  clear() {
    if (this.list.childElementCount) this.list.replaceChildren();
    this.none.hidden = false;
  }

  show(message) {
    if (!message.valid) { this.clear(); return; }
    this.none.hidden = true;
    this.list.replaceChildren(
      ...message.bands.map((band) => row(`${band.low_hz}–${band.high_hz} Hz`, band.share, way(band.logit))),
      ...message.regions.map((one) => row(PLACES[one.region], one.share, way(one.logit))),
      row("eyes, at most", message.ocular, ""),
      row("muscle, at most", message.muscular, ""),
    );
  }
}
