// How figures, times and texts are written, as the server's own templates write them (service/pages/formats.py).

/** A share of one as per cent. What is not quite 0 or 100 % is not written as such. */
export function percent(share, places = 0) {
  if (share === null || share === undefined) return "–";
  const text = (share * 100).toFixed(places);
  if (share > 0 && share < 1 && (Number(text) === 0 || Number(text) === 100)) {
    const least = 10 ** -places;
    return share < 0.5 ? `< ${least.toFixed(places)} %` : `> ${(100 - least).toFixed(places)} %`;
  }
  return `${text} %`;
}

/** A number with thousands apart. */
export const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en-US"));

/** A time in UTC to the second. */
export const moment = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + " UTC";

/** How long ago a time was. */
export function ago(ms, now) {
  const s = Math.max(0, Math.round((now - ms) / 1000));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

/** A text cut to so many characters, none of them in two. */
export function short(text, most) {
  const cut = (text ?? "").slice(0, 4 * most);
  return [...cut].length > most ? [...cut].slice(0, most - 1).join("") + "…" : cut;
}
