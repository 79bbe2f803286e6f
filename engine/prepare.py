"""The mapping and the matching rules made ready for one vendor: signed in, compared with what it has, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine import check
from engine.adapters import Vendor
from engine.errors import NotTaken, RetryLater, RunStopped, SpecError, VendorUnavailable
from engine.expressions import Names, function, parse, suggestion
from engine.mapping import Compiled, compile_mapping
from engine.plugins import Plugins
from engine.records import Field
from engine.remote import Reader
from engine.specs import Integration, Rule
from engine.stages.map import Keys
from engine.state.catalog import Catalog

#: How often the vendor is asked for its field list before the run is put off.
CONNECT_TRIES = 3
#: What to do where a vendor cannot be reached, and where it takes no calls.
HOST = "See that `destination.config` names the right host, then run the same command again."
BUSY = "The vendor is busy: run the same command again in a minute."


def prepared(
    integration: Integration,
    plugins: Plugins,
    vendor: Vendor,
    catalog: Catalog,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[Compiled, Keys]:
    """Sign in, read what the vendor has of what the spec names, and compile. Raises AbortRun, RunStopped."""
    names = check.names_of(integration, plugins)
    rules = check.rules_of(integration, type(vendor))
    reader = Reader(vendor, catalog, integration.destination.refresh_after, now)
    for attempt in range(CONNECT_TRIES):
        try:
            vendor.connect()
            mapping = _compiled(integration, reader, names, rules, fresh=False)
            break
        except RunStopped:
            raise
        except RetryLater as error:
            if attempt == CONNECT_TRIES - 1:
                raise VendorUnavailable(
                    f"{vendor.name} cannot be reached: {error.what}",
                    where=error.where,
                    fix=error.fix or HOST if not isinstance(error, NotTaken) else BUSY,
                ) from error
            sleep(error.after)
    return mapping, keys_of(rules, names, type(vendor))


def keys_of(rules: Sequence[Rule], names: Names, vendor: type[Vendor]) -> Keys:
    """The matching rules, compiled for a vendor. Raises ExpressionError."""
    compiled = [(rule, function(parse(rule.value, names), names)) for rule in rules]
    can_update = "update_only" in vendor.actions
    return Keys(compiled, finding=lambda by: can_update and by not in vendor.named)


def _compiled(
    integration: Integration, reader: Reader, names: Names, rules: Sequence[Rule], *, fresh: bool
) -> Compiled:
    """The mapping for what the vendor has; what was remembered of it is read anew before it makes leads fail."""
    remote = reader.remote(integration.mapping, fresh=fresh)
    mapping = compile_mapping(integration.mapping, names, remote)
    keys = type(reader.vendor).keys
    fields: Mapping[str, Field] = {field.name: field for field in remote.fields or ()}
    strange = [
        (index, rule.by)
        for index, rule in enumerate(rules)
        if rule.by not in keys and not (rule.by in fields and fields[rule.by].searchable)
    ]
    if (mapping.doubtful or strange) and not fresh:
        return _compiled(integration, reader, names, rules, fresh=True)
    if strange:
        index, by = strange[0]
        searchable = list(dict.fromkeys([*keys, *(name for name, field in fields.items() if field.searchable)]))
        raise SpecError(
            f"{reader.vendor.name} cannot find leads by {by!r}",
            where=integration.place(f"matching.{index}.by"),
            fix=suggestion(by, searchable) or f"It can by {', '.join(searchable)}.",
        )
    return mapping
