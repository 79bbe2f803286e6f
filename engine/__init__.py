"""Lead Engine: takes every captured lead to the marketing automation tool and shows each one that failed, and why."""

from engine.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]
__version__ = "0.1.0"
