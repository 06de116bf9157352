// A stream of events that comes back by itself and says in words how it stands.
import { reason } from "./fetched.js";

const AGAIN_MS = 2000;
export const LOST = "The connection is lost: reconnecting…";

/** Follow the stream at `address()`, and call `events[name]` with the data of each event. `events.open` is called when it is there, with
 *  true where events may have been missed; `say(words)` whenever it stands otherwise than before. A browser resumes a stream that
 *  breaks, but gives up once it is answered by anything else, as a service does that is just starting: this goes on, and asks for the
 *  address anew. Returns a function that ends it. */
export function follow(address, say, events) {
  let source, timer, isAgain = false;

  function open() {
    source = new EventSource(address());
    source.addEventListener("open", () => { events.open?.(isAgain); isAgain = false; });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) again();
      else say(LOST);
    });
    source.addEventListener("away", (event) => say(`${JSON.parse(event.data).title}. What is shown stood so at ${new Date().toISOString().slice(11, 19)} UTC, and goes on by itself.`));
    for (const [name, take] of Object.entries(events)) if (name !== "open") source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  }

  /** Ask as a page may, and so learn what an EventSource does not tell: why. */
  async function again() {
    isAgain = true;
    const asking = new AbortController();
    try {
      const answer = await fetch(address(), { signal: asking.signal });
      asking.signal.throwIfAborted();
      if (answer.ok) {
        asking.abort();
        return open();
      }
      const why = await reason(answer);
      // What was asked is wrong, and stays so: the key is good no more, or the run is gone.
      if (answer.status < 500 && answer.status !== 429) return say(`The stream has ended: ${why}. Reload the page.`);
      say(`${LOST} ${why}`);
    } catch {
      say(LOST);
    }
    timer = setTimeout(again, AGAIN_MS);
  }

  function close() {
    source.close();
    clearTimeout(timer);
  }

  // A page that one leaves may come back as it was left.
  const come = (event) => { if (event.persisted) { isAgain = true; open(); } };
  addEventListener("pagehide", close);
  addEventListener("pageshow", come);
  open();
  return () => { close(); removeEventListener("pageshow", come); };
}
