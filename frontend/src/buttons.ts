// Buttons: copy, share, print; and forms that must not be sent twice by a double click.

document.addEventListener("click", async (event) => {
  const target = event.target as HTMLElement;
  const copy = target.closest<HTMLButtonElement>("button[data-copy]");
  if (copy) {
    await copyText(copy.dataset.copy ?? "");
    say(copy, copy.dataset.done ?? "");
  }
  const share = target.closest<HTMLButtonElement>("button[data-share]");
  if (share) {
    const url = new URL(share.dataset.share ?? "", location.href).href;
    if (navigator.share) await navigator.share({ url, title: document.title }).catch(() => undefined);
    else {
      await copyText(url);
      say(share, share.dataset.done ?? "");
    }
  }
  if (target.closest("button[data-print]")) print();
});

// Over plain http there is no clipboard object: there the text is copied from a field, as pages always did.
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.className = "sr";
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function say(button: HTMLElement, words: string): void {
  const status = document.createElement("span");
  status.setAttribute("role", "status");
  status.className = "muted small";
  status.textContent = words;
  button.after(status);
  setTimeout(() => status.remove(), 4000);
}

// Buttons that need JavaScript are hidden until it runs.
for (const button of document.querySelectorAll<HTMLElement>("[data-needs-js]")) button.hidden = false;

// A second click on «Send» while the first is under way does nothing; after a while a retry is allowed again, since
// the server answers a repeated vote with the same receipt.
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "true";
  setTimeout(() => delete form.dataset.sent, 5000);
});
