// A row of an alert that has just come, as templates/alert-parts.html makes it.
import { element } from "./element.js";
import { moment, number, percent, short } from "./words.js";

const CLASSES = { info: "low", warning: "warning", critical: "critical" };

/** Put an alert at the top of the page's table, unless it is there already. True if it was put. */
export function putAlert(alert) {
  const table = document.getElementById("alerts");
  for (const row of table.querySelectorAll("[data-alert]")) if (row.dataset.alert === alert.id) return false;
  const address = `/alerts/${encodeURIComponent(alert.id)}`;
  const withRun = table.dataset.withRun === "yes";
  const isoTime = new Date(alert.created_ms).toISOString();
  const opened = element("a", { href: address }, element("time", { datetime: isoTime }, moment(alert.created_ms)));
  const state = alert.state ?? "warning";
  const cells = [
    element("td", {}, opened),
    element("td", {}, element("span", { class: `badge ${CLASSES[alert.severity] ?? "low"}` }, alert.severity)),
    element("td", {}, element("span", { class: `badge ${state}` }, state)),
  ];
  const step = `#step-${alert.position}`;
  if (withRun) {
    const run = element("a", { href: `/runs/${encodeURIComponent(alert.run_id)}${step}` }, element("bdi", {}, short(alert.run_id, 60)));
    cells.push(element("td", { class: "name" }, run), element("td", { class: "name" }, element("bdi", {}, short(alert.agent, 40) || "–")));
    cells.push(element("td", { class: "number" }, number(alert.position)));
  } else {
    cells.push(element("td", { class: "number" }, element("a", { href: step }, number(alert.position))));
  }
  const label = `Acknowledge the alert of ${short(alert.run_id, 60)}, step ${alert.position}`;
  const form = element(
    "form", { method: "post", action: `${address}/acknowledge` },
    element("input", { type: "hidden", name: "back", value: table.dataset.back }),
    element("button", { class: "quiet", "aria-label": label }, "Acknowledge"),
  );
  cells.push(element("td", { class: "number" }, percent(alert.risk)), element("td", { class: "number" }, percent(alert.failure_probability)));
  cells.push(element("td", {}, alert.acknowledgement ? element("bdi", {}, short(alert.acknowledgement.by, 40) || "somebody") : form));
  // On a phone each cell is a line of its own, with its column's name before it.
  cells.forEach((cell, at) => { cell.dataset.title = table.tHead.rows[0].cells[at].textContent; });
  table.tBodies[0].prepend(element("tr", { "data-alert": alert.id }, ...cells));
  table.hidden = false;
  document.getElementById("none").hidden = true;
  return true;
}
