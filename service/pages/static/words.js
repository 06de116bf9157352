// How figures and times are written, as the server's own templates write them (service/pages/formats.py).

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const text = (share * 100).toFixed(0);
  if (share > 0 && share < 1 && text === "0") return "< 1 %";
  if (share > 0 && share < 1 && text === "100") return "> 99 %";
  return `${text} %`;
}

export function number(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-US");
}

export function short(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
}

export function ago(ms, now) {
  const s = Math.max(0, Math.round((now - ms) / 1000));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

// Sets a text only where it differs, so that a browser lays out nothing anew for what stayed the same.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
