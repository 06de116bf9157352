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

/** Set a text only where it differs, so that a browser lays out nothing anew for what stayed the same. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
