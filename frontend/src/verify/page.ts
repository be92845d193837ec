// <board-verifier>: the check of a board on its page. Every word is the page's own; without this file the page says what
// can be checked and how, and nothing of it is hidden. A receipt stays in this page and its worker: no address, no
// storage, no form field with a name.
import { announce, prepareRegion, say } from "../announce";
import type { Json } from "./canonical";
import { NotAReceipt, readToken } from "./receipt";
import type { BallotFound, Check, Result, Skip } from "./verify";
import type { Message, Order } from "./worker";

const LONGEST_FILE = 100_000;

class BoardVerifier extends HTMLElement {
  #worker: Worker | null = null;
  #words: DocumentFragment | null = null;
  #tenth = 0;

  connectedCallback(): void {
    this.#words = this.querySelector<HTMLTemplateElement>("template[data-words]")?.content ?? null;
    prepareRegion();
    this.#on("[data-start]", "click", () => this.#begin(null, false));
    this.#on("[data-stop]", "click", () => this.#stop());
    this.#receipt();
    for (const part of this.querySelectorAll<HTMLElement>("[data-needs-verifier]")) part.hidden = false;
  }

  disconnectedCallback(): void {
    this.#worker?.terminate();
  }

  // ---- running

  #begin(text: string | null, quick: boolean): void {
    this.#worker?.terminate();
    this.#show("verdict", false);
    this.#show("ballot", false);
    this.#show("start", false);
    this.#show("stop", true);
    this.#tenth = 0;
    const bar = this.#part<HTMLProgressElement>("progress");
    if (bar) bar.removeAttribute("value");
    this.#show("running", true);
    this.#put("amount", "");
    if (!quick) for (const line of this.querySelectorAll<HTMLElement>("[data-check]")) this.#line(line, "waiting", "");
    announce(this.#word("started"));
    const worker = new Worker(this.dataset.worker ?? "", { type: "module" });
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<Message>) => worker === this.#worker && this.#hear(event.data));
    worker.addEventListener("error", () => worker === this.#worker && this.#broke(false, "the worker could not start"));
    const { board = "", registry = "", poll = "" } = this.dataset;
    worker.postMessage({ board: new URL(board, location.href).href, registry: new URL(registry, location.href).href, poll, text, quick } satisfies Order);
    if (text === null) this.#part("stop")?.focus();
  }

