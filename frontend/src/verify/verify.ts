// The whole check of a board. Each check ends as passed, failed or skipped, and the verdict follows from all of them:
// one failed makes it invalid, and nothing is called valid while anything was skipped.
import { four, fromHex, hex } from "./bytes";
import type { Facts } from "./canonical";
import { type Absence, absence, complaint } from "./complaint";
import { Reader } from "./entries";
import { type Skipped, checkClasses, checkCounts, checkShown, checkTally, checkTies, quorumMet, skipped } from "./figures";
import { sha256 } from "./hashing";
import type { Manifest } from "./manifest";
import { type Opened, type Signed, checkCheckpoint, checkRules, hostOf, madeLate, openAll } from "./opening";
import type { Definition, Text } from "./question";
import { type Outcome, type Standing, type Token, fate, isInclusion, judged, leavesOf, nonceOf } from "./receipt";
import { type Streamed, streamRecords } from "./records";
import { type Registry, checkEntered, checkKeys, listedOn, readRegistry, receiptKeys } from "./registry";
import { type Found, Seeker } from "./seeking";
import { type Source, TooMuch, Unknown, Unreachable, plain } from "./source";

export const CHECKS = ["manifest", "keys", "registry", "rules", "records", "counts", "tally", "ties"] as const;
export type Check = (typeof CHECKS)[number];
export type State = "waiting" | "running" | "passed" | "failed" | "skipped";
export type Verdict = "valid" | "invalid" | "incomplete";

export interface Skip {
  check: Check;
  why: Skipped | "unreachable" | "not_reached" | "too_much" | "unknown" | "not_entered" | "newer" | "chair_over_lot";
  question: number | null;
  rule: string | null;
  detail: string;
}

export interface Report {
  check(name: Check, state: State, detail: string): void;
  progress(done: number, total: number): void;
}

// What a board says about one ballot. Of a code alone: `numbered`, there are records of this number, and whether they say
// what was chosen it does not tell; `nowhere`, there are none. Only a receipt can prove either.
export interface BallotFound {
  state: Standing | Outcome | "acceptance" | "numbered" | "nowhere" | "unsure";
  found: (Found & { text: Text; options: { id: number; text: Text }[]; kind: string })[];
  withheld: number;
  complaint: Facts | null;
  compared: Compared;
}

// What stands behind a word about a ballot: the whole check; the board's signed parts alone; or those and the registry's
// list of keys.
export type Compared = "whole" | "board" | "keys";

export interface Result {
  verdict: Verdict;
  failed: { check: Check; detail: string }[];
  skips: Skip[];
  ballot: BallotFound | null;
  facts: Facts | null;
}

export interface Asked {
  board: Source;
  registry: Source | null; // null: no log to compare with; those checks are then not among those made
  poll: string | null;
  wait: number; // milliseconds before a file that may be about to change is read again
  room?: number | undefined; // letters of all distinct answers to a question together
  token: Token | null;
}

export async function verify(asked: Asked, report: Report): Promise<Result> {
  const run = new Run(asked, report);
  await run.all();
  return run.result();
}

// What each check leaves for the next.
class Run {
  readonly #failed: { check: Check; detail: string }[] = [];
  readonly #skips: Skip[] = [];
  #opened: Opened | null = null;
  #signed: Signed | null = null;
  #registry: Registry | null = null;
  #definition: Definition | null = null;
  readonly #streamed = new Map<number, Streamed>();
  readonly #seekers: Seeker[] = [];
  readonly #checkpoints = new Map<number, { note: string; signers: Uint8Array[] }>();
  #recordsAreGood = false;

  readonly #leaves: string[];

  constructor(readonly asked: Asked, readonly report: Report) {
    this.#leaves = asked.token && "receipt" in asked.token ? leavesOf(asked.token.receipt) : [];
  }

