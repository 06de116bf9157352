// What the service answers, and what to say where it does not.
import { short } from "./words.js";

/** What an address of the API answers; an Error with words that a person can use where it does not. */
export async function fetched(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" } });
  } catch {
    throw new Error("the service does not answer; it is tried again when something new comes");
  }
  if (answer.ok) return answer.json();
  throw new Error(await reason(answer));
}

/** Why an answer is none, in the service's own words. */
export async function reason(answer) {
  const told = await answer.json().catch(() => ({}));
  return `${told.title ?? "it failed"}${told.detail ? `: ${short(told.detail, 200)}` : ""} (${answer.status})`;
}
