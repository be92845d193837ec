// <unsent-guard> around a form: the browser warns before leaving while something is filled in and not sent.
// Submitting (next question, back, save) is not leaving. `data-dirty` marks a form that came with unsent answers.
class UnsentGuard extends HTMLElement {
  #dirty = false;
  connectedCallback(): void {
    this.#dirty = this.dataset.dirty === "true";
    this.addEventListener("input", () => (this.#dirty = true));
    this.addEventListener("submit", () => (this.#dirty = false));
    addEventListener("beforeunload", this.#warn);
  }
  disconnectedCallback(): void {
    removeEventListener("beforeunload", this.#warn);
  }
  #warn = (event: BeforeUnloadEvent): void => {
    if (this.#dirty) event.preventDefault();
  };
}
customElements.define("unsent-guard", UnsentGuard);
