// The whole check of a board. Each check ends as passed, failed or skipped, and the verdict follows from all of them:
// one failed makes it invalid, and nothing is called valid while anything was skipped.
import { four, fromHex, hex } from "./bytes";
import type { Facts } from "./canonical";
import { type Absence, absence, complaint } from "./complaint";
import { Reader } from "./entries";
import { type Skipped, checkCounts, checkTally, checkTies, quorumMet, skipped } from "./figures";
import { sha256 } from "./hashing";
import type { Manifest } from "./manifest";
import { type Signed, checkCheckpoint, checkHistory, checkKeys, checkRules, openManifest } from "./opening";
import type { Definition, Text } from "./question";
import { type Standing, type Token, isInclusion, judged, leavesOf, nonceOf } from "./receipt";
import { type Streamed, streamRecords } from "./records";
import { type Found, Seeker } from "./seeking";
import { type Source, Unreachable } from "./source";

export const CHECKS = ["manifest", "keys", "rules", "records", "counts", "tally", "ties"] as const;
export type Check = (typeof CHECKS)[number];
export type State = "waiting" | "running" | "passed" | "failed" | "skipped";
export type Verdict = "valid" | "invalid" | "incomplete";

export interface Skip {
  check: Check;
  why: Skipped | "unreachable" | "not_reached";
  question: number | null;
  rule: string | null;
  detail: string;
}

export interface Report {
  check(name: Check, state: State, detail: string): void;
  progress(done: number, total: number): void;
}

// What a board says about one ballot. `nowhere`: a code alone, found in no question; only a receipt can prove it.
export interface BallotFound {
  state: Standing | "counted" | "withheld" | "superseded" | "missing" | "acceptance" | "nowhere" | "unsure";
  found: (Found & { text: Text; options: { id: number; text: Text }[]; kind: string })[];
  withheld: number;
  complaint: Facts | null;
}

export interface Result {
  verdict: Verdict;
  failed: { check: Check; detail: string }[];
  skips: Skip[];
  ballot: BallotFound | null;
  facts: Facts | null;
}

export interface Asked {
  board: Source;
  registry: Source | null; // null: nobody to hold the keys against; that check is then not among those made
  poll: string | null;
  token: Token | null;
}

export async function verify(asked: Asked, report: Report): Promise<Result> {
  const run = new Run(asked, report);
  await run.all();
  return run.result();
}

// The leaves of a receipt; of one that is malformed none, and its signature will be wrong.
function leavesIn(token: Token | null): string[] {
  try {
    return token && "receipt" in token && isInclusion(token.receipt) ? [...new Set(leavesOf(token.receipt))] : [];
  } catch {
    return [];
  }
}

// What each check leaves for the next.
class Run {
  readonly #failed: { check: Check; detail: string }[] = [];
  readonly #skips: Skip[] = [];
  #signed: Signed | null = null;
  #definition: Definition | null = null;
  readonly #streamed = new Map<number, Streamed>();
  readonly #seekers: Seeker[] = [];
  readonly #checkpoints = new Map<number, string>();
  #recordsAreGood = false;

  readonly #leaves: string[];

  constructor(readonly asked: Asked, readonly report: Report) {
    this.#leaves = leavesIn(asked.token);
  }

