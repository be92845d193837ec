// One polite live region for what islands change out of sight. It must be in the page before it speaks, so it is made
// as soon as the first island asks for it.
let region: HTMLElement | null = null;

export function prepareRegion(): void {
  if (region?.isConnected) return;
  region = document.createElement("p");
  region.className = "sr";
  region.setAttribute("role", "status");
  (document.querySelector("main") ?? document.body).append(region);
}

export function announce(words: string): void {
  prepareRegion();
  if (region) region.textContent = words;
}

// "«{name}»: place {place}" with its facts.
export function say(pattern: string | undefined, facts: Record<string, string | number>): string {
  return (pattern ?? "").replace(/\{(\w+)\}/g, (_, key: string) => String(facts[key] ?? ""));
}

// Tells islands below that their inputs were given other values by somebody else.
export function refilled(under: HTMLElement): void {
  for (const island of under.querySelectorAll("rank-list, points-left, budget-basket, own-answer")) island.dispatchEvent(new Event("refill"));
}
