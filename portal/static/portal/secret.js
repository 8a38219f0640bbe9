// The page that shows a secret, once. It keeps nothing, and asks for nothing.

let isStored = false;
const stored = document.querySelector("[data-stored]");

// The page gives its place in the history away: no way leads back to it.
stored.addEventListener("click", (event) => {
  event.preventDefault();
  isStored = true;
  location.replace(stored.href);
});

addEventListener("beforeunload", (event) => {
  if (!isStored) event.preventDefault();
});

// A browser may keep a page in memory, to show it again.
addEventListener("pagehide", () => document.querySelector("main").replaceChildren());

for (const button of document.querySelectorAll("[data-download]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    save(button.dataset.download, button.closest(".copyable").querySelector("code").textContent);
  });
}

// A data: address would hold the text, and go into the browser's list of downloads. Of a type
// that it knows, or finds out for itself, a browser would add an ending to the name.
function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
