// The list of alerts, live: a new one appears at the top, and is told of politely.
import { putAlert } from "./alert-rows.js";
import { put } from "./element.js";
import { fetched } from "./fetched.js";
import { follow } from "./stream.js";
import { short } from "./words.js";

const ROWS_AT_MOST = 200, A_PAGE = 50;
const LIVE = "Live: new alerts appear by themselves.";
const said = document.getElementById("said");
const chosen = new URLSearchParams(location.search);
const filters = ["severity", "state"].filter((name) => chosen.get(name)).map((name) => [name, chosen.get(name)]);

const say = (words) => put(said, words);

function show(alert) {
  if (!filters.every(([name, value]) => (alert[name] ?? "warning") === value) || !putAlert(alert)) return;
  say(`New alert, ${alert.severity}: run ${short(alert.run_id, 60)}, step ${alert.position}.`);
  const rows = document.getElementById("alerts").tBodies[0].rows;
  while (rows.length > ROWS_AT_MOST) rows[rows.length - 1].remove();
}

/** Alerts that were missed are on the list that a reload would show. */
async function catchUp() {
  try {
    const { alerts } = await fetched(`/v1/alerts?${new URLSearchParams([...filters, ["limit", A_PAGE]])}`);
    for (const alert of alerts.reverse()) show(alert);
  } catch (error) {
    say(`Some alerts may be missing here: ${error.message}. Reload the page.`);
  }
}

follow(() => "/v1/events?only=alerts", say, {
  open(isAgain) {
    say(LIVE);
    if (isAgain) catchUp();
  },
  back: () => say(LIVE),
  reset: catchUp,
  alert: show,
});
