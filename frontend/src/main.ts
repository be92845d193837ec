// Every page works without this file; what is here makes the same forms quicker and safer.
import "htmx.org/dist/htmx.esm.js";
import "./budget-basket";
import "./follow-up";
import "./neutral-apart";
import "./own-answer";
import "./points-left";
import "./rank-list";
import "./unsent-guard";
import "./send-again";
import "./confirm";
import "./counters";
import "./buttons";
import "./lot-secret";
import "./words-queue";

// Filters: submit on change (the «Показать» button stays for browsers without JavaScript).
document.addEventListener("change", (event) => {
  const form = (event.target as HTMLElement).closest<HTMLFormElement>("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

// The error summary gets the focus after a refused submit.
document.querySelector<HTMLElement>("[data-error-summary]")?.focus();
document.addEventListener("htmx:after:swap", () => document.querySelector<HTMLElement>("[data-error-summary]")?.focus());