  async all(): Promise<void> {
    for (const check of CHECKS) this.report.check(check, "waiting", "");
    const { board, registry, poll } = this.asked;
    await this.#make("manifest", true, async () => {
      const signed = await openManifest(board, poll);
      await checkHistory(board, signed);
      this.#signed = signed;
    });
    if (registry) await this.#make("keys", this.#signed, (signed) => checkKeys(registry, signed.manifest));
    await this.#make("rules", this.#signed, async (signed) => {
      this.#definition = await checkRules(board, signed.manifest);
    });
    await this.#make("records", this.#definition, (definition) => this.#records(this.#signed!.manifest, definition));
    await this.#make("counts", this.#definition, (definition) => checkCounts(this.#signed!.manifest, definition));
    await this.#make("tally", this.#definition, (definition) => this.#tally(this.#signed!.manifest, definition));
    await this.#make("ties", this.#definition, (definition) => checkTies(this.#signed!.manifest, definition));
  }

  // Runs one check on what it needs; what it needs being absent, it is not reached.
  async #make<T>(check: Check, needed: T | null, run: (needed: T) => Promise<void> | void): Promise<void> {
    const before = this.#skips.length;
    if (needed === null) {
      this.#skip(check, "not_reached", "an earlier check gave nothing to go on");
    } else {
      this.report.check(check, "running", "");
      try {
        await run(needed);
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        if (!(error instanceof Unreachable)) {
          this.#failed.push({ check, detail });
          this.report.check(check, "failed", detail);
          return;
        }
        this.#skip(check, "unreachable", detail);
      }
    }
    const mine = this.#skips.slice(before);
    this.report.check(check, mine.length ? "skipped" : "passed", mine.map((skip) => skip.detail).join("; "));
  }

  #skip(check: Check, why: Skip["why"], detail: string, question: number | null = null, rule: string | null = null): void {
    this.#skips.push({ check, why, question, rule, detail });
  }

  async #records(manifest: Manifest, definition: Definition): Promise<void> {
    const total = manifest.questions.reduce((sum, listed) => sum + listed.size, 0);
    let done = 0;
    this.report.progress(0, total);
    for (const listed of manifest.questions) {
      const question = definition.questions.find((one) => one.id === listed.id)!;
      this.#checkpoints.set(listed.id, await checkCheckpoint(this.asked.board, manifest, listed));
      const reader = new Reader(question, definition, manifest.poll_hash, listed.withheld.styles);
      const seeker = this.#seeker(listed.id);
      this.#seekers.push(seeker);
      const streamed = await streamRecords(this.asked.board, `q${listed.id}/`, listed, reader, seeker, (records) => this.report.progress((done += records), total));
      this.#streamed.set(listed.id, streamed);
    }
    this.#recordsAreGood = true;
  }

  #seeker(question: number): Seeker {
    const { token } = this.asked;
    if (token && "code" in token) return new Seeker(question, [], nonceOf(token.code, four(question)));
    return new Seeker(question, this.#leaves, null);
  }

  #tally(manifest: Manifest, definition: Definition): void {
    for (const listed of manifest.questions) {
      const question = definition.questions.find((one) => one.id === listed.id)!;
      const streamed = this.#streamed.get(listed.id);
      const why = skipped(question, listed);
      if (!streamed) this.#skip("tally", "not_reached", `q${listed.id}: no records to count`, listed.id);
      else if (why) this.#skip("tally", why, `q${listed.id}: ${why === "rule" ? question.rule.method : why}`, listed.id, question.rule.method);
      else checkTally(question, listed, manifest, streamed.profile);
    }
  }

  async result(): Promise<Result> {
    const verdict = this.#failed.length ? "invalid" : this.#skips.length ? "incomplete" : "valid";
    return { verdict, failed: this.#failed, skips: this.#skips, ballot: await this.#ballot(), facts: this.#facts() };
  }

  #facts(): Facts | null {
    if (!this.#signed) return null;
    const { manifest, bytes } = this.#signed;
    return {
      ballots: manifest.ballots, participations: manifest.participations, roll: manifest.roll.total, version: manifest.version,
      records: manifest.questions.reduce((sum, listed) => sum + listed.size, 0), questions: manifest.questions.length,
      fingerprint: hex(sha256(bytes)), quorum: this.#definition ? (quorumMet(this.#definition, manifest) ?? null) : null,
      chair: manifest.ties.filter((tie) => tie.method === "chair").length, lots: manifest.ties.filter((tie) => tie.method === "lot").length,
    };
  }

  // ---- one ballot

  async #ballot(): Promise<BallotFound | null> {
    const { token } = this.asked;
    if (!token) return null;
    const found = this.#seekers.flatMap((seeker) => seeker.found).map((one) => this.#worded(one));
    const withheld = this.#signed?.manifest.questions.reduce((sum, listed) => sum + listed.withheld.records, 0) ?? 0;
    const says = (state: BallotFound["state"], made: Facts | null = null): BallotFound => ({ state, found: state === "counted" || state === "withheld" ? found : [], withheld, complaint: made });
    if (!this.#signed) return says("unsure");
    const { manifest } = this.#signed;
    if ("code" in token) return says(!this.#recordsAreGood ? "unsure" : found.length ? "counted" : "nowhere");
    const standing = await judged(token.receipt, manifest);
    if (standing !== "signed") return says(standing);
    if (!isInclusion(token.receipt)) return says("acceptance");
    const leaves = this.#leaves;
    if (leaves.some((leaf) => manifest.superseded.includes(leaf))) return says("superseded");
    if (!this.#recordsAreGood) return says("unsure");
    const hidden = new Set(manifest.questions.flatMap((listed) => listed.withheld.leaves));
    const shown = new Set(found.map((one) => one.leaf));
    const missing = leaves.filter((leaf) => !shown.has(leaf) && !hidden.has(leaf));
    if (missing.length) return says("missing", await this.#complain(token.receipt, missing));
    return says(leaves.some((leaf) => hidden.has(leaf)) ? "withheld" : "counted");
  }

  async #complain(receipt: Extract<Token, { receipt: unknown }>["receipt"], leaves: string[]): Promise<Facts> {
    const { manifest, bytes, note } = this.#signed!;
    const missing = [];
    for (const leaf of leaves) {
      const trees: Absence[] = [];
      for (const [i, listed] of manifest.questions.entries()) {
        const gap = this.#seekers[i]!.gaps.find((one) => one.leaf === leaf)!;
        trees.push(await absence(listed.id, this.#checkpoints.get(listed.id)!, listed.size, fromHex(listed.root, 32), gap, this.#streamed.get(listed.id)!.at));
      }
      missing.push({ leaf, trees });
    }
    return complaint(receipt, bytes, note, missing);
  }

  #worded(found: Found): BallotFound["found"][number] {
    const question = this.#definition!.questions.find((one) => one.id === found.question)!;
    return { ...found, text: question.text, options: question.options.map(({ id, text }) => ({ id, text })), kind: question.kind };
  }
}
