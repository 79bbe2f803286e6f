"""One local stand-in for every provider that a file declares."""

from engine_enrichers.sandbox.server import SANDBOXES, ProviderSandbox

__all__ = ["SANDBOXES", "ProviderSandbox"]
