// <send-again> in the form of a vote that was not taken yet: sends it once more after as many seconds as the service
// asked for. The reader may stop it, and whatever the reader does with the form first stops it too.
import { announce, prepareRegion, say } from "./announce";

class SendAgain extends HTMLElement {
  #timer = 0;
  #left = 0;

  connectedCallback(): void {
    const form = this.closest("form");
    if (!form) return;
    prepareRegion();
    this.hidden = false;
    this.#left = Number(this.dataset.seconds) || 5;
    this.#show();
    announce(this.#words());
    this.querySelector("button")?.addEventListener("click", () => this.#stop(true));
    form.addEventListener("submit", () => this.#stop(false));
    this.#timer = window.setInterval(() => this.#tick(form), 1000);
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
  }

  #tick(form: HTMLFormElement): void {
    this.#left -= 1;
    if (this.#left > 0) return this.#show();
    this.#write(this.dataset.sending ?? "");
    form.requestSubmit();
  }

  #stop(told: boolean): void {
    clearInterval(this.#timer);
    if (!told) return;
    this.#write(this.dataset.stopped ?? "");
    announce(this.dataset.stopped ?? "");
    this.querySelector("button")?.remove();
  }

  #words(): string {
    return say(this.dataset.waiting, { seconds: this.#left });
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