  async all(): Promise<void> {
    for (const check of CHECKS) this.report.check(check, "waiting", "");
    const { board, registry } = this.asked;
    await this.#make("manifest", true, () => this.#open());
    if (registry) await this.#make("keys", this.#opened, (opened) => this.#keys(registry, opened));
    await this.#make("rules", this.#signed, async (signed) => {
      this.#definition = await checkRules(board, signed.manifest);
    });
    if (registry) await this.#make("registry", this.#registry, (log) => this.#entered(log));
    await this.#make("records", this.#definition, (definition) => this.#records(this.#signed!.manifest, definition));
    await this.#make("counts", this.#definition, (definition) => this.#counts(this.#signed!.manifest, definition));
    await this.#make("tally", this.#definition, (definition) => this.#tally(this.#signed!.manifest, definition));
    await this.#make("ties", this.#definition, (definition) => {
      for (const { question, lot } of checkTies(this.#signed!.manifest, definition)) this.#skip("ties", "chair_over_lot", JSON.stringify(lot), question);
    });
  }

  async #open(): Promise<void> {
    const { board, poll, wait } = this.asked;
    const opened = await openAll(board, poll, wait);
    const { newest: { manifest }, versions, unknown } = opened;
    const counted = versions[0]!.counted_at;
    for (const listed of manifest.questions) this.#checkpoints.set(listed.id, await checkCheckpoint(board, manifest, listed, counted));
    if (!this.asked.registry && madeLate(manifest, this.#treeKeys(), counted)) this.#skip("manifest", "unknown", "the trees are signed by a key younger than the count");
    for (const name of unknown) this.#skip("manifest", "unknown", name);
    this.#opened = opened;
    this.#signed = opened.newest;
  }

  #treeKeys(): Uint8Array[] {
    return [...this.#checkpoints.values()].flatMap(({ signers }) => signers);
  }

  async #keys(registry: Source, opened: Opened): Promise<void> {
    const { manifest } = opened.newest;
    this.#registry = await readRegistry(registry, hostOf(manifest), manifest.poll, this.asked.wait);
    checkKeys(this.#registry, opened, this.#treeKeys());
  }

  #entered(log: Registry): void {
    const sealed = this.#definition && { closes: this.#definition.closes_at, draws: this.#definition.questions.some((question) => question.rule.tie === "lot") };
    const found = checkEntered(log, this.#opened!, sealed);
    if (found !== "entered") this.#skip("registry", found, "the registry's newest version of this board is another");
  }

  #counts(manifest: Manifest, definition: Definition): void {
    checkCounts(manifest, definition);
    if (this.#recordsAreGood) checkShown(manifest, definition, this.#streamed);
    else this.#skip("counts", "not_reached", "not all records were read");
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
        const detail = plain(error);
        if (!(error instanceof Unreachable) && !(error instanceof TooMuch) && !(error instanceof Unknown)) {
          this.#failed.push({ check, detail });
          this.report.check(check, "failed", detail);
          return;
        }
        this.#skip(check, error instanceof TooMuch ? "too_much" : error instanceof Unknown ? "unknown" : "unreachable", detail);
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
    const replaced = new Set(manifest.superseded);
    if (manifest.questions.some((listed) => listed.withheld.leaves.some((leaf) => replaced.has(leaf)))) throw new Error("a record is withheld and also replaced");
    for (const listed of manifest.questions) {
      const question = definition.questions.find((one) => one.id === listed.id)!;
      const reader = new Reader(question, definition, manifest.poll_hash, listed.withheld.styles, this.asked.room);
      const seeker = this.#seeker(listed.id);
      this.#seekers.push(seeker);
      const apart = new Set([...listed.withheld.leaves, ...replaced]);
      const streamed = await streamRecords(this.asked.board, `q${listed.id}/`, listed, reader, seeker, apart, (records) => this.report.progress((done += records), total));
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
      if (streamed) checkClasses(question, listed, streamed.profile);
      if (!streamed) this.#skip("tally", "not_reached", `q${listed.id}: no records to count`, listed.id);
      else if (why) this.#skip("tally", why, `q${listed.id}: ${why === "rule" ? question.rule.method : why}`, listed.id, question.rule.method);
      else for (const name of checkTally(question, listed, manifest, streamed.profile)) this.#skip("tally", "unknown", `outcome${name}`, listed.id);
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
    const says = (state: BallotFound["state"], made: Facts | null = null): BallotFound => ({ state, found: state === "counted" || state === "withheld" || state === "numbered" ? found : [], withheld, complaint: made, compared: "whole" });
    if (!this.#signed) return says("unsure");
    const { manifest } = this.#signed;
    if ("code" in token) return says(!this.#recordsAreGood ? "unsure" : found.length ? "numbered" : "nowhere");
    if (!this.#definition) return says("unsure");
    const log = this.#registry;
    const keys = (day: string): Uint8Array[] => (log ? receiptKeys(log, day) : listedOn(manifest, day));
    const standing = await judged(token.receipt, { pollHash: manifest.poll_hash, kind: this.#definition.receipt, keys });
    if (standing === "not_signed" && this.asked.registry && !log) return says("unsure");
    if (standing !== "signed") return says(standing);
    if (!isInclusion(token.receipt)) return says("acceptance");
    if (!this.#recordsAreGood) return says("unsure");
    const hidden = new Set(manifest.questions.flatMap((listed) => listed.withheld.leaves));
    const { outcome, missing } = fate(token.receipt, found, hidden, new Set(manifest.superseded));
    return says(outcome, outcome === "missing" ? await this.#complain(token.receipt, missing) : null);
  }

  async #complain(receipt: Extract<Token, { receipt: unknown }>["receipt"], leaves: string[]): Promise<Facts> {
    const { manifest, bytes, note } = this.#signed!;
    const missing = [];
    for (const leaf of leaves) {
      const trees: Absence[] = [];
      for (const [i, listed] of manifest.questions.entries()) {
        const gap = this.#seekers[i]!.gaps.find((one) => one.leaf === leaf)!;
        trees.push(await absence(listed.id, this.#checkpoints.get(listed.id)!.note, listed.size, fromHex(listed.root, 32), gap, this.#streamed.get(listed.id)!.at));
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
