// A page that cannot be shown just now is asked for again until it can.
const EVERY_MS = 2000;

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status < 500 && answer.status !== 429) return location.reload();
  } catch { /* nobody answers at all: the same */ }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
