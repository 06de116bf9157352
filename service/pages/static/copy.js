// Buttons that copy a text of the page. Where a browser keeps the clipboard from a page (anything but HTTPS and this very
// machine) the text is selected instead, for the reader's own keys.
import { element } from "./element.js";

function select(source) {
  const range = document.createRange();
  range.selectNodeContents(source);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  // There before it says anything: what comes along with its first words is not read out.
  const said = element("span", { class: "hint", role: "status", "aria-live": "polite" });
  button.after(said);
  button.hidden = false;
  button.addEventListener("click", async () => {
    said.textContent = "";
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
    } catch {
      select(source);
      said.textContent = "Selected: copy it with Ctrl+C or ⌘C.";
    }
  });
}
