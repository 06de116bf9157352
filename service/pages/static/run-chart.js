// A chart of a run: two lines over its steps, the threshold, alert marks, and a cursor for mouse and keyboard.
import { drawn } from "./element.js";
import { number, percent } from "./words.js";

const LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 30;

export class RunChart {
  /** `line` is the threshold as the page tells it, or null. `onStep(position)` is called where a step is chosen. */
  constructor(box, readout, line, onStep) {
    Object.assign(this, { box, readout, line, onStep, scores: [], at: null, asked: false });
    this.svg = drawn("svg", { class: "chart", "aria-hidden": "true", focusable: "false" });
    box.append(this.svg);
    for (const [name, value] of Object.entries({ role: "slider", tabindex: "0", "aria-label": "Step of the run", "aria-valuemin": "0" })) box.setAttribute(name, value);
    box.addEventListener("pointermove", (event) => this.point(event));
    box.addEventListener("click", (event) => { this.point(event); this.choose(); });
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(box);
    this.speak();
  }

  /** Take new scores, in order of position; drawn once before the next frame. */
  add(scores) {
    this.scores.push(...scores);
    if (!this.asked) {
      this.asked = true;
      requestAnimationFrame(() => { this.asked = false; this.draw(); });
    }
  }

  threshold(turn) {
    const opens = this.line?.opens;
    return !opens || turn < this.line.min_turns ? null : opens[Math.min(turn, opens.length - 1)];
  }

  x(index) { return LEFT + (this.width - LEFT - RIGHT) * (this.scores.length < 2 ? 0.5 : index / (this.scores.length - 1)); }
  y(share) { return TOP + (this.height - TOP - BOTTOM) * (1 - share); }

  draw() {
    this.width = Math.max(this.box.clientWidth, 120);
    this.height = Math.max(this.box.clientHeight, 120);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(drawn("path", { class: "axis", d: `M${LEFT} ${this.y(share)}H${this.width - RIGHT}` }), this.text(`${share * 100} %`, LEFT - 6, this.y(share) + 4, "end"));
    }
    const last = this.scores.length - 1;
    for (const index of last > 0 ? new Set([0, Math.round(last / 2), last]) : last === 0 ? [0] : []) {
      const anchor = last === 0 ? "middle" : index === 0 ? "start" : index === last ? "end" : "middle";
      parts.push(this.text(`${index === 0 ? "step " : ""}${number(this.scores[index].position)}`, this.x(index), this.height - 8, anchor));
    }
    parts.push(this.path("threshold", (score) => this.threshold(score.turn), true));
    parts.push(this.path("failure", (score) => score.failure_probability), this.path("risk", (score) => score.risk));
    for (const [index, score] of this.scores.entries()) {
      if (score.alert) parts.push(drawn("circle", { class: "alert", cx: this.x(index), cy: this.y(score.failure_probability), r: 5.5 }));
    }
    this.cursor = drawn("g");
    this.svg.replaceChildren(...parts, this.cursor);
    this.mark();
  }

  text(words, x, y, anchor) {
    const made = drawn("text", { x, y, "text-anchor": anchor });
    made.textContent = words;
    return made;
  }

  /** A line; where there are more steps than pixels, each column keeps its first, least, greatest and last. */
  path(name, value, stepped = false) {
    const count = this.scores.length, columns = Math.max(1, Math.floor(this.width / 2));
    const size = Math.max(1, Math.ceil(count / columns));
    let d = "", before = null;
    const go = (index) => {
      const share = value(this.scores[index]);
      if (share !== null) {
        const x = this.x(index).toFixed(1), y = this.y(share).toFixed(1);
        d += before === null ? `M${x} ${y}` : stepped ? `H${x}V${y}` : `L${x} ${y}`;
      }
      before = share;
    };
    for (let start = 0; start < count; start += size) {
      const end = Math.min(start + size, count) - 1;
      let least = start, greatest = start;
      for (let index = start; index <= end; index++) {
        if (value(this.scores[index]) < value(this.scores[least])) least = index;
        if (value(this.scores[index]) > value(this.scores[greatest])) greatest = index;
      }
      for (const index of [...new Set([start, least, greatest, end])].sort((a, b) => a - b)) go(index);
    }
    // A lone step is a short dash.
    if (count === 1 && d) d += "h6";
    return drawn("path", { class: name, d });
  }

  point(event) {
    if (!this.scores.length) return;
    const share = (event.clientX - this.box.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
    this.move(Math.round(share * (this.scores.length - 1)));
  }

  key(event) {
    const last = this.scores.length - 1;
    if (last < 0) return;
    const at = this.at ?? last;
    const page = Math.max(10, Math.round(last / 20));
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - page, PageUp: at + page, Home: 0, End: last }[event.key];
    if (event.key === "Enter" || event.key === " ") this.choose();
    else if (to === undefined) return;
    else this.move(to);
    event.preventDefault();
  }

  move(index) {
    this.at = Math.max(0, Math.min(index, this.scores.length - 1));
    this.mark();
  }

  choose() { if (this.scores.length) this.onStep(this.scores[this.at ?? this.scores.length - 1].position); }

  mark() {
    if (this.at !== null && this.scores[this.at]) {
      const score = this.scores[this.at], x = this.x(this.at);
      this.cursor.replaceChildren(
        drawn("path", { class: "cursor", d: `M${x} ${TOP}V${this.height - BOTTOM}` }),
        drawn("circle", { class: "dot", cx: x, cy: this.y(score.failure_probability), r: 3 }),
        drawn("circle", { class: "dot", cx: x, cy: this.y(score.risk), r: 3 }),
      );
    }
    this.speak();
  }

  /** The step under the cursor (else the newest) in words, for eyes and for screen readers. */
  speak() {
    const index = this.at ?? this.scores.length - 1, score = this.scores[index];
    this.box.setAttribute("aria-valuemax", String(Math.max(0, this.scores.length - 1)));
    this.box.setAttribute("aria-valuenow", String(Math.max(0, index)));
    let words = "No step is scored yet.";
    if (score) {
      const threshold = this.threshold(score.turn);
      words = `Step ${number(score.position)}, turn ${score.turn}: risk ${percent(score.risk, 1)}, failure probability ${percent(score.failure_probability, 1)}` +
        (threshold === null ? "" : `, threshold ${percent(threshold, 1)}`) + `, symbol ${score.symbol}` +
        (score.alert ? ", an alert opens" : score.state === "warning" ? ", within an alert" : "") + (score.parked ? ", set aside" : "") + ".";
    }
    this.box.setAttribute("aria-valuetext", words);
    this.readout.textContent = words;
  }
}
