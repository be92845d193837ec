"""Boards for the verifiers, written a second time: from the format's description, not by the code that publishes them.

A board is ``{path: bytes}``. `Service` signs honestly or, told so, lies with good signatures: what a verifier has to
notice then is the contradiction, not a broken signature. Only the outcome and the canonical bytes come from the engine.
"""

import base64
import hashlib
import json
import random
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.builders import a_single_choice, an_option, both

from polls import board
from polls.definition import Definition, canonical_bytes
from polls.lots import Lot, Party, commitment
from polls.tally import tally
from polls.tally.profile import BLANK, NOT_SHOWN, Profile

HOST = "voting.example.org"
SECRETS = (b"o" * 32, b"w" * 32)


def key(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def raw(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def vkey(name, private):
    public = b"\x01" + raw(private)
    hashed = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{hashed.hex()}+{base64.b64encode(public).decode()}"


def note(text, name, private):
    hashed = hashlib.sha256(name.encode() + b"\n\x01" + raw(private)).digest()[:4]
    signature = base64.b64encode(hashed + private.sign(text.encode())).decode()
    return f"{text}\n— {name} {signature}\n".encode()


def nested(number):
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(parts)


def tree_hash(hashes):
    """RFC 6962 §2.1, by its own definition."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


def tree_files(folder, entries, origin, private):
    """The files of one log."""
    leaves = [board.leaf_hash(entry) for entry in entries]
    files = {}
    for number in range(-(-len(entries) // 256)):
        some = entries[number * 256 : number * 256 + 256]
        bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in some)
        files[f"{folder}tile/entries/{nested(number)}{'' if len(some) == 256 else f'.p/{len(some)}'}"] = bundle
    level, hashes = 0, leaves
    while hashes:
        for number in range(-(-len(hashes) // 256)):
            some = hashes[number * 256 : number * 256 + 256]
            files[f"{folder}tile/{level}/{nested(number)}{'' if len(some) == 256 else f'.p/{len(some)}'}"] = b"".join(
                some
            )
        hashes = [tree_hash(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    root = tree_hash(leaves)
    text = f"{origin}\n{len(entries)}\n{base64.b64encode(root).decode()}\n"
    files[f"{folder}checkpoint"] = note(text, origin, private)
    return files, root


@dataclass
class Vote:
    """A ballot as the box keeps it: its voter's K, its style, a canonical answer for every question."""

    key: bytes
    answers: dict
    style: int = 0


@dataclass
class Service:
    """A poll's definition and votes, and what the service says about them. Change any part to make it lie."""

    definition: Definition
    votes: list
    entitled: int | None = 1_000
    host: str = HOST
    board_key: Ed25519PrivateKey = field(default_factory=lambda: key("board"))
    receipt_key: Ed25519PrivateKey = field(default_factory=lambda: key("receipt"))
    withheld_styles: tuple = ()
    superseded: tuple = ()
    chair: dict = field(default_factory=dict)
    """(question, stage, sorted tied) → the chair's order."""
    revealed: bool = True
    registry_key: Ed25519PrivateKey = field(default_factory=lambda: key("registry"))
    _hashed: tuple = (None, b"")

    @property
    def poll_hash(self):
        if self._hashed[0] is not self.definition:
            self._hashed = (self.definition, hashlib.sha256(canonical_bytes(self.definition)).digest())
        return self._hashed[1]

    @property
    def origin(self):
        return f"{self.host}/board/{self.definition.poll_id}"

    @property
    def vkey(self):
        return vkey(f"{self.host}/board", self.board_key)

    def ballot(self, vote):
        return board.ballot_id(self.poll_hash, vote.key)

    def entry(self, vote, question):
        nonce = board.nonce(self.ballot(vote), question)
        return board.entry(self.poll_hash, question, vote.style, vote.answers[question], nonce)

    def receipt(self, vote, day="2026-11-10", leaves=None):
        if leaves is None:
            shown = [q for q, answer in vote.answers.items() if answer != NOT_SHOWN]
            leaves = [board.leaf_hash(self.entry(vote, q)) for q in shown]
        facts = {"v": 1, "kind": "inclusion", "poll": self.poll_hash.hex(), "day": day,
                 "ballot": board.short_code(self.ballot(vote)), "leaves": [leaf.hex() for leaf in leaves]}  # fmt: skip
        return self.signed_receipt(facts)

    def acceptance(self, vote, day="2026-11-10"):
        hidden = hashlib.sha256(b"veche/acceptance/v1" + self.poll_hash + self.ballot(vote)).hexdigest()
        return self.signed_receipt(
            {"v": 1, "kind": "acceptance_only", "poll": self.poll_hash.hex(), "acceptance": hidden, "day": day}
        )

    def signed_receipt(self, facts):
        signature = self.receipt_key.sign(b"veche/receipt/v1\n" + rfc8785.dumps(facts))
        return {"receipt": facts, "key_id": key_id(self.receipt_key),
                "signature": base64.b64encode(signature).decode()}  # fmt: skip

    # ---- files

    def entries(self, question):
        """The published records in order."""
        shown = [v for v in self.votes if v.answers[question] != NOT_SHOWN and v.style not in self.withheld_styles]
        return sorted((self.entry(v, question) for v in shown), key=board.leaf_hash)

    def files(self, change=lambda manifest: None, entries=None, reason=""):
        """The whole board. `entries` (question → records) replaces what the trees hold; `change` edits the manifest
        before it is signed."""
        files, roots = {}, {}
        held = {q.id: self.entries(q.id) for q in self.definition.questions} | (entries or {})
        for question, records in held.items():
            made, roots[question] = tree_files(f"q{question}/", records, f"{self.origin}/q{question}", self.board_key)
            files |= made
        files["definition.json"] = canonical_bytes(self.definition)
        manifest = self.manifest(roots, {q: len(records) for q, records in held.items()})
        previous, version = None, 1
        if manifest["ties"]:
            first = deepcopy(manifest)
            first["ties"] = []
            first["questions"] = self.manifest(roots, {q: len(r) for q, r in held.items()}, decided=False)["questions"]
            change(first)
            previous, version = hashlib.sha256(self.seal(files, first)).hexdigest(), 2
        manifest |= {"previous": previous, "version": version, "reason": reason}
        change(manifest)
        self.seal(files, manifest)
        return files

    def seal(self, files, manifest):
        """Write a manifest as the newest."""
        data = rfc8785.dumps(manifest)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        text = f"{self.origin}\nveche/manifest/v1\n{manifest['version']}\n{digest}\n"
        signed = note(text, self.origin, self.board_key)
        for name in ("manifest", f"manifest-{manifest['version']}"):
            files |= {f"{name}.json": data, f"{name}.note": signed}
        return data

    def roll_styles(self):
        """The roll by ballot style, in equal parts."""
        declared = [style.id for style in self.definition.styles]
        if self.entitled is None or not declared:
            return []
        return [[style, self.entitled // (len(declared) + 1)] for style in sorted([0, *declared])]

    def entitled_of(self, question):
        """How many could be asked a question."""
        if self.entitled is None or not question.styles:
            return self.entitled
        return sum(n for style, n in self.roll_styles() if style in question.styles)

    def manifest(self, roots, sizes, decided=True):
        """What an honest service says."""
        definition, ties, questions = self.definition, [], []
        for question in definition.questions:
            shown = [vote for vote in self.votes if vote.answers[question.id] != NOT_SHOWN]
            hidden = [vote for vote in shown if vote.style in self.withheld_styles]
            answers = {}
            for vote in shown:
                answers[vote.answers[question.id]] = answers.get(vote.answers[question.id], 0) + 1
            order = self.order(question, roots, ties) if decided else None
            questions.append({
                "id": question.id, "size": sizes[question.id], "root": roots[question.id].hex(), "shown": len(shown),
                "withheld": {"records": len(hidden), "styles": sorted({vote.style for vote in hidden}),
                             "leaves": sorted(board.leaf_hash(self.entry(v, question.id)).hex() for v in hidden)},
                "entitled": self.entitled_of(question), "counted_by": "ballots",
                "outcome": tally(question, Profile(answers, self.entitled_of(question)), order).as_json(),
            })  # fmt: skip
        known = self.entitled is not None
        keys = [("board", self.board_key), ("receipt", self.receipt_key)]
        return {
            "v": 1, "format": "veche/board/v1", "origin": self.origin, "poll": definition.poll_id,
            "poll_hash": self.poll_hash.hex(), "version": 1, "previous": None, "reason": "",
            "counted_at": "2026-11-15T09:00:05+00:00", "opens_at": "2026-11-01T09:00:00Z",
            "closes_at": "2026-11-15T09:00:00Z", "time_zone": definition.time_zone, "privacy": definition.privacy,
            "receipt": definition.receipt,
            "roll": {"known": known, "total": self.entitled, "styles": self.roll_styles()},
            "participations": len(self.votes), "ballots": len(self.votes), "questions": questions, "ties": ties,
            "lot": self.lot() if any(q.rule.tie == "lot" for q in definition.questions) else None,
            "superseded": sorted(leaf.hex() for leaf in self.superseded),
            "keys": [{"key_id": key_id(k), "purpose": purpose, "public": base64.b64encode(raw(k)).decode(),
                      "valid_from": "2026-01-01T00:00:00+00:00", "valid_to": None} for purpose, k in keys],
            "software": "veche 0.1.0",
        }  # fmt: skip

    def lot(self):
        return {
            party.value: {"commitment": commitment(self.poll_hash, party, secret).hex(),
                          "secret": secret.hex() if self.revealed else None}
            for party, secret in zip(Party, SECRETS, strict=True)
        }  # fmt: skip

    # ---- the registry log

    def events(self, files, change=lambda events: None):
        """What an honest service enters of its keys and of this poll, in order; `change` edits the list."""
        lot = self.lot() if any(q.rule.tie == "lot" for q in self.definition.questions) else {}
        keys = [("board", self.board_key), ("receipt", self.receipt_key), ("registry", self.registry_key)]
        made = [
            self.event("key_added", "2026-01-01T00:00:00+00:00", poll=None, purpose=purpose, key_id=key_id(private),
                       public=base64.b64encode(raw(private)).decode())
            for purpose, private in keys
        ]  # fmt: skip
        poll_hash = self.poll_hash.hex()
        made.append(
            self.event("poll_sealed", "2026-10-20T09:00:00+00:00", poll_hash=poll_hash, revision=1, reviewed=True)
        )
        for party, half in lot.items():
            made.append(
                self.event("lot_committed", "2026-10-25T09:00:00+00:00", party=party, commitment=half["commitment"])
            )
        stated = self.definition.as_json()
        times = {"opens_at": stated["opens_at"], "closes_at": stated["closes_at"]}
        made.append(self.event("poll_opened", "2026-11-01T09:00:03+00:00", **times))
        made.append(self.event("poll_closed", "2026-11-15T09:00:03+00:00", **times))
        made.append(self.event("poll_counted", "2026-11-15T09:00:05+00:00", ballots=len(self.votes),
                               participations=len(self.votes), poll_hash=poll_hash))  # fmt: skip
        version = 1
        while f"manifest-{version}.json" in files:
            data = files[f"manifest-{version}.json"]
            questions, digest = json.loads(data)["questions"], hashlib.sha256(data).hexdigest()
            made.append(self.event(
                "board_published", "2026-11-15T09:01:00+00:00", version=version, manifest=digest,
                roots={str(q["id"]): q["root"] for q in questions}, sizes={str(q["id"]): q["size"] for q in questions},
            ))  # fmt: skip
            version += 1
        change(made)
        return made

    def event(self, event_kind, at, poll=True, **body):
        """One entry, without its position."""
        return {"v": 1, "kind": event_kind, "at": at, "poll": self.definition.poll_id if poll else None,
                "poll_hash": self.poll_hash.hex() if poll else None, "body": body}  # fmt: skip

    def registry(self, files, change=lambda events: None, others=300, written_as=lambda entry: entry):
        """The files of the site's log for this board; so many events of other polls stand before them. `written_as`
        edits the bytes of each entry."""
        stranger = {**self.event("poll_sealed", "2026-05-01T00:00:00+00:00", poll_hash="00" * 32), "poll": "e0" * 16}
        events = [*[stranger] * others, *self.events(files, change)]
        entries = [written_as(rfc8785.dumps({"position": n, **event})) for n, event in enumerate(events)]
        made, _ = tree_files("", entries, f"{self.host}/registry", self.registry_key)
        keys = [("board", self.board_key), ("receipt", self.receipt_key), ("registry", self.registry_key)]
        listed = [{"key_id": key_id(k), "purpose": purpose, "public": base64.b64encode(raw(k)).decode(),
                   "valid_from": "2026-01-01T00:00:00+00:00", "valid_to": None,
                   "vkey": vkey(f"{self.host}/{purpose}", k)} for purpose, k in keys]  # fmt: skip
        made["keys.json"] = json.dumps({"v": 1, "origin": self.host, "keys": listed}).encode()
        return made

    def order(self, question, roots, ties):
        """How ties are decided, writing down each decision."""
        lot = Lot(*SECRETS, roots[question.id]) if question.rule.tie == "lot" and self.revealed else None

        def order(stage, tied):
            ids = tuple(sorted(tied))
            decided = lot.order(question.id, stage, ids) if lot else self.chair.get((question.id, stage, ids))
            if decided:
                ties.append({"question": question.id, "stage": stage, "options": list(ids), "decided": list(decided),
                             "method": "lot" if lot else "chair", "reason": "" if lot else "Так решили."})  # fmt: skip
            return decided

        return order


def log_of(files):
    """The registry log that an honest site has beside a board, made from the board's own files."""
    manifest, definition = json.loads(files["manifest.json"]), json.loads(files["definition.json"])
    host, registry_key = manifest["origin"].split("/")[0], key("registry")

    def event(kind, at, poll=True, **body):
        return {"v": 1, "kind": kind, "at": at, "poll": manifest["poll"] if poll else None,
                "poll_hash": manifest["poll_hash"] if poll else None, "body": body}  # fmt: skip

    opens, sealed, closes, counted = (
        manifest["opens_at"], definition["closes_at"], manifest["closes_at"], manifest["counted_at"]
    )  # fmt: skip
    made = [
        event("key_added", one["valid_from"], poll=False,
              purpose=one["purpose"], key_id=one["key_id"], public=one["public"])
        for one in manifest["keys"]
    ]  # fmt: skip
    made.append(event("poll_sealed", opens, poll_hash=manifest["poll_hash"], revision=1, reviewed=False))
    for party, half in (manifest["lot"] or {}).items():
        made.append(event("lot_committed", opens, party=party, commitment=half["commitment"]))
    made.append(event("poll_opened", opens, opens_at=opens, closes_at=sealed))
    if sealed != closes:
        made.append(event("poll_closed_early", closes, reason="Так решили.", closes_at=closes))
    made.append(event("poll_closed", closes, opens_at=opens, closes_at=closes))
    made.append(event("poll_counted", counted, ballots=manifest["ballots"],
                      participations=manifest["participations"], poll_hash=manifest["poll_hash"]))  # fmt: skip
    for version in range(1, manifest["version"] + 1):
        data = files[f"manifest-{version}.json"]
        listed = json.loads(data)["questions"]
        made.append(event(
            "board_published", counted, version=version, manifest=hashlib.sha256(data).hexdigest(),
            roots={str(q["id"]): q["root"] for q in listed}, sizes={str(q["id"]): q["size"] for q in listed},
        ))  # fmt: skip
    entries = [rfc8785.dumps({"position": n, **one}) for n, one in enumerate(made)]
    log, _ = tree_files("", entries, f"{host}/registry", registry_key)
    public = base64.b64encode(raw(registry_key)).decode()
    listed = {"key_id": key_id(registry_key), "purpose": "registry", "public": public, "valid_to": None,
              "vkey": vkey(f"{host}/registry", registry_key)}  # fmt: skip
    return log | {"keys.json": json.dumps({"v": 1, "origin": host, "keys": [listed]}).encode()}


def with_log(*arguments):
    """A verifier's arguments, and for a board in a directory the honest log beside it, unless they name one."""
    given = [str(one) for one in arguments]
    board_at = next((Path(one) for one in given[:2] if not one.startswith("--")), None)
    if "--registry" in given or board_at is None or not (board_at / "manifest.json").is_file():
        return given
    try:
        files = {path.name: path.read_bytes() for path in board_at.glob("*.json")}
        log = write(log_of(files), board_at.with_name(board_at.name + ".registry"))
    except (KeyError, TypeError, ValueError):  # no board that could be in a log
        return given
    return [*given, "--registry", str(log)]


def key_id(private):
    return hashlib.sha256(raw(private)).hexdigest()[:8]


# ---- samples


def define(*questions, **more):
    return Definition.model_validate({
        "poll_id": "5f" * 16, "title": both("Опрос", "A poll"), "questions": questions,
        "opens_at": "2026-11-01T09:00:00Z", "closes_at": "2026-11-15T09:00:00Z", **more,
    })  # fmt: skip


def votes(n, seed, answers, styles=(0,)):
    """So many votes; `answers` maps a question to a function of (chance, style)."""
    chance = random.Random(seed)
    made = []
    for _ in range(n):
        style = chance.choice(styles)
        given = {question: answer(chance, style) for question, answer in answers.items()}
        made.append(Vote(chance.randbytes(16), given, style))
    return made


def one_choice(n=300, **more):
    """One question of three options, more than one bundle."""
    definition = define(a_single_choice(1, required=False, **more))
    chosen = lambda chance, style: chance.choice(["[1]", "[1]", "[2]", "[3]", "[90]", BLANK])  # noqa: E731
    return Service(definition, votes(n, 1, {1: chosen}))


def every_rule(n=120):
    """Every kind of question with every rule that is counted again."""
    options = [an_option(i) for i in range(1, 5)]
    listed, given = [], {}

    def ask(kind, answer, **more):
        question = len(listed) + 1
        text = both(f"Вопрос {question}", f"Question {question}")
        listed.append({"kind": kind, "id": question, "text": text, "options": options, "required": False, **more})
        given[question] = answer

    def some(chance, least=0):
        return sorted(chance.sample(range(1, 5), chance.randint(least, 4)))

    def ranking(chance, style):
        return str([[o] for o in chance.sample(range(1, 5), chance.randint(0, 4))]).replace(" ", "")

    def levels(chance, style):
        return str([[o, chance.randint(1, 5)] for o in some(chance)]).replace(" ", "")

    def choice(chance, style):
        return str(some(chance)).replace(" ", "")

    def points(chance, style):
        return str([[o, chance.randint(1, 2)] for o in some(chance)]).replace(" ", "")

    ask("single_choice", lambda chance, style: f"[{chance.randint(0, 4)}]", own_answer=True)
    ask("multiple_choice", choice)
    for by in ("mean", "trimmed_mean", "median", "majority_judgment"):
        ask("rating", levels, rule={"method": "rating", "order_by": by})
    for method in ("borda", "instant_runoff", "schulze"):
        ask("ranking", ranking, rule={"method": method})
    ask("points", points)
    projects = [an_option(i, cost=cost) for i, cost in enumerate((300, 200, 200, 500), 1)]
    for method in ("greedy", "greedy_threshold", "greedy_no_skip"):
        rule = {"method": method, "budget": 600, "min_score": 40 if method == "greedy_threshold" else 0}
        ask("budget", choice, options=projects, rule=rule, exclusive_groups=[[1, 2]])
    ask("text", lambda chance, style: chance.choice(["[0]", BLANK]), options=[])
    return Service(define(*listed), votes(n, 2, given))


def tied_by_lot():
    """Two options with as many votes; a lot decides."""
    made = one_choice(0, rule={"method": "plurality", "tie": "lot"})
    made.votes = [Vote(hashlib.sha256(bytes([i])).digest()[:16], {1: f"[{1 + i % 2}]"}) for i in range(20)]
    return made


def tied_for_the_chair():
    made = tied_by_lot()
    made.definition = define(a_single_choice(1, required=False, rule={"method": "plurality", "tie": "chair"}))
    made.chair = {(1, 1, (1, 2)): (2, 1)}
    return made


def with_styles(withheld=(), asked=(), styles=(0, 1, 2)):
    """Two ballot styles, and who voted of which; records of those in `withheld` are not published. A second question
    is for the styles `asked`."""
    questions = [a_single_choice(1), *([a_single_choice(2, styles=list(asked))] if asked else [])]
    definition = define(*questions, styles=[{"id": 1, "territories": ["msk-cao"]}, {"id": 2, "territories": ["x"]}])
    answers = {1: lambda chance, style: f"[{chance.randint(1, 3)}]"}
    if asked:
        answers[2] = lambda chance, style: "[1]" if style in asked else NOT_SHOWN
    return Service(definition, votes(60, 3, answers, styles=styles), withheld_styles=tuple(withheld))


def with_styles_unused():
    """Nobody of the second style has voted."""
    return with_styles(styles=(0, 1))


def follow_up(n=90, kind="single_choice"):
    """A question for those who chose the first option, and of those for one style alone."""
    styles = [{"id": 1, "territories": ["msk-cao"]}, {"id": 2, "territories": ["x"]}]
    condition = {"question": 1, "options": [1]}
    definition = define(
        a_single_choice(1), a_single_choice(2, shown_if=condition), a_single_choice(3, styles=[1], shown_if=condition),
        a_single_choice(4, styles=[1, 2]), styles=styles,
    )  # fmt: skip
    made = []
    for i in range(n):
        style, first = i % 3, 1 + i % 5 % 2
        asked = first == 1
        answers = {1: f"[{first}]", 2: f"[{1 + i % 3}]" if asked else NOT_SHOWN,
                   3: "[2]" if asked and style == 1 else NOT_SHOWN, 4: "[1]" if style else NOT_SHOWN}  # fmt: skip
        made.append(Vote(hashlib.sha256(b"follow-up %d" % i).digest()[:16], answers, style))
    return Service(definition, made)


def of_levels(n=60):
    """Follow-ups of a rating, of points, of a ranking and of own words."""
    options = [an_option(i) for i in range(1, 4)]

    def ask(kind, question, **more):
        return {
            "kind": kind,
            "id": question,
            "text": both("Что?", "What?"),
            "options": options,
            "required": False,
            **more,
        }

    definition = define(
        ask("rating", 1), a_single_choice(2, shown_if={"question": 1, "at_most": 2}),
        ask("points", 3), a_single_choice(4, shown_if={"question": 3, "options": [2], "at_least": 3}),
        ask("ranking", 5), a_single_choice(6, shown_if={"question": 5, "options": [3]}),
        ask("single_choice", 7, own_answer=True), a_single_choice(8, shown_if={"question": 7, "options": [0]}),
        ask("multiple_choice", 9), a_single_choice(10, shown_if={"question": 9}),
    )  # fmt: skip
    made = []
    for i in range(n):
        low, points, ranked, own, named = i % 2, i % 5, i % 3, i % 4 == 0, i % 7
        answers = {
            1: "[[1,5],[3,1]]" if low else "[[1,5]]", 2: "[1]" if low else NOT_SHOWN,
            3: f"[[2,{points}]]" if points else BLANK, 4: "[1]" if points >= 3 else NOT_SHOWN,
            5: "[[1],[3]]" if ranked else "[[2]]", 6: "[1]" if ranked else NOT_SHOWN,
            7: "[0]" if own else "[1]", 8: "[1]" if own else NOT_SHOWN,
            9: "[1,3]" if named else BLANK, 10: "[1]" if named else NOT_SHOWN,
        }  # fmt: skip
        made.append(Vote(hashlib.sha256(b"of levels %d" % i).digest()[:16], answers))
    return Service(definition, made)


def by_name(n=60):
    """A poll by name whose votes may be changed; two were."""
    definition = define(a_single_choice(1, required=False), a_single_choice(2, required=False),
                        privacy="named", may_change=True)  # fmt: skip
    made = votes(n, 4, {q: lambda chance, style: f"[{chance.randint(1, 3)}]" for q in (1, 2)})
    service = Service(definition, made)
    service.superseded = tuple(board.leaf_hash(service.entry(vote, q)) for vote in made[-2:] for q in (1, 2))
    service.votes = made[:-2]
    return service


def no_votes():
    return Service(define(a_single_choice(1)), [])


SAMPLES = {
    "one_choice": one_choice, "every_rule": every_rule, "tied_by_lot": tied_by_lot,
    "tied_for_the_chair": tied_for_the_chair, "with_styles": with_styles, "no_votes": no_votes,
    "follow_up": follow_up, "of_levels": of_levels, "by_name": by_name,
}  # fmt: skip


def write(files, directory):
    """The files of a board below a directory."""
    for path, data in files.items():
        full = directory / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
    return directory
