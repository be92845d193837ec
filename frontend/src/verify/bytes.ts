// Bytes and their spellings. Everything a verifier compares goes through here, so it is strict: a text that is not
// exactly one way to write its bytes is refused.
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function hex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += byte.toString(16).padStart(2, "0");
  return text;
}

// Lower-case hex digits of so many bytes; throws on anything else.
export function fromHex(text: unknown, size: number): Uint8Array {
  if (typeof text !== "string" || text.length !== 2 * size || !/^[0-9a-f]*$/.test(text)) throw new Error(`not ${size} bytes in hex`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// Standard base64 with padding, in its one canonical spelling.
export function fromBase64(text: unknown): Uint8Array {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error("not base64");
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (toBase64(data) !== text) throw new Error("base64 with stray bits");
  return data;
}

export function toBase64(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}

export function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function compare(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

export const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compare(a, b) === 0;

// Big-endian, four bytes.
export function four(n: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, n);
  return data;
}
