// The list of alerts, live: a new one appears at the top, and is told of politely.
import { short } from "./element.js";
import { putAlert } from "./alert-rows.js";

const ROWS_AT_MOST = 200;
const said = document.getElementById("said");
const chosen = new URLSearchParams(location.search);
const wanted = (name, value) => !chosen.get(name) || chosen.get(name) === value;

const source = new EventSource("/v1/events?only=alerts");
source.addEventListener("open", () => { said.textContent = "Live: new alerts appear by themselves."; });
source.addEventListener("error", () => { said.textContent = "The connection is lost, and is tried again. Reload the page if this stays."; });
source.addEventListener("reset", () => { said.textContent = "Some alerts may be missing here: reload the page."; });
source.addEventListener("alert", (event) => {
  const alert = JSON.parse(event.data);
  if (!wanted("severity", alert.severity) || !wanted("state", alert.state ?? "warning") || !putAlert(alert)) return;
  said.textContent = `New alert, ${alert.severity}: run ${short(alert.run_id, 60)}, step ${alert.position}.`;
  const rows = document.getElementById("alerts").tBodies[0].rows;
  while (rows.length > ROWS_AT_MOST) rows[rows.length - 1].remove();
});
