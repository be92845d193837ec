"""The independent implementations that ours are held against, and our profiles in their terms.

pref_voting, pabutools and votelib are development dependencies. The first two import solvers, a compiler, plots and
samplers that none of the functions used here reaches; these are not installed (see docs/decisions/0010), and empty
modules stand in their places while the oracles are imported. numba's `jit` then leaves a function as it is.
"""

import importlib.abc
import importlib.machinery
import sys
import types
import warnings

UNREACHED = {
    "gurobipy", "matplotlib", "nashpy", "numba", "ortools", "pathos", "preflibtools", "prefsampling", "pulp", "random2",
    "scipy", "seaborn", "tqdm",
}  # fmt: skip


class _Anything:
    """What is imported from an empty module: a decorator that changes nothing, a name for anything else."""

    def __call__(self, *args, **kwargs):
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, item):
        return self


class _Empty(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything()


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in UNREACHED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        pass


_before, _finder = set(sys.modules), _Finder()
sys.meta_path.append(_finder)  # last: what is installed is used
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pabutools.election as pabutools_election
        import pabutools.rules as pabutools_rules
        import votelib.component.pairwin_scorer
        import votelib.convert
        import votelib.evaluate.cardinal
        import votelib.evaluate.condorcet
        from pabutools.tiebreaking import TieBreakingRule
        from pref_voting import (
            c1_methods,
            grade_methods,
            grade_profiles,
            iterative_methods,
            margin_based_methods,
            proportional_methods,
            scoring_methods,
        )
        from pref_voting.profiles_with_ties import ProfileWithTies
        from pref_voting.weighted_majority_graphs import MarginGraph
finally:
    sys.meta_path.remove(_finder)
    for name in set(sys.modules) - _before:
        if isinstance(sys.modules[name], _Empty):
            del sys.modules[name]  # nothing else shall find them

__all__ = [
    "MarginGraph",
    "TieBreakingRule",
    "c1_methods",
    "grade_methods",
    "grade_profiles",
    "iterative_methods",
    "margin_based_methods",
    "pabutools_election",
    "pabutools_rules",
    "proportional_methods",
    "scoring_methods",
    "to_pref_voting",
    "to_votelib",
    "votelib",
]


def to_pref_voting(options, ballots):
    """Our ballots (tiers → number) as a profile with ties; options left out stand below those named."""
    rankings = [{o: rank for rank, tier in enumerate(tiers, start=1) for o in tier} for tiers in ballots]
    profile = ProfileWithTies(rankings, list(ballots.values()), candidates=list(options))
    profile.use_extended_strict_preference()
    return profile


def to_votelib(options, ballots):
    """Our ballots as votelib's ranked votes: a tuple in order, equals as a frozen set.

    votelib knows the options that somebody names; a ranking of all of them with no ballots names the others.
    """
    votes = {tuple(tier[0] if len(tier) == 1 else frozenset(tier) for tier in tiers): n for tiers, n in ballots.items()}
    votes.setdefault(tuple(options), 0)
    return votes
