"""The layers around the whole application, outside the router: telemetry, the edge, recognition, in that order.

The framework's own base class for middleware looks up scopes and patterns to leave out for every request; these are
left out of nothing, so a layer costs one call.
"""

from functools import partial

from litestar.types import ASGIApp, Receive, Scope, Send


class Layer:
    """`SomeLayer(…)(application)` is an application: every request goes through `handle`, which calls `next_app`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let a request through, or answer it."""
        raise NotImplementedError

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Put the layer around an application."""
        return partial(self.handle, next_app=app)
