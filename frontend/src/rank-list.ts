import { announce, prepareRegion, say } from "./announce";

// <rank-list data-most="3" data-equal>: a list in the resident's order made of server-rendered fields, one place for
// each option. The fields stay in the form and are what is sent; the list only writes into them, so the page without
// JavaScript sends the same. Buttons, Alt+Arrow on them, or dragging by the grip; every move is announced.
interface Item { row: HTMLLIElement; field: HTMLInputElement | HTMLSelectElement; name: string; tied: boolean }

class RankList extends HTMLElement {
  #items: Item[] = []; // every option, in the order of the page
  #order: Item[] = []; // those with a place, best first; `tied` shares the place of the one before
  #ranked!: HTMLOListElement;
  #pool!: HTMLUListElement;

  connectedCallback(): void {
    if (this.#items.length) return;
    this.#ranked = this.querySelector("[data-ranked]")!;
    this.#pool = this.querySelector("[data-pool]")!;
    const tools = this.querySelector("template")!;
    for (const row of this.#pool.querySelectorAll<HTMLLIElement>("li.rank")) {
      const field = row.querySelector<HTMLInputElement | HTMLSelectElement>(".rank-place select, .rank-place input")!;
      const name = row.dataset.name ?? "";
      const made = tools.content.cloneNode(true) as DocumentFragment;
      for (const words of made.querySelectorAll(".sr")) words.textContent = say(words.textContent ?? "", { name });
      const [grip, number, buttons] = [...made.children] as [Element, Element, Element];
      row.prepend(grip, number);
      row.append(buttons);
      // The field is out of sight; the link of the error summary finds the row instead.
      field.closest<HTMLElement>(".rank-place")!.hidden = true;
      const label = row.querySelector("label");
      label?.removeAttribute("for");
      const id = field.id;
      field.removeAttribute("id");
      row.id = id;
      row.tabIndex = -1;
      this.#items.push({ row, field, name, tied: false });
    }
    prepareRegion();
    this.#read();
    this.addEventListener("click", this.#click);
    this.addEventListener("keydown", this.#key);
    this.addEventListener("pointerdown", this.#grab);
    this.addEventListener("refill", this.#read);
    this.setAttribute("ready", "");
  }

  get #most(): number { return Number(this.dataset.most); }

  #read = (): void => {
    const given = this.#items.filter((item) => /^[0-9]+$/.test(item.field.value.trim()));
    this.#order = given.sort((a, b) => Number(a.field.value) - Number(b.field.value));
    this.#order.forEach((item, i) => (item.tied = i > 0 && item.field.value === this.#order[i - 1]!.field.value && "equal" in this.dataset));
    this.#draw();
  };

  #place(item: Item): number {
    let place = 0;
    for (const one of this.#order) {
      if (!one.tied) place += 1;
      if (one === item) return place;
    }
    return 0;
  }

  #draw(): void {
    const left = this.#items.filter((item) => !this.#order.includes(item));
    put(this.#ranked, this.#order);
    put(this.#pool, left);
    const full = this.#order.length >= this.#most;
    for (const item of this.#items) {
      const at = this.#order.indexOf(item);
      const ranked = at >= 0;
      item.row.classList.toggle("is-ranked", ranked);
      item.row.classList.toggle("is-tied", ranked && item.tied);
      item.row.querySelector(".rank-number")!.textContent = ranked ? String(this.#place(item)) : "";
      for (const button of item.row.querySelectorAll<HTMLButtonElement>("[data-do]")) {
        const what = button.dataset.do;
        button.hidden = (what === "add") === ranked;
        const off = what === "up" ? at <= 0 : what === "down" ? at === this.#order.length - 1 : what === "tie" ? at <= 0 : what === "add" ? full : false;
        button.setAttribute("aria-disabled", String(off));
        if (what === "tie") button.setAttribute("aria-pressed", String(item.tied));
      }
    }
    this.#show("[data-ranked-title]", true);
    this.#show("[data-ranked-empty]", this.#order.length === 0);
    this.#show("[data-pool-title]", left.length > 0);
    this.#ranked.hidden = this.#order.length === 0;
    this.#pool.hidden = left.length === 0;
    this.querySelector("[data-ranked-count]")!.textContent = say(this.dataset.count, { n: this.#order.length, total: this.#items.length });
  }

  #show(selector: string, shown: boolean): void {
    this.querySelector<HTMLElement>(selector)!.hidden = !shown;
  }

  // Write the places into the fields and tell the form.
  #write(): void {
    for (const item of this.#items) item.field.value = this.#order.includes(item) ? String(this.#place(item)) : "";
    this.#draw();
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #click = (event: Event): void => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-do]");
    const item = this.#items.find((one) => button && one.row.contains(button));
    if (!button || !item) return;
    if (button.getAttribute("aria-disabled") === "true") {
      if (button.dataset.do === "add") announce(say(this.dataset.full, { most: this.#most }));
      return;
    }
    this.#do(item, button.dataset.do ?? "");
  };

  #key = (event: KeyboardEvent): void => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const item = this.#order.find((one) => one.row.contains(event.target as Node));
    if (!item) return;
    event.preventDefault();
    const at = this.#order.indexOf(item);
    if (event.key === "ArrowUp" ? at > 0 : at < this.#order.length - 1) this.#do(item, event.key === "ArrowUp" ? "up" : "down");
  };

  #do(item: Item, what: string): void {
    const at = this.#order.indexOf(item);
    const pool = this.#items.filter((one) => !this.#order.includes(one));
    if (what === "add") this.#insert(item, this.#order.length);
    else if (what === "remove") this.#take(item);
    else if (what === "tie") item.tied = !item.tied;
    else this.#moveTo(item, what === "up" ? at - 1 : at + 1);
    this.#write();
    this.#tell(item);
    const next = what === "add" ? pool[pool.indexOf(item) + 1] ?? pool[pool.indexOf(item) - 1] : undefined;
    this.#focus(next ?? item, next ? "add" : what);
  }

  #take(item: Item): void {
    const at = this.#order.indexOf(item);
    if (at < 0) return;
    this.#order.splice(at, 1);
    const behind = this.#order[at];
    if (behind && !item.tied) behind.tied = false; // the first of those that shared a place is gone
    item.tied = false;
  }

  #insert(item: Item, at: number): void {
    this.#order.splice(at, 0, item);
    item.tied = false;
    const behind = this.#order[at + 1];
    if (behind) behind.tied = false;
  }

  #moveTo(item: Item, at: number): void {
    this.#take(item);
    this.#insert(item, at);
  }

  #tell(item: Item): void {
    const place = this.#place(item);
    const shared = place > 0 && this.#order.some((one) => one !== item && this.#place(one) === place);
    const total = this.#order.length;
    announce(say(!place ? this.dataset.removed : shared ? this.dataset.tied : this.dataset.place, { name: item.name, place, total }));
  }

  // Keep the focus on the same button, or on a neighbour when it has gone or cannot be pressed any more.
  #focus(item: Item, what: string): void {
    const usable = (name: string) => item.row.querySelector<HTMLButtonElement>(`[data-do=${name}]:not([hidden], [aria-disabled=true])`);
    (usable(what) ?? usable("up") ?? usable("down") ?? usable("add") ?? item.row.querySelector<HTMLButtonElement>("[data-do]:not([hidden])"))?.focus();
  }

  #grab = (event: PointerEvent): void => {
    const grip = (event.target as HTMLElement).closest<HTMLElement>(".rank-grip");
    const item = this.#order.find((one) => grip && one.row.contains(grip));
    if (!grip || !item || event.button) return;
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    item.row.classList.add("drag");
    const drag = (move: PointerEvent): void => {
      const others = this.#order.filter((one) => one !== item);
      const at = others.filter((one) => middle(one.row) < move.clientY).length;
      if (at !== this.#order.indexOf(item)) {
        this.#moveTo(item, at);
        this.#draw();
        grip.setPointerCapture(event.pointerId);
      }
    };
    const drop = (): void => {
      item.row.classList.remove("drag");
      grip.removeEventListener("pointermove", drag);
      this.#write();
      this.#tell(item);
    };
    grip.addEventListener("pointermove", drag);
    grip.addEventListener("pointerup", drop, { once: true });
    grip.addEventListener("pointercancel", drop, { once: true });
  };
}

// Put the rows in this order, moving as few as need be: a row that is taken out loses its pointer.
function put(list: HTMLElement, items: Item[]): void {
  items.forEach((item, i) => {
    if (list.children[i] !== item.row) list.insertBefore(item.row, list.children[i] ?? null);
  });
}

function middle(row: HTMLElement): number {
  const box = row.getBoundingClientRect();
  return box.top + box.height / 2;
}
customElements.define("rank-list", RankList);
