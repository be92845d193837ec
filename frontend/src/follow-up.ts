import { announce, prepareRegion, say } from "./announce";

// <follow-up data-question="1" data-options="2 3" data-least data-most>: a question that an answer on the same page
// shows. Hidden, its fields are disabled and so not sent; what was filled in stays and comes back with it. The server
// judges for itself and drops what is hidden; without JavaScript a sentence says when to answer.
class FollowUp extends HTMLElement {
  #form: HTMLFormElement | null = null;
  connectedCallback(): void {
    this.#form = this.closest("form");
    prepareRegion();
    this.setAttribute("ready", "");
    this.querySelector<HTMLElement>("[data-condition]")?.setAttribute("hidden", "");
    this.#form?.addEventListener("input", this.#look);
    this.#form?.addEventListener("change", this.#look);
    this.#show(this.#asked());
  }
  disconnectedCallback(): void {
    this.#form?.removeEventListener("input", this.#look);
    this.#form?.removeEventListener("change", this.#look);
  }
  #look = (): void => {
    const asked = this.#asked();
    if (asked !== this.hidden) return; // shown and asked, or hidden and not
    this.#show(asked);
    const question = this.querySelector("legend")?.textContent?.trim() ?? "";
    announce(say(asked ? this.dataset.appears : this.dataset.goes, { question }));
  };
  #show(asked: boolean): void {
    this.hidden = !asked;
    for (const field of this.querySelectorAll<HTMLInputElement>("input, select, textarea")) field.disabled = !asked;
  }
  #asked(): boolean {
    if (!this.#form) return true;
    const sent = new FormData(this.#form);
    const question = `q-${this.dataset.question}`;
    const options = (this.dataset.options ?? "").split(" ").filter(Boolean);
    const least = this.dataset.least ? Number(this.dataset.least) : null;
    const most = this.dataset.most ? Number(this.dataset.most) : null;
    const wanted = (option: string) => !options.length || options.includes(option);
    for (const [name, value] of sent) {
      if (typeof value !== "string" || !value.trim()) continue;
      if (name === question && least === null && most === null && value !== "0" && wanted(value)) return true;
      if (name === `${question}-own`) {
        if (wanted("0")) return true;
      } else if (name.startsWith(`${question}-`)) {
        const number = Number(value);
        if (!Number.isInteger(number) || !wanted(name.slice(question.length + 1))) continue;
        if (least === null && most === null ? number !== 0 || !this.#points(name) : number >= (least ?? -Infinity) && number <= (most ?? Infinity) && !(this.#points(name) && number === 0)) return true;
      }
    }
    return false;
  }
  // Nothing given is not an answer where points are spread; on a scale 0 is a level like others.
  #points(name: string): boolean {
    return this.#form?.elements.namedItem(name) instanceof Element && (this.#form.elements.namedItem(name) as Element).closest("points-left") !== null;
  }
}
customElements.define("follow-up", FollowUp);
