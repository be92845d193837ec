"""Signing in through the city's own sign-on (OpenID Connect), and whom the register takes its people for.

`configuration` is what an operator sets; `providers` how one provider differs from another; `fetching`, `discovery` and
`id_token` talk to a provider and believe nothing unchecked; `trips` keeps a browser's way there and back; `entries`
finds the register entry of whoever came back; `cases` is the desk for those it cannot be found for; `arriving` puts it
all together.
"""
