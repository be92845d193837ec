// <send-again> in the form of a vote that was not taken yet: sends it once more after as many seconds as the service
// asked for. The reader may stop it, and whatever the reader does with the form first stops it too.
// Sending leaves the page, so it first asks whether anybody answers: the browser's own error page in the place of this
// one would end the sending, and the ballot with it.
import { announce, prepareRegion, say } from "./announce";

const ALIVE = "/health/live"; // costs the service nothing; whether it can take a vote the vote itself finds out
const ANSWER_WITHIN = 5_000; // milliseconds
const LONGEST_PAUSE = 30; // seconds

class SendAgain extends HTMLElement {
  #timer = 0;
  #pause = 0;
  #left = 0;
  #told: string | undefined;

  connectedCallback(): void {
    const form = this.closest("form");
    if (!form) return;
    prepareRegion();
    this.hidden = false;
    this.#pause = Number(this.dataset.seconds) || 5;
    this.querySelector("button")?.addEventListener("click", () => this.#stop(true));
    form.addEventListener("submit", () => this.#stop(false));
    this.#wait(form, this.dataset.waiting);
  }

  disconnectedCallback(): void {
    this.#stop(false);
  }

  #wait(form: HTMLFormElement, told: string | undefined): void {
    this.#told = told;
    this.#left = this.#pause;
    this.#show();
    announce(this.#words()); // once a try: every second of a countdown would be chatter
    this.#timer = window.setInterval(() => void this.#tick(form), 1000);
  }

  async #tick(form: HTMLFormElement): Promise<void> {
    this.#left -= 1;
    if (this.#left > 0) return this.#show();
    const timer = this.#timer;
    clearInterval(timer);
    this.#write(this.dataset.sending ?? "");
    const answered = await this.#answers();
    if (this.#timer !== timer) return; // stopped meanwhile
    if (answered) return form.requestSubmit();
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    this.#wait(form, this.dataset.away);
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(ALIVE, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN) })).ok;
    } catch {
      return false;
    }
  }

  #stop(told: boolean): void {
    clearInterval(this.#timer);
    this.#timer = 0;
    if (!told) return;
    this.#write(this.dataset.stopped ?? "");
    announce(this.dataset.stopped ?? "");
    this.querySelector("button")?.remove();
  }

  #words(): string {
    return say(this.#told, { seconds: this.#left });
  }

  #show(): void {
    this.#write(this.#words());
  }

  #write(words: string): void {
    const line = this.querySelector("[data-words]");
    if (line) line.textContent = words;
  }
}
customElements.define("send-again", SendAgain);
