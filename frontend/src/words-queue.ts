// <words-queue> around the moderation queue: j and k go from one wording to the next, a approves the one in focus.
// Only while the focus is within the queue and not in a field, so no key is taken from anybody who types.
class WordsQueue extends HTMLElement {
  connectedCallback(): void {
    this.addEventListener("keydown", (event) => this.#press(event));
    this.querySelector("[data-tick-all]")?.addEventListener("click", () => {
      const boxes = [...this.querySelectorAll<HTMLInputElement>("input[type=checkbox][form=bulk]")];
      const tick = boxes.some((box) => !box.checked);
      for (const box of boxes) box.checked = tick;
    });
  }

  #press(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.altKey || event.metaKey || target.matches("input:not([type=checkbox]), select, textarea")) return;
    const rows = [...this.querySelectorAll<HTMLElement>(".word")];
    const here = rows.findIndex((row) => row.contains(target));
    const step = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
    if (step) {
      const next = rows[Math.min(Math.max(here + step, 0), rows.length - 1)];
      next?.querySelector<HTMLElement>("input[type=checkbox]")?.focus();
      event.preventDefault();
    } else if (event.key === "a" && here >= 0) {
      rows[here]?.querySelector<HTMLButtonElement>("button[data-key=a]")?.click();
      event.preventDefault();
    }
  }
}
customElements.define("words-queue", WordsQueue);
