// RFC 8785: the one way to write a JSON value. A file that says it is canonical is parsed, written again and compared,
// so that no two files mean the same and no parser can see something else in it.
import { compare, utf8 } from "./bytes";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Facts = { [key: string]: Json };

export function canonical(value: Json): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new Error("a lone surrogate");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new Error("not a whole number below 2^53");
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const keys = Object.keys(value).sort(); // by UTF-16 code units, as RFC 8785 asks
  return `{${keys.map((key) => `${canonical(key)}:${canonical(value[key]!)}`).join(",")}}`;
}

// JSON that every reader reads alike: no key twice, no number but whole ones below 2^53.
export function readStrict(text: string): Json {
  const value = JSON.parse(text) as Json;
  canonical(value);
  let keys = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon) keys++;
  if (keys !== keysIn(value)) throw new Error("a key comes twice");
  return value;
}

function keysIn(value: Json): number {
  if (value === null || typeof value !== "object") return 0;
  const inner = Object.values(value).reduce((sum: number, one) => sum + keysIn(one), 0);
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

export const strictText = (data: Uint8Array): string => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);

// The object in canonical bytes; throws on anything else.
export function readCanonical(data: Uint8Array): Facts {
  const value = JSON.parse(strictText(data)) as Json;
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("not an object");
  if (compare(utf8(canonical(value)), data) !== 0) throw new Error("not canonical JSON (RFC 8785)");
  return value;
}

// Where two values differ first, as a path; null where they are equal. The order of keys does not matter. With `more`,
// names that only the second has are put there and are no difference; numbers as keys stand for options.
export function difference(a: Json | undefined, b: Json | undefined, path = "", more: string[] | null = null): string | null {
  if (a === b) return null;
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const found = difference(a[i], b[i], `${path}/${i}`, more);
      if (found !== null) return found;
    }
    return null;
  }
  if (a && b && typeof a === "object" && typeof b === "object" && !Array.isArray(a) && !Array.isArray(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (more && !Object.hasOwn(a, key) && /^[a-z_]+$/.test(key)) {
        more.push(`${path}/${key}`);
        continue;
      }
      const found = difference(Object.hasOwn(a, key) ? a[key] : undefined, Object.hasOwn(b, key) ? b[key] : undefined, `${path}/${key}`, more);
      if (found !== null) return found;
    }
    return null;
  }
  return path || "/";
}
