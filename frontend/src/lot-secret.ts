// <lot-secret>: makes the secret of a lot in the browser and sends only its commitment, which is
// SHA-256("veche/lot-commitment/v1" ‖ poll hash ‖ party ‖ 0x00 ‖ secret). Without it the server makes one.
class LotSecret extends HTMLElement {
  connectedCallback(): void {
    const form = this.querySelector("form");
    const make = this.querySelector<HTMLButtonElement>("[data-make]");
    if (!form || !make || !globalThis.crypto?.subtle) return;
    make.hidden = false;
    const field = form.elements.namedItem("secret") as HTMLInputElement;
    make.addEventListener("click", () => {
      field.value = hex(crypto.getRandomValues(new Uint8Array(32)));
      this.#show(field.value);
    });
    let sealed = false;
    form.addEventListener("submit", (event) => {
      const typed = field.value.replace(/\s/g, "");
      if (sealed || !/^[0-9a-f]{64}$/i.test(typed)) return;
      event.preventDefault();
      void this.#commitment(bytes(typed)).then((commitment) => {
        (form.elements.namedItem("commitment") as HTMLInputElement).value = commitment;
        field.disabled = true;
        sealed = true;
        setTimeout(() => form.requestSubmit()); // the digest may be there before the first event is over
      });
    });
  }

  #show(secret: string): void {
    const made = this.querySelector<HTMLElement>("[data-made]");
    const place = this.querySelector<HTMLElement>("[data-secret]");
    if (!made || !place) return;
    place.textContent = secret;
    made.hidden = false;
    made.setAttribute("role", "status");
  }

  async #commitment(secret: Uint8Array): Promise<string> {
    const text = new TextEncoder();
    const parts = [
      text.encode("veche/lot-commitment/v1"), bytes(this.dataset.pollHash ?? ""), text.encode(this.dataset.party ?? ""),
      new Uint8Array([0]), secret,
    ];
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
  }
}

function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

customElements.define("lot-secret", LotSecret);
