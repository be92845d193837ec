import { announce, prepareRegion, refilled } from "./announce";

// <neutral-apart> around a question: a neutral option stands alone. Choosing it sets the other answers aside; taking it
// back gives them again; answering otherwise takes it back. Without JavaScript the server refuses the mix and says so.
type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
const isBox = (input: Input): input is HTMLInputElement => input instanceof HTMLInputElement && (input.type === "radio" || input.type === "checkbox");

class NeutralApart extends HTMLElement {
  #aside = new Map<Input, string | boolean>();
  connectedCallback(): void {
    if (!this.querySelector("[data-neutral]")) return;
    prepareRegion();
    this.addEventListener("input", this.#answered);
    this.addEventListener("change", this.#answered);
  }
  get #neutral(): HTMLInputElement[] {
    return [...this.querySelectorAll<HTMLInputElement>("[data-neutral] input")];
  }
  get #others(): Input[] {
    return [...this.querySelectorAll<Input>("input, select, textarea")].filter((input) => !input.closest("[data-neutral]"));
  }
  #answered = (event: Event): void => {
    const input = event.target as Element;
    if (!input.closest("[data-neutral]")) {
      if (!this.#others.some(filled)) return;
      for (const box of this.#neutral) box.checked = false;
      this.#aside.clear();
      return;
    }
    if (event.type !== "change") return;
    const chosen = input as HTMLInputElement;
    if (!chosen.checked) return this.#restore();
    for (const box of this.#neutral) if (box !== chosen) box.checked = false;
    const held = this.#others.filter(filled);
    if (!held.length) return;
    this.#aside = new Map(held.map((other) => [other, isBox(other) ? other.checked : other.value]));
    for (const other of held) clear(other);
    refilled(this);
    announce(this.dataset.aside ?? "");
  };
  #restore(): void {
    if (!this.#aside.size) return;
    for (const [other, value] of this.#aside) {
      if (isBox(other)) other.checked = Boolean(value);
      else other.value = String(value);
    }
    this.#aside.clear();
    refilled(this);
    announce(this.dataset.back ?? "");
  }
}

function filled(input: Input): boolean {
  return isBox(input) ? input.checked && input.value !== "" : input.value.trim() !== "";
}

function clear(input: Input): void {
  if (!isBox(input)) input.value = "";
  else {
    input.checked = false;
    const none = input.type === "radio" ? input.form?.querySelector<HTMLInputElement>(`input[name="${CSS.escape(input.name)}"][value=""]`) : null;
    if (none) none.checked = true;
  }
}
customElements.define("neutral-apart", NeutralApart);
