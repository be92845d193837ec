// Passkeys: making one, signing in with one, and confirming with one what a form is about to do. Each is an element
// around fields of an ordinary form: the browser's answer goes into a hidden field, and the form is sent as ever.
import {
  browserSupportsWebAuthn, browserSupportsWebAuthnAutofill, startAuthentication, startRegistration, WebAuthnAbortService,
} from "@simplewebauthn/browser";
import type { PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/browser";

async function ask<Options>(address: string, sent?: unknown, token?: string): Promise<Options> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token) headers["x-csrf-token"] = token;
  if (sent) headers["content-type"] = "application/json";
  const reply = await fetch(address, { method: sent === undefined ? "GET" : "POST", headers, credentials: "same-origin", body: sent ? JSON.stringify(sent) : null });
  const body = (await reply.json()) as { options?: Options; detail?: string; next_step?: string };
  if (!reply.ok || !body.options) throw new Refused([body.detail, body.next_step].filter(Boolean).join(" "));
  return body.options;
}

// What the server says in the reader's language.
class Refused extends Error {}

abstract class Ceremony extends HTMLElement {
  #under = false;

  say(words: string): void {
    const place = this.querySelector<HTMLElement>("[data-said]");
    if (place) place.textContent = words;
  }

  // Runs one ceremony at a time and puts what came of it into the field; says why where nothing did.
  protected async run(field: HTMLInputElement, work: () => Promise<unknown>): Promise<boolean> {
    if (this.#under) return false;
    this.#under = true;
    this.say(this.dataset.waiting ?? "");
    try {
      field.value = JSON.stringify(await work());
      this.say("");
      return true;
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      const cancelled = name === "NotAllowedError" || name === "AbortError";
      const known = name === "InvalidStateError" ? this.dataset.known : undefined;
      this.say(error instanceof Refused && error.message ? error.message : known ?? (cancelled ? this.dataset.cancelled : this.dataset.failed) ?? "");
      return false;
    } finally {
      this.#under = false;
    }
  }

  protected field(name: string): HTMLInputElement | null {
    return this.closest("form")?.elements.namedItem(name) as HTMLInputElement | null;
  }
}

// <step-up data-purpose data-object> within a form: asks for the passkey when the form is sent.
class StepUp extends Ceremony {
  connectedCallback(): void {
    if (this.dataset.passkey === "yes") this.closest("form")?.addEventListener("submit", this.#confirm);
  }

  disconnectedCallback(): void {
    this.closest("form")?.removeEventListener("submit", this.#confirm);
  }

  #confirm = (event: SubmitEvent): void => {
    const form = event.target as HTMLFormElement;
    const proof = this.querySelector<HTMLInputElement>("input[name=proof]");
    const password = this.querySelector<HTMLInputElement>("input[name=step_up_password]");
    if (!proof || event.defaultPrevented || proof.value || password?.value || !form.checkValidity()) return;
    event.preventDefault();
    event.stopPropagation(); // whoever counts how often the form was sent must not count this
    const sender = event.submitter;
    const address = `/api/v1/step-up?${new URLSearchParams({ purpose: this.dataset.purpose ?? "", object: this.dataset.object ?? "" })}`;
    void this.run(proof, async () => startAuthentication({ optionsJSON: await ask<PublicKeyCredentialRequestOptionsJSON>(address) })).then((done) => {
      if (!done) return;
      if (sender) delete sender.dataset.confirm; // it has been asked and answered
      form.requestSubmit(sender);
    });
  };
}

// <passkey-new> within a form: makes a passkey when the form is sent. A step-up beside it has its turn first.
class PasskeyNew extends Ceremony {
  connectedCallback(): void {
    this.closest("form")?.addEventListener("submit", (event) => {
      const field = this.field("credential");
      const token = this.field("csrf_token")?.value;
      const form = event.target as HTMLFormElement;
      if (!field || event.defaultPrevented || field.value || !form.checkValidity()) return; // the server says what is wrong
      event.preventDefault();
      event.stopPropagation();
      const sender = event.submitter;
      void this.run(field, async () => startRegistration({
        optionsJSON: await ask<PublicKeyCredentialCreationOptionsJSON>("/api/v1/account/passkeys/options", { proof: this.#proof() }, token),
      })).then((done) => {
        if (done) form.requestSubmit(sender);
        else this.#forget();
      });
    });
  }

  // What the step-up of the same form has come to: a passkey's answer, or what was typed.
  #proof(): unknown {
    const credential = this.field("proof")?.value;
    if (credential) return { credential: JSON.parse(credential) as unknown };
    const password = this.field("step_up_password")?.value;
    return password ? { password, code: this.field("step_up_code")?.value || null } : null;
  }

  // A proof serves once: the next try needs another.
  #forget(): void {
    const proof = this.field("proof");
    if (proof) proof.value = "";
  }
}

// <passkey-sign-in> within the form of the password: a button, and where the browser can, its own list under the login.
class PasskeySignIn extends Ceremony {
  connectedCallback(): void {
    const form = this.closest("form");
    const field = this.field("credential");
    if (!form || !field || !browserSupportsWebAuthn() || /^[\d.]+$|:/.test(location.hostname)) return; // a bare number has none
    this.hidden = false;
    this.querySelector("button")?.addEventListener("click", () => {
      WebAuthnAbortService.cancelCeremony();
      void this.run(field, () => this.#answer(false)).then((done) => done && this.#send(form));
    });
    void browserSupportsWebAuthnAutofill().then((can) => {
      if (!can) return;
      // In the background, so nothing is said unless somebody chooses a passkey.
      this.field("login")?.addEventListener("focus", () => void this.#answer(true).then((answer) => {
        field.value = JSON.stringify(answer);
        this.#send(form);
      }, () => undefined), { once: true });
    });
  }

  async #answer(useBrowserAutofill: boolean): Promise<unknown> {
    const optionsJSON = await ask<PublicKeyCredentialRequestOptionsJSON>("/api/v1/session/passkey/options", "");
    return startAuthentication({ optionsJSON, useBrowserAutofill });
  }

  #send(form: HTMLFormElement): void {
    form.action = this.dataset.action ?? "";
    form.noValidate = true;
    form.requestSubmit();
  }
}

// A page that comes back out of the browser's memory holds answers that have served.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const field of document.querySelectorAll<HTMLInputElement>("input[name=proof], input[name=credential]")) field.value = "";
});

customElements.define("step-up", StepUp);
customElements.define("passkey-new", PasskeyNew);
customElements.define("passkey-sign-in", PasskeySignIn);
