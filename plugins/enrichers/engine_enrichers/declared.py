"""The enricher that runs any provider file, and one class of it for each file that is shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jsonschema import Draft202012Validator

from engine.adapters import Config, Context, EnrichAnswer, Enricher
from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError, VendorUnavailable
from engine.http import Reply
from engine.limits import Limits
from engine.records import LEAD_FIELDS
from engine_enrichers.answers import classify, confidence_of, cost_of, extract, other_person, wait_of
from engine_enrichers.provider_files import Provider, load_provider, shipped_files
from engine_enrichers.requests import add_key, build, choose_inputs, key_of, limits_of_request

_DAY = 86400.0


class DeclaredProvider(Enricher):
    """Asks one HTTP provider as its file says. Thread-safe: one client, no state per call."""

    online = True
    secrets = ("api_key",)
    provider: Provider

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where the base URL is not allowed."""
        super().__init__(config, context)
        self._limits = _limits(self.provider, config)
        self._min_confidence = max(float(config.get("min_confidence", 0)), context.min_confidence)
        self._options = {
            name: config.get(name, schema.get("default")) for name, schema in self.provider.options.items()
        }
        self._base_url = str(config.get("base_url") or self.provider.base_url)
        self._http = context.http(self._base_url)

    def close(self) -> None:
        self._http.close()

    @property
    def valid_for(self) -> float:
        """Seconds for which an answer with a person is not bought again."""
        return self.provider.hit_days * _DAY

    @property
    def limits(self) -> Limits:
        return self._limits

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> Any:
        """Return the provider's local sandbox server (an `engine.testing.server.Sandbox`), not yet started."""
        from engine_enrichers.sandbox import SANDBOXES

        if cls.name not in SANDBOXES:
            raise NotImplementedError(f"{cls.name} ships no sandbox")
        return SANDBOXES[cls.name](port=port, seed=seed)

    def request_key(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> str | None:
        """The ledger's key: provider, version, inputs, settings and the wanted fields; None if it cannot be asked."""
        asked = self._asked(wanted)
        inputs = choose_inputs(self.provider, lead)
        if not asked or inputs is None:
            return None
        settings = {**self._options, **limits_of_request(self.provider, asked, self._min_confidence)}
        if self._base_url != self.provider.base_url:
            settings["base_url"] = self._base_url  # what a sandbox answered is not what the provider would
        return key_of(self.provider, inputs, settings, asked)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Make one call. Raises CredentialsError, VendorUnavailable (quota), RetryLater, NoAnswer."""
        asked = self._asked(wanted)
        inputs = choose_inputs(self.provider, lead)
        if not asked or inputs is None:
            return EnrichAnswer("skipped", detail="the lead has too little to ask with")
        values = {**self._options, **inputs, **limits_of_request(self.provider, asked, self._min_confidence)}
        call = build(self.provider.request, values)
        add_key(self.provider.auth, str(self.config["api_key"]), call)
        return self._read(self._http.send(**call), lead, asked)

    def _asked(self, wanted: Sequence[str]) -> list[str]:
        return [field for field in self.provides if field in wanted]

    def _read(self, reply: Reply, lead: Mapping[str, Any], asked: Sequence[str]) -> EnrichAnswer:
        body = reply.json()
        if body is None and 200 <= reply.status < 300 and reply.status != 204:
            raise NoAnswer(f"the answer of {self.provider.name} is not whole", after=5.0)
        outcome = classify(self.provider, reply.status, body)
        self._raise_if_not_for_this_lead(outcome, reply)
        if outcome == "hit":
            return self._hit(reply, body, lead, asked)
        cost = cost_of(self.provider, reply, hit=False)
        if outcome == "miss":
            return self._miss(cost)
        detail = self._said(reply)
        return EnrichAnswer("suppressed" if outcome == "suppressed" else "error", cost=cost, detail=detail)

    def _miss(self, cost: float, detail: str = "") -> EnrichAnswer:
        return EnrichAnswer("miss", cost=cost, detail=detail, valid_for=self.provider.miss_days * _DAY)

    def _hit(self, reply: Reply, body: Any, lead: Mapping[str, Any], asked: Sequence[str]) -> EnrichAnswer:
        cost = cost_of(self.provider, reply, hit=True)
        if problem := other_person(self.provider, body, lead):
            return self._miss(cost, f"rejected: {problem}")
        confidence = confidence_of(self.provider, body)
        if confidence < self._min_confidence:
            detail = f"rejected: confidence {confidence:.2f} is below {self._min_confidence:.2f}"
            return self._miss(cost, detail)
        findings = extract(self.provider, body, asked, confidence)
        if not findings:
            return self._miss(cost, "none of the wanted fields")
        return EnrichAnswer("hit", findings, cost)

    def _raise_if_not_for_this_lead(self, outcome: str, reply: Reply) -> None:
        """Raise for an answer that says nothing about the lead: refused, spent, throttled, or out of order."""
        name = self.provider.name
        if outcome == "auth":
            raise CredentialsError(
                f"{name} refused the API key (HTTP {reply.status})",
                where=f"enrichment.{self.name}.config.api_key",
                why=self._said(reply),
                fix=f"Correct the key, or what it may do; see {self.provider.docs}.",
            )
        if outcome == "quota":
            raise VendorUnavailable(
                f"the credits of {name} are spent (HTTP {reply.status})",
                why=self._said(reply),
                fix="Buy credits, or wait for the next billing period, then run the same command again.",
            )
        if outcome == "throttled":
            raise RetryLater(f"{name} asks to slow down", after=wait_of(reply, self.context.now()))
        if outcome == "error" and reply.status >= 500:
            after = wait_of(reply, self.context.now())
            raise RetryLater(f"{name} is out of order (HTTP {reply.status})", after=after, why=self._said(reply))

    def _said(self, reply: Reply) -> str:
        """The start of the answer for people, without the key even where the provider repeats it."""
        return f"HTTP {reply.status}: {reply.excerpt(2000).replace(str(self.config['api_key']), '***')[:200]}"


class HttpEnricher(DeclaredProvider):
    """Runs a provider file of the project's own, under the name that the file gives."""

    name = "http"
    summary = "Asks any HTTP provider that a YAML file of your own describes."
    #: Which of these it can fill is known when the file has been read.
    provides = LEAD_FIELDS
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["file", "api_key"],
        "properties": {
            "file": {
                "title": "Provider file",
                "description": "Path of the YAML file, relative to the spec's folder.",
                "type": "string",
                "minLength": 1,
                "examples": ["providers/acme.yaml"],
            },
            "api_key": {
                "title": "API key",
                "description": "Key of your account.",
                "type": "string",
                "minLength": 1,
                "examples": [{"env": "ACME_API_KEY"}],
            },
        },
        # The file declares the other keys; they are checked against it when it has been read.
        "additionalProperties": True,
    }

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where the file is wrong, or the configuration is by what the file declares."""
        self.provider = load_provider(context.folder / str(config["file"]))
        self.provides = tuple(self.provider.extract)
        # Provenance, limits, budget and paid answers belong to the provider, not to the way of declaring it.
        self.name = self.provider.name
        given = {name: value for name, value in config.items() if name != "file"}
        for problem in Draft202012Validator(self.provider.config_schema).iter_errors(given):
            where = ".".join(["enrichment.http.config", *(str(step) for step in problem.absolute_path)])
            # The message quotes the value, which is not for display where it is a secret.
            what = "the API key is not a text" if "api_key" in problem.absolute_path else problem.message
            raise SpecError(what, where=where)
        super().__init__(config, context)


def provider_class(provider: Provider) -> type[DeclaredProvider]:
    """A DeclaredProvider class that is named after the provider."""
    return type(
        "".join(word.title() for word in provider.name.split("_")),
        (DeclaredProvider,),
        {
            "__doc__": provider.summary,
            "name": provider.name,
            "summary": provider.summary,
            "config_schema": provider.config_schema,
            "provides": tuple(provider.extract),
            "provider": provider,
        },
    )


def shipped_classes() -> list[type[DeclaredProvider]]:
    """One class for each provider file of this package. Raises SpecError for a broken one."""
    return [provider_class(load_provider(path)) for path in shipped_files()]


def _limits(provider: Provider, config: Config) -> Limits:
    """The file's limits; the configuration's, where it has any, replace them as a whole."""
    return Limits(**config["limits"]) if config.get("limits") else provider.limits
