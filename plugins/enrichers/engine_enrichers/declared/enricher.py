"""The enricher that runs any provider file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from engine.adapters import Config, Context, Enricher, Examined
from engine.asking import Ask, EnrichAnswer, Inquiry, Price
from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError
from engine.limits import Limits
from engine_enrichers.declared import batches, pending
from engine_enrichers.declared.answers import DAY, ended, read
from engine_enrichers.declared.client import Client
from engine_enrichers.declared.identity import contradiction
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_build import limits_of, price_of
from engine_enrichers.declared.questions import Question, ask_of, prepare
from engine_enrichers.declared.requests import build
from engine_enrichers.declared.tickets import submitted


class DeclaredProvider(Enricher):
    """Asks one HTTP provider as its file says. Thread-safe: one client, no state per call."""

    online = True
    sandbox_name = "providers"
    provider: Provider

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where the base URL is not allowed."""
        super().__init__(config, context)
        self.options = {name: config.get(name, schema.get("default")) for name, schema in self.provider.options.items()}
        self.client = Client(self.provider, config, self.options, context)

    def close(self) -> None:
        self.client.close()

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
        question = self.prepare(lead, wanted)
        if question is None:
            return None
        later = self.provider.later
        if later is not None and later.poll is None and not later.again and not question.values["callback_url"]:
            raise SpecError(
                f"{self.name} answers by posts alone, and this run takes none",
                fix="Give the enrichment `callbacks: {listen: …, url: …}`.",
            )
        settings: dict[str, Any] = dict(self.options)
        if self.client.base_url != self.provider.base_url:
            settings["base_url"] = self.client.base_url  # what a sandbox answered is not what the provider would
        return ask_of(self.provider, question, settings)

    def prepare(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Question | None:
        """The question with everything that fills the request; None if the lead has too little."""
        settings = {**self.options, "callback_url": self.context.inbox.address(self.name)}
        return prepare(self.provider, lead, wanted, settings, self.context.min_confidence)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Ask about one lead. Raises CredentialsError, VendorUnavailable (quota), RetryLater, NoAnswer."""
        question = self.prepare(lead, wanted)
        if question is None:
            return EnrichAnswer("skipped", detail="the lead has too little to ask with")
        taken = self.before(question)
        if isinstance(taken, EnrichAnswer):
            return taken
        with self.past_before():
            return self.answer(question, taken)

    @contextmanager
    def past_before(self) -> Iterator[None]:
        """The main call. What the calls before it cost is spent, also where it is not executed."""
        try:
            yield
        except NoAnswer:
            raise
        except RetryLater as error:
            if not any(each.cost for each in self.provider.before):
                raise
            raise NoAnswer(error.what, after=error.after, why="the calls before it were made") from error

    def before(self, question: Question) -> dict[str, Any] | EnrichAnswer:
        """Make the calls that come before: the placeholders that they give, or the answer that ends the question."""
        taken: dict[str, Any] = {}
        cost = 0.0
        for each in self.provider.before:
            call = build(each.request, {**question.values, **taken}, question.wanted)
            if call is None:
                return ended(self.provider, "miss", cost, "an earlier answer lacks what the next question needs")
            answered = self.client.ask(call, each.rules, private=question.sent.values())
            cost += each.cost
            if answered.outcome != "hit":
                return ended(self.provider, answered.outcome, cost, answered.detail)
            taken |= {name: query.of(answered.body) for name, query in each.take.items()}
            if any(taken[name] in (None, "", []) for name in each.take):
                return ended(self.provider, "miss", cost, "nobody is known by these inputs")
        return taken

    def answer(self, question: Question, taken: Mapping[str, Any], *, again: bool = False) -> EnrichAnswer:
        """Make the main call and read its answer. `again`: it was made before and the answer was not ready."""
        provider, later = self.provider, self.provider.later
        call = build(question.request, {**question.values, **taken}, question.wanted)
        if call is None:
            return ended(provider, "miss", sum(each.cost for each in provider.before), "an earlier answer is no id")
        rules = (*later.rules, *provider.rules) if later is not None and later.again else provider.rules
        answered = self.client.ask(call, rules, private=question.sent.values(), later=later is not None)
        if answered.outcome == "pending" and later is not None:
            return submitted(later, answered)
        result = later.result if again and later is not None and later.result is not None else provider.result
        return read(
            provider, question, answered.outcome, answered.body,
            result=result, reply=answered.reply, detail=answered.detail,
        )  # fmt: skip

    def enrich_batch(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Ask about several leads in as few calls as the file allows; single records may be answered apart."""
        return batches.ask(self, inquiries)

    def collect(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Look for posted answers, then ask by ticket; a ticket of a batch is asked for once."""
        return pending.collect(self, inquiries)

    def ticket_of(self, headers: Mapping[str, str], body: bytes) -> str:
        later = self.provider.later
        if later is None or later.callback is None:
            return super().ticket_of(headers, body)
        return pending.ticket_of(later.callback, self.client.secrets, headers, body)

    def contradiction(self, lead: Mapping[str, Any], answer: EnrichAnswer) -> str:
        return contradiction(self.provider, lead, answer.about)

    def examine(self) -> Sequence[Examined]:
        """Ask the account's free call whether the credentials work, and for the balance."""
        account = self.provider.account
        call = build(account.request, self.options) if account is not None else None
        if account is None or call is None:
            return ()
        try:
            answered = self.client.ask(call, account.rules, private=(), counted=False)
        except CredentialsError as error:
            return [Examined("credentials", ok=False, detail=error.what, fix=error.fix)]
        except RetryLater as error:
            return [Examined("credentials", ok=None, detail=error.what)]
        if answered.outcome != "hit":
            return [Examined("credentials", ok=None, detail=answered.detail)]
        balance = account.balance.of(answered.body) if account.balance is not None else None
        left = [] if balance is None else [Examined("credits", ok=True, detail=f"{balance} left")]
        return [Examined("credentials", ok=True), *left]
