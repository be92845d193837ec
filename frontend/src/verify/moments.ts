// Moments as the board writes them, exactly: a number of microseconds, so that none is rounded to another.
// No day that is none: what a browser would take for the first of another month, or an hour 24.
export function instant(text: unknown): bigint {
  const [, seconds, part = "", zone] = (typeof text === "string" && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/.exec(text)) || [];
  const whole = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(whole) || new Date(`${seconds}Z`).toJSON()?.slice(0, 19) !== seconds) throw new Error(`not a moment: ${String(text).slice(0, 40)}`);
  return BigInt(whole) * 1000n + BigInt(part.padEnd(6, "0"));
}

// A day of a receipt, or none.
export function isDay(text: unknown): text is string {
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const found = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(found.getTime()) && found.toJSON().slice(0, 10) === text;
}

export const DAY = 86_400_000_000n;
