"""The enricher that runs any provider file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.adapters import Config, Context, Enricher, Examined
from engine.asking import Ask, EnrichAnswer, Inquiry, Price
from engine.errors import CredentialsError, RetryLater, SpecError
from engine.limits import Limits
from engine_enrichers.declared import batches, pending
from engine_enrichers.declared.answers import DAY
from engine_enrichers.declared.identity import contradiction
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_build import limits_of, price_of
from engine_enrichers.declared.questions import ask_of
from engine_enrichers.declared.requests import build
from engine_enrichers.declared.session import Session


class DeclaredProvider(Enricher):
    """Asks one HTTP provider as its file says. Thread-safe: one session, no state per call."""

    online = True
    sandbox_name = "providers"
    provider: Provider

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where the base URL is not allowed."""
        super().__init__(config, context)
        self.session = Session(self.provider, config, context)

    def close(self) -> None:
        self.session.close()

    # What the engine is told -----------------------------------------------------------------------------------

    @property
    def valid_for(self) -> float:
        """Seconds for which an answer with something is not bought again."""
        return self.provider.hit_days * DAY

    @property
    def limits(self) -> Limits:
        """The file's limits; the configuration's, where it has any, replace them as a whole."""
        given, most = self.config.get("limits"), self.provider.limits.batch_size
        return limits_of(given, min(most, given.get("batch_size", most))) if given else self.provider.limits

    @property
    def account(self) -> str:
        """The name under which files of one account share their limits."""
        return self.provider.shared

    @property
    def price(self) -> Price | None:
        """The configuration's price of a credit, or the published one."""
        return price_of(self.config.get("price")) or self.provider.cost.price

    @property
    def waits_for(self) -> float:
        return self.provider.later.timeout if self.provider.later is not None else super().waits_for

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> Any:
        """Return the provider's local sandbox server (an `engine.testing.server.Sandbox`), not yet started."""
        from engine_enrichers.sandbox import SANDBOXES

        if cls.name not in SANDBOXES:
            raise NotImplementedError(f"{cls.name} ships no sandbox")
        return SANDBOXES[cls.name](port=port, seed=seed)

    # Questions --------------------------------------------------------------------------------------------------

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        """What would be asked; None if the lead has too little. Raises SpecError where answers could never arrive."""
        question = self.session.prepare(lead, wanted)
        if question is None:
            return None
        later = self.provider.later
        if later is not None and later.poll is None and not later.again and not question.values["callback_url"]:
            raise SpecError(
                f"{self.name} answers by posts alone, and this run takes none",
                fix="Give the enrichment `callbacks: {listen: …, url: …}`.",
            )
        settings: dict[str, Any] = dict(self.session.options)
        base_url = self.session.client.base_url
        if base_url != self.provider.base_url:
            settings["base_url"] = base_url  # what a sandbox answered is not what the provider would
        return ask_of(self.provider, question, settings)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Ask about one lead. Raises CredentialsError, VendorUnavailable (quota), RetryLater, NoAnswer."""
        return self.session.enrich(lead, wanted)

    def enrich_batch(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Ask about several leads in as few calls as the file allows; single records may be answered apart."""
        return batches.ask(self.session, inquiries)

    def collect(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Look for posted answers, then ask by ticket; a ticket of a batch is asked for once."""
        return pending.collect(self.session, inquiries)

    def ticket_of(self, headers: Mapping[str, str], body: bytes) -> str:
        later = self.provider.later
        if later is None or later.callback is None:
            return super().ticket_of(headers, body)
        return pending.ticket_of(later.callback, self.session.client.secrets, headers, body)

    def contradiction(self, lead: Mapping[str, Any], answer: EnrichAnswer) -> str:
        return contradiction(self.provider, lead, answer.about)

    def examine(self) -> Sequence[Examined]:
        """Ask the account's free call whether the credentials work, and for the balance."""
        account = self.provider.account
        call = build(account.request, self.session.options) if account is not None else None
        if account is None or call is None:
            return ()
        try:
            answered = self.session.client.ask(call, account.rules, private=(), counted=False)
        except CredentialsError as error:
            return [Examined("credentials", ok=False, detail=error.what, fix=error.fix)]
        except RetryLater as error:
            return [Examined("credentials", ok=None, detail=error.what)]
        if answered.outcome != "hit":
            return [Examined("credentials", ok=None, detail=answered.detail)]
        balance = account.balance.of(answered.body) if account.balance is not None else None
        left = [] if balance is None else [Examined("credits", ok=True, detail=f"{balance} left")]
        return [Examined("credentials", ok=True), *left]