  #hear(message: Message): void {
    if (message.kind === "check") {
      const line = this.querySelector<HTMLElement>(`[data-check="${message.name}"]`);
      if (line) this.#line(line, message.state, message.state === "failed" ? message.detail : "");
      if (line && message.state !== "waiting" && message.state !== "running") announce(`${line.querySelector("[data-title]")?.textContent ?? ""}: ${this.#word(message.state)}`);
    } else if (message.kind === "progress") this.#progress(message.done, message.total);
    else if (message.kind === "result") {
      this.#end();
      this.#verdict(message.result);
      if (message.result.ballot) this.#ballot(message.result.ballot);
    } else if (message.kind === "ballot") {
      this.#end();
      this.#ballot(message.ballot);
    } else this.#broke(message.unreachable, message.detail);
  }

  #progress(done: number, total: number): void {
    const bar = this.#part<HTMLProgressElement>("progress");
    if (bar) {
      bar.max = total || 1;
      bar.value = total ? done : 1;
    }
    const words = say(this.#word("amount"), { done: this.#number(done), total: this.#number(total) });
    this.#put("amount", words);
    const tenth = Math.floor((10 * done) / (total || 1));
    if (tenth > this.#tenth && done < total && total > 20_000) announce(words);
    this.#tenth = tenth;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#show("running", false);
    this.#show("stop", false);
    this.#show("start", true);
  }

  #stop(): void {
    this.#end();
    for (const line of this.querySelectorAll<HTMLElement>("[data-check]")) if (line.dataset.now !== "passed" && line.dataset.now !== "failed") this.#line(line, "stopped", "");
    announce(this.#word("stopped-all"));
    this.#part("start")?.focus();
  }

  #broke(unreachable: boolean, detail: string): void {
    this.#end();
    const box = this.#box("ballot", unreachable ? "incomplete" : "invalid", this.#word(unreachable ? "unreachable-title" : "broke-title"));
    box.append(this.#paragraph(this.#word(unreachable ? "unreachable" : "broke")), this.#detail(detail));
    box.focus();
  }

  #line(line: HTMLElement, state: string, detail: string): void {
    line.dataset.now = state;
    const chip = line.querySelector<HTMLElement>("[data-state]");
    if (chip) {
      chip.hidden = false;
      chip.textContent = this.#word(state);
    }
    const place = line.querySelector<HTMLElement>("[data-detail]");
    if (place) {
      place.hidden = !detail;
      place.textContent = detail;
    }
  }

  // ---- what came out

  #verdict(result: Result): void {
    const box = this.#box("verdict", result.verdict, this.#word(`${result.verdict}-title`));
    box.append(this.#paragraph(this.#word(result.verdict)));
    if (result.failed.length) box.append(this.#list(result.failed.map(({ check, detail }) => [this.#title(check), detail])));
    if (result.skips.length) box.append(this.#list([...new Set(result.skips.map((skip) => this.#skipped(skip)))].map((words) => [words, ""])));
    const { facts } = result;
    if (facts) {
      const figures = document.createElement("dl");
      figures.className = "facts";
      for (const name of ["records", "ballots", "participations", "roll"]) {
        const value = facts[name];
        if (typeof value === "number") figures.append(this.#pair(this.#word(`figure-${name}`), this.#number(value)));
      }
      box.append(figures);
      if (facts.quorum !== null) box.append(this.#paragraph(this.#word(facts.quorum ? "quorum-met" : "quorum-not-met")));
      if (facts.chair) box.append(this.#paragraph(this.#word("chair")));
      if (facts.lots) box.append(this.#paragraph(this.#word("lots")));
      const code = document.createElement("code");
      code.className = "hash";
      code.textContent = String(facts.fingerprint);
      const fingerprint = this.#paragraph(`${this.#word("fingerprint")} `);
      fingerprint.append(code);
      box.append(fingerprint);
    }
    announce(this.#word(`${result.verdict}-title`));
    if (!result.ballot) box.focus();
  }

  #skipped(skip: Skip): string {
    const ids = JSON.parse(this.dataset.questions ?? "[]") as number[];
    const number = skip.question === null ? "" : ids.indexOf(skip.question) + 1;
    if (skip.why === "unreachable" && skip.detail.includes("not published yet")) return this.#word("skip-not-published");
    return say(this.#word(`skip-${skip.why}`), { check: this.#title(skip.check), number, detail: skip.detail, rule: skip.rule ? this.#word(`rule-${skip.rule}`) || skip.rule : "" });
  }

  #ballot(ballot: BallotFound): void {
    const kind = { counted: "valid", withheld: "valid", superseded: "incomplete", missing: "invalid", clash: "invalid", improper: "invalid", not_signed: "invalid" }[ballot.state as string] ?? "incomplete";
    const box = this.#box("ballot", kind, this.#word(`ballot-${ballot.state}-title`));
    box.append(this.#paragraph(this.#word(`ballot-${ballot.state}`)));
    if (ballot.state === "numbered") box.append(this.#paragraph(say(this.#word("ballot-numbered-of"), { n: this.#number(new Set(ballot.found.map((one) => one.question)).size), total: this.#number((JSON.parse(this.dataset.questions ?? "[]") as number[]).length) })));
    if (ballot.state === "nowhere" && ballot.withheld) box.append(this.#paragraph(this.#word("ballot-nowhere-withheld")));
    if (ballot.compared !== "whole") box.append(this.#paragraph(this.#word(`compared-${ballot.compared}`)));
    if (ballot.found.length) box.append(...this.#answers(ballot.found, ballot.state === "numbered" ? "record" : "answers"));
    if (ballot.complaint) box.append(this.#save(ballot.complaint));
    announce(this.#word(`ballot-${ballot.state}-title`));
    box.focus();
  }

  // The answers stay folded: somebody may be looking over the shoulder.
  #answers(found: BallotFound["found"], whose: "record" | "answers"): HTMLElement[] {
    const button = this.#button(this.#word(`show-${whose}`));
    const answers = document.createElement("dl");
    answers.className = "summary rules";
    answers.hidden = true;
    for (const one of found) answers.append(this.#pair(this.#local(one.text), answerWords(one, (text) => this.#local(text), (key) => this.#word(key))));
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      answers.hidden = !answers.hidden;
      button.setAttribute("aria-expanded", String(!answers.hidden));
      button.textContent = this.#word(`${answers.hidden ? "show" : "hide"}-${whose}`);
    });
    return [button, answers];
  }

  #save(complaint: Json): HTMLElement {
    const button = this.#button(this.#word("save-complaint"));
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`${JSON.stringify(complaint, null, 1)}\n`], { type: "application/json" }));
      link.download = `complaint-${this.dataset.poll?.slice(0, 8)}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
    return button;
  }

  // ---- the receipt

  #receipt(): void {
    const form = this.querySelector<HTMLFormElement>("form[data-receipt]");
    const typed = this.querySelector<HTMLTextAreaElement>("[data-typed]");
    const file = this.querySelector<HTMLInputElement>("[data-file]");
    const drop = this.querySelector<HTMLElement>("[data-drop]");
    if (!form || !typed || !file || !drop) return;
    const take = async (chosen: File | undefined): Promise<void> => {
      if (!chosen) return;
      this.#check(chosen.size > LONGEST_FILE ? "" : (await chosen.text()).trim(), true);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (file.files?.length && !typed.value.trim()) void take(file.files[0]);
      else this.#check(typed.value);
    });
    typed.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
    file.addEventListener("change", () => void take(file.files?.[0]));
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      void take(event.dataTransfer?.files[0]);
    });
  }

  // A file that is no receipt is not called a code of another length.
  #check(text: string, ofFile = false): void {
    try {
      readToken(text);
    } catch (error) {
      if (!(error instanceof NotAReceipt)) throw error;
      this.#refuse(ofFile && error.message !== "qr" && error.message !== "acceptance" ? "file" : error.message);
      return;
    }
    this.#error("");
    const way = this.querySelector<HTMLInputElement>("[data-way]:checked")?.value;
    this.#begin(text, way === "quick");
  }

  #refuse(why: string): void {
    this.#error(this.#word(`receipt-${why}`));
    this.querySelector<HTMLElement>("[data-typed]")?.focus();
  }

  #error(words: string): void {
    const place = this.#part("receipt-error");
    if (place) {
      place.textContent = words;
      place.hidden = !words;
    }
    this.querySelector("[data-typed]")?.setAttribute("aria-invalid", String(Boolean(words)));
  }

  // ---- small parts

  #on(selector: string, event: string, act: () => void): void {
    this.querySelector(selector)?.addEventListener(event, act);
  }

  #part<T extends HTMLElement = HTMLElement>(name: string): T | null {
    return this.querySelector<T>(`[data-${name}]`);
  }

  #show(name: string, shown: boolean): void {
    const part = this.#part(name);
    if (part) part.hidden = !shown;
  }

  #put(name: string, words: string): void {
    const part = this.#part(name);
    if (part) part.textContent = words;
  }

  #word(key: string): string {
    return this.#words?.querySelector<HTMLElement>(`[data-word="${key}"]`)?.textContent ?? "";
  }

  #number(n: number): string {
    return new Intl.NumberFormat(document.documentElement.lang).format(n);
  }

  #local(text: { ru: string; en: string }): string {
    return document.documentElement.lang === "en" ? text.en || text.ru : text.ru || text.en;
  }

  #title(check: Check): string {
    return this.querySelector(`[data-check="${check}"] [data-title]`)?.textContent ?? check;
  }

  #box(name: string, kind: string, title: string): HTMLElement {
    const box = this.#part(name)!;
    const heading = document.createElement("h3");
    heading.textContent = title;
    box.replaceChildren(heading);
    box.dataset.kind = kind;
    box.hidden = false;
    return box;
  }

  #paragraph(words: string): HTMLElement {
    const made = document.createElement("p");
    made.textContent = words;
    return made;
  }

  // Details come from the board's bytes and are not translated.
  #detail(words: string): HTMLElement {
    const made = this.#paragraph(words);
    made.className = "small muted technical";
    made.lang = "en";
    return made;
  }

  #list(lines: [string, string][]): HTMLElement {
    const made = document.createElement("ul");
    for (const [words, detail] of lines) {
      const item = document.createElement("li");
      item.textContent = words;
      if (detail) item.append(this.#detail(detail));
      made.append(item);
    }
    return made;
  }

  #pair(term: string, value: string): HTMLElement {
    const pair = document.createElement("div");
    const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
    dt.textContent = term;
    dd.textContent = value;
    pair.append(dt, dd);
    return pair;
  }

  #button(words: string): HTMLButtonElement {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "ds-button";
    made.dataset.variant = "secondary";
    made.textContent = words;
    return made;
  }
}

type Local = (text: { ru: string; en: string }) => string;

// An answer in the words of its options.
function answerWords(found: BallotFound["found"][number], local: Local, word: (key: string) => string): string {
  const answer = JSON.parse(found.answer) as (number | number[])[];
  const name = (id: number): string => {
    if (id === 0) return word("own-words");
    const option = found.options.find((one) => one.id === id);
    return option ? local(option.text) : String(id);
  };
  if (!answer.length) return word("blank");
  return answer
    .map((item, i) => {
      if (typeof item === "number") return name(item);
      if (found.kind === "ranking") return `${i + 1}. ${item.map(name).join(" = ")}`;
      return `${name(item[0]!)}: ${item[1]}`;
    })
    .join("; ");
}

customElements.define("board-verifier", BoardVerifier);
