// A run's page: its stored scores first, then each new one as it comes.
import { element, fetched, moment, percent } from "./element.js";
import { putAlert } from "./alert-rows.js";
import { RunChart } from "./run-chart.js";
import { RunSteps } from "./run-steps.js";

const AT_ONCE = 5000;
const told = JSON.parse(document.getElementById("told").textContent);
const address = `/v1/runs/${encodeURIComponent(told.run_id)}`;
const find = (id) => document.getElementById(id);
const put = (id, words) => { const place = find(id); if (place) place.textContent = words; };

const chart = new RunChart(find("chart"), find("readout"), told.line, (position) => steps.go(position));
const steps = new RunSteps(told.run_id, chart.scores);

function showRun(run) {
  const state = find("state");
  state.textContent = run.state;
  state.className = `badge ${run.state}`;
  put("risk", percent(run.risk));
  put("failure", percent(run.failure_probability));
  put("steps", run.steps.toLocaleString("en"));
  put("turn", run.turn.toLocaleString("en"));
  put("updated", moment(run.updated_ms));
  put("outcome", run.success === null ? "not known yet" : run.success ? "succeeded" : "failed");
  if (run.shadow) put("shadow", percent(run.shadow.failure_probability));
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
    put("risk", percent(newest.risk));
    put("failure", percent(newest.failure_probability));
    put("turn", newest.turn.toLocaleString("en"));
    look();
  });
}

function listen() {
  const source = new EventSource(`${address}/events?from=${chart.scores.length}`);
  source.addEventListener("open", () => put("live", "live"));
  source.addEventListener("error", () => put("live", source.readyState === EventSource.CLOSED ? "The stream has ended: reload the page." : "The connection is lost, and is tried again."));
  source.addEventListener("score", (event) => take(JSON.parse(event.data)));
  source.addEventListener("alert", (event) => {
    const alert = JSON.parse(event.data);
    if (putAlert(alert)) put("announce", `New alert, ${alert.severity}, at step ${alert.position}.`);
  });
  source.addEventListener("end", (event) => {
    source.close();
    const run = JSON.parse(event.data);
    put("live", run.deleted ? "The run has been deleted." : "The run has ended.");
    if (!run.deleted) showRun(run);
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
