// The list of a run's steps, a page at a time; what a step holds is fetched when it is opened.
import { drawn, element } from "./element.js";
import { fetched } from "./fetched.js";
import { number, percent, short } from "./words.js";

export const A_PAGE = 25;
const FIELDS = ["observation", "action", "tool", "args", "result", "status", "metadata"];
const MISSING = {
  "no-content": "This service keeps no content: raw steps are gone as soon as they are scored, and are nowhere to be shown.",
};

export class RunSteps {
  /** `scores` is the list that the chart has too. */
  constructor(runId, scores) {
    Object.assign(this, { runId, scores, first: 0, previews: new Map(), open: new Set() });
    this.list = document.getElementById("step-list");
    this.said = document.getElementById("steps-said");
    this.follow = document.getElementById("follow");
    this.buttons = Object.fromEntries(["first", "earlier", "later", "newest"].map((name) => [name, document.getElementById(name)]));
    const to = { first: () => 0, earlier: () => this.first - A_PAGE, later: () => this.first + A_PAGE, newest: () => this.last() };
    for (const [name, button] of Object.entries(this.buttons)) {
      button.addEventListener("click", () => { this.follow.checked = name === "newest" && this.follow.checked; this.show(to[name]()); });
    }
    this.follow.addEventListener("change", () => { if (this.follow.checked) this.show(this.last()); });
  }

  last() { return Math.max(0, Math.floor((this.scores.length - 1) / A_PAGE) * A_PAGE); }

  /** Show what has come since, if it belongs on the page that is shown. */
  refresh() {
    if (this.follow.checked && this.first !== this.last()) this.show(this.last());
    else this.fill();
  }

  show(first) {
    this.first = Math.max(0, Math.min(first, this.last()));
    this.list.replaceChildren();
    this.fill();
  }

  /** Go to a step, open it, and put the focus there. */
  go(position) {
    if (!this.scores[position]) return;
    this.follow.checked = false;
    this.show(Math.floor(position / A_PAGE) * A_PAGE);
    const item = document.getElementById(`step-${position}`);
    item.firstChild.open = true;
    item.firstChild.firstChild.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  fill() {
    const end = Math.min(this.first + A_PAGE, this.scores.length), had = this.list.children.length;
    for (let index = this.first + had; index < end; index++) this.list.append(this.row(this.scores[index]));
    document.getElementById("no-steps").hidden = this.scores.length > 0;
    document.getElementById("where").textContent = this.scores.length ? `${number(this.first)} – ${number(end - 1)} of ${number(this.scores.length)}` : "";
    this.buttons.first.disabled = this.buttons.earlier.disabled = this.first === 0;
    this.buttons.later.disabled = this.buttons.newest.disabled = this.first >= this.last();
    if (end > this.first + had) this.preview(this.first + had, end);
  }

  row(score) {
    const preview = element("bdi", { class: "preview" }, this.previews.get(score.position) ?? "");
    const marks = [[score.alert, "critical", "alert"], [score.parked, "off", "set aside"], [!score.known && !score.parked, "off", "unknown kind"]];
    const summary = element(
      "summary", {},
      element("span", { class: "at" }, number(score.position)),
      element("span", { class: "figure" }, `turn ${score.turn}`),
      element("span", { class: "figure" }, `risk ${percent(score.risk)}`),
      element("span", { class: "figure" }, `failure ${percent(score.failure_probability)}`),
      element("span", { class: "figure" }, `symbol ${score.symbol}`),
      ...marks.filter(([is]) => is).map(([, look, words]) => element("span", { class: `badge ${look}` }, words)),
      preview,
    );
    const details = element("details", {}, summary);
    details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) this.fillStep(details, score); });
    return element("li", { id: `step-${score.position}` }, details);
  }

  async preview(first, end) {
    try {
      const { steps } = await fetched(`${this.address()}?first=${first}&limit=${end - first}&moved=false`);
      for (const { position, view } of steps) {
        if (!view) continue;
        const words = short([view.tool, view.action, view.observation, view.result].map((one) => (typeof one === "string" ? one : one ? JSON.stringify(one) : "")).filter(Boolean).join(" · ").replace(/\s+/g, " "), 160);
        this.previews.set(position, words);
        const place = document.querySelector(`#step-${position} .preview`);
        if (place) place.textContent = words;
      }
      this.said.textContent = "";
    } catch (error) {
      this.said.textContent = `What the steps hold is not to be had now: ${error.message}. Their figures are.`;
    }
  }

  address() { return `/v1/runs/${encodeURIComponent(this.runId)}/steps`; }

  async fillStep(details, score) {
    const inside = element("div", { class: "inside" }, element("p", { class: "hint", role: "status" }, "One moment …"));
    details.append(inside);
    try {
      const { steps } = await fetched(`${this.address()}?first=${score.position}&limit=1`);
      const [step] = steps;
      if (!step) throw new Error("the step is not there any more");
      inside.replaceChildren(...fields(step), ...moved(step), raw(step));
    } catch (error) {
      inside.replaceChildren(element("p", { class: "problem" }, `The step cannot be shown: ${error.message}. Close it and open it again to try once more.`));
      details.addEventListener("toggle", () => inside.remove(), { once: true });
    }
  }
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));

function fields(step) {
  if (!step.view) return [];
  const rows = FIELDS.filter((name) => { const text = shown(step.view[name] ?? ""); return text !== "" && text !== "{}" && text !== "[]"; });
  if (!rows.length) return [element("p", {}, "The monitor reads nothing out of this step.")];
  return [element("h3", {}, "As the monitor reads it"), element("dl", {}, ...rows.flatMap((name) => [element("dt", {}, name), element("dd", { tabindex: "0" }, element("bdi", {}, shown(step.view[name])))]))];
}

function moved(step) {
  if (step.moved === null) return step.view ? [element("p", { class: "hint" }, "What moved the score here cannot be told.")] : [];
  if (!step.moved.length) return [element("p", { class: "hint" }, "Nothing in this step moved the score.")];
  const most = Math.max(...step.moved.map((one) => Math.abs(one.weight))) || 1;
  const rows = step.moved.map((one) => element(
    "li", {},
    element("span", { class: "what" }, element("b", {}, one.field), " ", element("bdi", {}, one.text || "the whole field")),
    size(one.weight, most),
    element("span", { class: "number" }, `${one.weight > 0 ? "+" : one.weight < 0 ? "−" : ""}${Math.abs(one.weight).toFixed(3)} ${one.weight > 0 ? "worse" : "better"}`),
  ));
  return [element("h3", {}, "What moved the score here"), element("ul", { class: "moved" }, ...rows)];
}

function size(weight, most) {
  const bar = drawn("svg", { class: "size", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  bar.append(drawn("rect", { class: weight > 0 ? "worse" : "better", width: (100 * Math.abs(weight)) / most, height: 8 }));
  return bar;
}

function raw(step) {
  if (step.raw === null) return element("p", { class: "hint" }, MISSING[step.raw_missing] ?? `The raw step is not to be had: ${step.raw_missing}.`);
  const box = element("details", { class: "raw" }, element("summary", {}, "Raw step"));
  box.addEventListener("toggle", () => { if (box.children.length === 1) box.append(element("pre", { tabindex: "0" }, shown(step.raw))); });
  return box;
}
