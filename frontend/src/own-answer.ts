// <own-answer>: writing an answer of one's own chooses it, and choosing another one leaves the words standing without
// sending them. Without JavaScript both are sent, and the server asks which is meant.
class OwnAnswer extends HTMLElement {
  #field!: HTMLInputElement;
  #box!: HTMLInputElement;
  #name = "";
  connectedCallback(): void {
    this.#box = this.querySelector<HTMLInputElement>("input[type=radio], input[type=checkbox]")!;
    this.#field = this.querySelector<HTMLInputElement>("input[type=text]")!;
    this.#name = this.#field.name;
    this.#field.addEventListener("input", this.#written);
    this.addEventListener("refill", this.#chosen);
    // While the event goes down, so that whoever reads the form on its way up finds the words as they will be sent.
    for (const event of ["input", "change"]) this.closest("form")?.addEventListener(event, this.#chosen, true);
    this.#chosen();
  }
  disconnectedCallback(): void {
    for (const event of ["input", "change"]) this.closest("form")?.removeEventListener(event, this.#chosen, true);
  }
  #written = (): void => {
    const written = this.#field.value.trim() !== "";
    if (written === this.#box.checked) return;
    if (!written && this.#box.type === "radio") return;
    this.#box.checked = written;
    this.#box.dispatchEvent(new Event("change", { bubbles: true }));
  };
  #chosen = (): void => {
    const group = [...(this.closest("form")?.querySelectorAll<HTMLInputElement>(`input[name="${CSS.escape(this.#box.name)}"]`) ?? [])];
    const others = this.#box.type === "radio" ? group.some((box) => box !== this.#box && box.checked) : !this.#box.checked;
    this.#field.name = others ? "" : this.#name;
  };
}
customElements.define("own-answer", OwnAnswer);
