// A run's page: its stored scores first, then each new one as it comes.
import { putAlert } from "./alert-rows.js";
import { element, put } from "./element.js";
import { fetched } from "./fetched.js";
import { RunChart } from "./run-chart.js";
import { RunSteps } from "./run-steps.js";
import { follow } from "./stream.js";
import { moment, number, percent } from "./words.js";

const AT_ONCE = 5000;
const told = JSON.parse(document.getElementById("told").textContent);
const address = `/v1/runs/${encodeURIComponent(told.run_id)}`;
const find = (id) => document.getElementById(id);
const write = (id, words) => { const place = find(id); if (place) put(place, words); };

const chart = new RunChart(find("chart"), find("readout"), told.line, (position) => steps.go(position));
const steps = new RunSteps(told.run_id, chart.scores);

function showRun(run) {
  const state = find("state");
  state.textContent = run.state;
  state.className = `badge ${run.state}`;
  write("risk", percent(run.risk));
  write("failure", percent(run.failure_probability));
  write("steps", number(run.steps));
  write("turn", number(run.turn));
  write("updated", moment(run.updated_ms));
  write("outcome", run.success === null ? "not known yet" : run.success ? "succeeded" : "failed");
  if (run.shadow) write("shadow", percent(run.shadow.failure_probability));
}

let asked = false;
/** Look the run up again, at most once a second. */
function look() {
  if (asked) return;
  asked = true;
  setTimeout(async () => {
    asked = false;
    try { showRun(await fetched(`${address}?limit=1`)); } catch { /* the stream says when the connection is lost */ }
  }, 1000);
}

let waiting = [];
/** Scores that came together are drawn together. */
function take(score) {
  if (score.position !== chart.scores.length + waiting.length) return;
  if (waiting.push(score) === 1) requestAnimationFrame(() => {
    const [newest] = waiting.slice(-1);
    chart.add(waiting);
    waiting = [];
    steps.refresh();
    write("risk", percent(newest.risk));
    write("failure", percent(newest.failure_probability));
    write("turn", number(newest.turn));
    look();
  });
}

function listen() {
  const end = follow(() => `${address}/events?from=${chart.scores.length + waiting.length}`, (words) => write("live", words), {
    open: () => write("live", "live"),
    back: () => write("live", "live"),
    score: take,
    alert(alert) {
      if (putAlert(alert)) write("announce", `New alert, ${alert.severity}, at step ${alert.position}.`);
    },
    end(run) {
      end();
      write("live", run.deleted ? "The run has been deleted." : "The run has ended.");
      if (!run.deleted) showRun(run);
    },
  });
}

const goToHash = () => { const found = /^#step-(\d{1,10})$/.exec(location.hash); if (found) steps.go(Number(found[1])); };
window.addEventListener("hashchange", goToHash);

async function begin() {
  try {
    for (let more = true; more; ) {
      const { scores } = await fetched(`${address}?first=${chart.scores.length}&limit=${AT_ONCE}`);
      // A step that is missing is waited for by the stream.
      const fit = scores.filter((score, index) => score.position === chart.scores.length + index);
      chart.add(fit);
      more = fit.length === AT_ONCE;
    }
  } catch (error) {
    find("chart").before(element("p", { class: "problem", role: "alert" }, `The scores are not to be had now: ${error.message}. Reload the page to try again.`));
  }
  steps.show(steps.follow.checked ? steps.last() : 0);
  goToHash();
  listen();
}

begin();
