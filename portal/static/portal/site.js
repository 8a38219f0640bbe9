// What a script adds to the site; every page works without it.

const REST = 2000; // milliseconds until a copy button is itself again

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.closest(".copyable").querySelector("code");
  say(button, (await copied(source)) ? "Copied" : "Selected: press Ctrl+C");
});

// Whether the text of `source` is in the clipboard; if not, it is selected instead.
async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // Refused, or an address without TLS, where browsers offer no clipboard.
    source.closest("details")?.setAttribute("open", "");
    getSelection().selectAllChildren(source);
    return false;
  }
}

function say(button, words) {
  const word = button.querySelector("[data-copy-word]");
  button.dataset.copy ||= word.textContent; // Its own word, while it says another.
  word.textContent = words;
  document.getElementById("announcement").textContent = words;
  setTimeout(() => (word.textContent = button.dataset.copy), REST);
}
