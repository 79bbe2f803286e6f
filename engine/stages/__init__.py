"""One module a stage: capture, enrich, map, match, sync, reconcile."""
