// <budget-basket data-limit="hundredths or empty">: the running total over server-rendered checkboxes.
// Without JavaScript the form still works: the server checks the sum and shows an error summary.
class BudgetBasket extends HTMLElement {
  connectedCallback(): void {
    this.addEventListener("change", this.#sum);
    this.addEventListener("refill", this.#sum);
    this.#sum();
  }
  #sum = (): void => {
    const limit = this.dataset.limit ? Number(this.dataset.limit) : null;
    const boxes = [...this.querySelectorAll<HTMLInputElement>("input[type=checkbox][data-cost]")];
    const spent = boxes.filter((box) => box.checked).reduce((sum, box) => sum + Number(box.dataset.cost), 0);
    this.#write("[data-spent]", spent);
    this.#clash(boxes);
    if (limit === null) return;
    const left = limit - spent;
    this.#write("[data-left]", left);
    this.querySelector<HTMLProgressElement>("progress")?.setAttribute("value", String(Math.min(limit, spent)));
    for (const box of boxes) {
      const line = box.closest<HTMLElement>(".choice");
      if (line) line.dataset.over = String(!box.checked && Number(box.dataset.cost) > left);
    }
  };
  // Projects of one group exclude each other: the others say so, and the server has the last word.
  #clash(boxes: HTMLInputElement[]): void {
    for (const box of boxes) {
      const line = box.closest<HTMLElement>(".choice");
      const taken = boxes.some((other) => other !== box && other.checked && other.dataset.group === box.dataset.group);
      if (line && box.dataset.group) line.dataset.clash = String(!box.checked && taken);
    }
  }
  #write(selector: string, hundredths: number): void {
    const place = this.querySelector(selector);
    if (!place) return;
    const format = new Intl.NumberFormat(document.documentElement.lang, {
      style: "currency", currency: this.dataset.currency ?? "RUB", minimumFractionDigits: hundredths % 100 ? 2 : 0, maximumFractionDigits: hundredths % 100 ? 2 : 0,
    });
    place.textContent = format.format(hundredths / 100);
  }
}
customElements.define("budget-basket", BudgetBasket);
