import { say } from "./announce";

// <points-left data-total data-cap>: how many points are left, and buttons for one more and one less. The fields are
// the server's own; without JavaScript it adds them up.
class PointsLeft extends HTMLElement {
  connectedCallback(): void {
    for (const hidden of this.querySelectorAll<HTMLElement>("[data-by], [data-points-bar]")) hidden.hidden = false;
    this.addEventListener("input", this.#sum);
    this.addEventListener("refill", this.#sum);
    this.addEventListener("click", this.#step);
    this.#sum();
  }
  get #fields(): HTMLInputElement[] {
    return [...this.querySelectorAll<HTMLInputElement>(".stepper input")];
  }
  #given = (field: HTMLInputElement): number => {
    const number = Number(field.value.trim() || "0");
    return Number.isInteger(number) ? number : 0;
  };
  #step = (event: Event): void => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-by]");
    const field = button?.parentElement?.querySelector<HTMLInputElement>("input");
    if (!button || !field || button.getAttribute("aria-disabled") === "true") return;
    const now = this.#given(field) + Number(button.dataset.by);
    field.value = now > 0 ? String(now) : "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  #sum = (): void => {
    const total = Number(this.dataset.total), cap = Number(this.dataset.cap);
    const spent = this.#fields.reduce((sum, field) => sum + this.#given(field), 0);
    const left = total - spent;
    const place = this.querySelector<HTMLElement>("[data-points-left]");
    const words = left < 0 ? say(this.dataset.over, { n: -left }) : say(this.dataset.left, { n: left });
    if (place && place.textContent !== words) place.textContent = words;
    place?.classList.toggle("over", left < 0);
    this.querySelector("progress")?.setAttribute("value", String(Math.min(total, Math.max(0, spent))));
    for (const field of this.#fields) {
      const given = this.#given(field);
      for (const button of field.parentElement?.querySelectorAll<HTMLButtonElement>("[data-by]") ?? []) {
        const off = button.dataset.by === "1" ? left <= 0 || given >= cap : given <= 0;
        button.setAttribute("aria-disabled", String(off));
      }
    }
  };
}
customElements.define("points-left", PointsLeft);
