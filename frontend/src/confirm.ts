// <button data-confirm="what will happen" data-yes="…" data-no="…">: asks in a dialog before its form is sent.
// Without JavaScript the form is sent as it is; whatever cannot be undone must be asked by the server too.
// In the capturing phase, so that the guard against a second click does not count the question as a first one.
const confirmed = new WeakSet<HTMLElement>();

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  const button = event.submitter;
  const question = button?.dataset.confirm;
  if (!button || !question) return;
  if (confirmed.delete(button)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(question, button.dataset.yes ?? button.textContent ?? "", button.dataset.no ?? "×", () => {
    confirmed.add(button);
    form.requestSubmit(button);
  });
}, { capture: true });

function ask(question: string, yes: string, no: string, go: () => void): void {
  const dialog = document.createElement("dialog");
  dialog.className = "ds-dialog confirm";
  const words = document.createElement("p");
  words.id = "confirm-words";
  words.textContent = question;
  dialog.setAttribute("aria-labelledby", words.id);
  const row = document.createElement("p");
  row.className = "row";
  row.append(answer(yes, "primary", () => dialog.close("yes")), answer(no, "tertiary", () => dialog.close("no")));
  dialog.append(words, row);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "yes") go();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function answer(words: string, variant: string, press: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "ds-button";
  button.dataset.variant = variant;
  button.textContent = words;
  button.addEventListener("click", press);
  return button;
}
