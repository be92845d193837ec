// <textarea maxlength="300" data-counter="Characters left: {n}">: how much room is left, spoken only near the end.
const SPOKEN_BELOW = 20;

function counted(field: Element): field is HTMLTextAreaElement | HTMLInputElement {
  return field.matches("textarea[data-counter][maxlength], input[data-counter][maxlength]");
}

function show(field: HTMLTextAreaElement | HTMLInputElement): void {
  const left = field.maxLength - field.value.length;
  const next = field.nextElementSibling;
  const place = next?.matches(".counter") ? (next as HTMLElement) : document.createElement("p");
  if (place !== next) {
    place.className = "counter muted small num";
    field.after(place);
  }
  place.setAttribute("aria-live", left < SPOKEN_BELOW ? "polite" : "off");
  place.textContent = (field.dataset.counter ?? "{n}").replace("{n}", String(left));
}

document.addEventListener("input", (event) => {
  const field = event.target as Element;
  if (counted(field)) show(field);
});
for (const field of document.querySelectorAll("[data-counter]")) if (counted(field)) show(field);
