// Exact fractions, for shares, means and points: no result is ever rounded.
const SHARE = /^(\d{1,6})\/([1-9]\d{0,5})$/;

export class Fraction {
  readonly n: bigint;
  readonly d: bigint;

  constructor(n: bigint | number, d: bigint | number = 1n) {
    const top = BigInt(n);
    const bottom = BigInt(d);
    if (bottom === 0n) throw new Error("a fraction of nothing");
    const common = gcd(top < 0n ? -top : top, bottom < 0n ? -bottom : bottom) * (bottom < 0n ? -1n : 1n);
    this.n = top / common;
    this.d = bottom / common;
  }

  static is(text: unknown): boolean {
    return typeof text === "string" && SHARE.test(text);
  }

  static of(text: string): Fraction {
    const found = SHARE.exec(text);
    if (!found) throw new Error(`not a share: ${text}`);
    return new Fraction(BigInt(found[1]!), BigInt(found[2]!));
  }

  times(n: bigint | number): Fraction {
    return new Fraction(this.n * BigInt(n), this.d);
  }

  // Below, at or above zero as this is below, equal to or above the other.
  compare(other: Fraction): number {
    const left = this.n * other.d;
    const right = other.n * this.d;
    return left < right ? -1 : left > right ? 1 : 0;
  }

  // The whole part of what is not negative.
  floor(): number {
    return Number(this.n / this.d);
  }

  ceiling(): number {
    return Number((this.n + this.d - 1n) / this.d);
  }

  toString(): string {
    return `${this.n}/${this.d}`;
  }
}

export function gcd(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b];
  return a || 1n;
}
