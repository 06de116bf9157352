// Elements made by hand: whatever an agent wrote becomes text, and nothing else.

/** An element with attributes and children; children that are no nodes become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== null) made.setAttribute(key, value);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** The same for SVG. */
export function drawn(name, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A share of one as per cent, as pages write it (formats.py). */
export function percent(share, places = 0) {
  if (share === null || share === undefined) return "–";
  const text = (share * 100).toFixed(places);
  if (share > 0 && share < 1 && (Number(text) === 0 || Number(text) === 100)) {
    const least = 10 ** -places;
    return share < 0.5 ? `< ${least.toFixed(places)} %` : `> ${(100 - least).toFixed(places)} %`;
  }
  return `${text} %`;
}

/** A time in UTC to the second. */
export const moment = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + " UTC";

/** A text cut to so many characters. */
export function short(text, most) {
  const cut = (text ?? "").slice(0, 4 * most);
  return [...cut].length > most ? [...cut].slice(0, most - 1).join("") + "…" : cut;
}

/** What an address of the API answers; an Error with words that a person can use where it does not. */
export async function fetched(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" } });
  } catch {
    throw new Error("the service does not answer; it is tried again when something new comes");
  }
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new Error(`${told.title ?? "it failed"}${told.detail ? `: ${short(told.detail, 200)}` : ""} (${answer.status})`);
}
