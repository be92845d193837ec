// One polite live region for what islands change out of sight. It must be in the page before it speaks, so it is made
// as soon as the first island asks for it.
let region: HTMLElement | null = null;
let speaks = 0; // by the clock of the page
let waiting = 0;
const HEARD_AFTER = 300; // milliseconds until readers of screens have noticed that there is a region to listen to

export function prepareRegion(): void {
  if (region?.isConnected) return;
  region = document.createElement("p");
  region.className = "sr";
  region.setAttribute("role", "status");
  (document.querySelector("main") ?? document.body).append(region);
  speaks = performance.now() + HEARD_AFTER;
}

export function announce(words: string): void {
  prepareRegion();
  clearTimeout(waiting);
  const spoken = (): void => {
    if (region) region.textContent = words;
  };
  const early = speaks - performance.now();
  if (early > 0) waiting = window.setTimeout(spoken, early);
  else spoken();
}

// "«{name}»: place {place}" with its facts.
export function say(pattern: string | undefined, facts: Record<string, string | number>): string {
  return (pattern ?? "").replace(/\{(\w+)\}/g, (_, key: string) => String(facts[key] ?? ""));
}

// Tells islands below that their inputs were given other values by somebody else.
export function refilled(under: HTMLElement): void {
  for (const island of under.querySelectorAll("rank-list, points-left, budget-basket, own-answer")) island.dispatchEvent(new Event("refill"));
}
