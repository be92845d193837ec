"""The poll engine: authoring, eligibility, one vote per citizen, tallying.

It knows no web framework, no settings and no files. Pure modules hold the rules; use cases take a session and
the clock and return plain values; refusals are the exceptions of :mod:`polls.errors`.
"""
