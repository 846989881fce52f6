// Quality by electrode. Without fresh signal a row is grey and says nothing: what was good is not good now.

const FRESH_S = 2.5;
const FLAGS = {
  railed: "at its limit", flat: "no signal", line: "mains hum", muscle: "muscle", blink: "blink",
  pop: "movement", contact: "poor contact", missing: "samples missing",
};

export class Electrodes {
  constructor(list, none) {
    this.list = list;
    this.none = none;
    this.heard = new Map(); // by stream: channels, and when (seconds of this page's clock)
  }

  add(stream, channels, nowS) {
    this.heard.set(stream, { channels, atS: nowS });
  }

  forget(stream) {
    this.heard.delete(stream);
  }

  // flowing: false where samples are known not to come.
  show(stream, flowing, nowS) {
    const { channels, atS } = this.heard.get(stream) ?? { channels: [], atS: -Infinity };
    const fresh = flowing && nowS - atS < FRESH_S;
    this.none.hidden = channels.length > 0;
    while (this.list.children.length > channels.length) this.list.lastChild.remove();
    channels.forEach((channel, index) => this.row(index, channel, fresh));
  }

  row(index, channel, fresh) {
    let row = this.list.children[index];
    if (!row) {
      row = document.createElement("li");
      row.innerHTML = '<span class="label"></span><span class="bar" aria-hidden="true"><span></span></span><span class="said"></span>';
      this.list.append(row);
    }
    const [label, bar, said] = row.children;
    const kind = !fresh ? "none" : channel.usable >= 0.75 ? "good" : channel.usable >= 0.4 ? "fair" : "bad";
    const flags = (channel.flags || []).map((flag) => FLAGS[flag] || flag).join(", ");
    const words = kind === "good" ? "good" : `${Math.round(channel.usable * 100)} % usable`;
    row.dataset.kind = kind;
    label.textContent = channel.label;
    bar.firstChild.style.width = fresh ? `${Math.max(4, channel.usable * 100)}%` : "0";
    said.textContent = fresh ? flags || words : "–";
  }
}
