// Keeps the list of runs fresh: at most one event a second, whatever the agents do.
import { put } from "./element.js";
import { follow } from "./stream.js";
import { ago, number, percent, short } from "./words.js";

const table = document.getElementById("runs");
const body = table.tBodies[0];
const pattern = document.getElementById("row").content.firstElementChild;
const status = document.getElementById("live");
const empty = document.getElementById("empty");
const rows = new Map();
const shown = new Map();

for (const row of body.rows) rows.set(row.dataset.run, row);

function fill(row, run) {
  const [name, state, risk, spark, fails, steps, alerts, agent, monitor] = row.cells;
  const link = name.firstElementChild;
  if (row.dataset.run !== run.run_id || !link.textContent) {
    row.dataset.run = run.run_id;
    link.href = "/runs/" + encodeURIComponent(run.run_id);
    put(link.firstElementChild, run.run_id);
  }
  const badge = state.firstElementChild;
  if (badge.textContent !== run.state) {
    badge.className = "badge " + run.state;
    put(badge, run.state);
  }
  put(risk, percent(run.risk));
  const last = Math.max(1, run.trail.length - 1);
  const points = run.trail.map((one, at) => `${((100 * at) / last).toFixed(1)},${(22 - 20 * one).toFixed(1)}`).join(" ");
  spark.firstElementChild.firstElementChild.setAttribute("points", points);
  put(fails, percent(run.failure_probability));
  put(steps, number(run.steps));
  put(alerts, run.alerts ? number(run.alerts) : "");
  put(agent.firstElementChild, short(run.agent, 60));
  put(monitor.firstElementChild, short(run.monitor_id, 24));
}

function tellTimes() {
  const now = Date.now();
  for (const [name, run] of shown) {
    const time = rows.get(name)?.cells[9].firstElementChild;
    if (time) {
      put(time, ago(run.updated_ms, now));
      if (time.dateTime !== String(run.updated_ms)) time.dateTime = new Date(run.updated_ms).toISOString();
    }
  }
}

// Where this page is in the whole list, which grows and shrinks meanwhile.
function tellPlaces(length, matching) {
  const first = Number(table.dataset.first);
  const last = first + Number(table.dataset.limit);
  put(document.getElementById("places"), length ? `${number(first + 1)} – ${number(first + length)}` : "");
  document.getElementById("pages").hidden = first === 0 && matching <= last;
  document.getElementById("next").hidden = matching <= last;
  document.getElementById("beyond").hidden = length > 0 || matching === 0;
  empty.hidden = matching > 0;
}

function take(news) {
  for (const run of news.rows) {
    let row = rows.get(run.run_id);
    if (!row) rows.set(run.run_id, (row = pattern.cloneNode(true)));
    fill(row, run);
    shown.set(run.run_id, run);
  }
  const wanted = new Set(news.order);
  for (const [name, row] of rows) {
    if (!wanted.has(name)) {
      row.remove();
      rows.delete(name);
      shown.delete(name);
    }
  }
  // A row that holds the reader's focus is not moved away under the fingers: the others are moved around it.
  let place = body.firstElementChild;
  for (const name of news.order) {
    const row = rows.get(name);
    if (!row) continue;
    if (row === place) place = place.nextElementSibling;
    else if (!row.contains(document.activeElement)) body.insertBefore(row, place);
  }
  put(document.getElementById("matching"), number(news.matching));
  put(document.getElementById("known"), number(news.known));
  tellPlaces(news.order.length, news.matching);
  tellTimes();
}

follow(() => table.dataset.stream, (words) => put(status, words), {
  back: () => put(status, "live"),
  list(news) {
    put(status, "live");
    take(news);
  },
});
setInterval(tellTimes, 5000);
