// The last minute of scores. A gap is drawn as a gap: the last good value is never carried on.

const SPAN_S = 60;
const GAP_S = 1.5;

export class Trace {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = [];
    this.wanted = false;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    setInterval(() => this.draw(), 250);
  }

  clear() {
    this.points = [];
    this.draw();
  }

  // t: seconds of this page's clock; value, raw: 0..1 or null.
  add(t, value, raw) {
    this.points.push({ t, value, raw });
    while (this.points.length && this.points[0].t < t - SPAN_S - 2) this.points.shift();
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame(() => { this.wanted = false; this.draw(); });
  }

  draw() {
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    if (this.canvas.width !== Math.round(width * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colour = (name) => getComputedStyle(this.canvas).getPropertyValue(name);
    const left = 34, bottom = height - 18, top = 6;
    const now = performance.now() / 1000;
    const x = (t) => width - (now - t) * (width - left) / SPAN_S;
    const y = (value) => bottom - value * (bottom - top);

    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colour("--soft");
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    for (const level of [0, 0.5, 1]) {
      pen.fillText(String(level * 100), 4, y(level) + 4);
      pen.beginPath(); pen.moveTo(left, y(level)); pen.lineTo(width, y(level)); pen.stroke();
    }
    for (const ago of [60, 40, 20]) pen.fillText(`${ago} s ago`, Math.max(left, x(now - ago)), height - 4);

    this.line(pen, "raw", colour("--soft"), 0.8, x, y, left);
    this.line(pen, "value", colour("--accent"), 2.5, x, y, left);
  }

  line(pen, key, colour, lineWidth, x, y, left) {
    pen.strokeStyle = colour;
    pen.lineWidth = lineWidth;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = null;
    for (const point of this.points) {
      const value = point[key];
      if (value === null || x(point.t) < left) { before = null; continue; }
      if (before === null || point.t - before > GAP_S) pen.moveTo(x(point.t), y(value));
      else pen.lineTo(x(point.t), y(value));
      before = point.t;
    }
    pen.stroke();
  }
}
