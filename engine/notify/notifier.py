"""Tells people by the rules of an integration, and remembers what they were told.

What could not be told stays new: the next run, or `engine notify`, tells it. So nothing is lost, and a message whose
arrival is not known may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from engine.codes import Code, code
from engine.errors import EngineError
from engine.notify import mail, webhook
from engine.notify.message import Message, compose, trial
from engine.notify.news import News, gather
from engine.notify_rules import SECRETS, NotifyRule, is_secret_header
from engine.settings import resolve
from engine.specs import Integration
from engine.state import Store

#: Seconds for which failures are gathered while a run goes on, so that many make one message.
GATHERED = 60.0


@dataclass
class Notifier:
    """The rules of an integration at work. `note` takes what people who watch the run should know.

    codes: the failure codes that are known. now: Unix time.
    """

    integration: Integration
    store: Store
    codes: Mapping[str, Code]
    now: Callable[[], float]
    note: Callable[[str], None] = lambda text: None
    _new_since: dict[str, float] = field(default_factory=dict)
    _sending: dict[str, Future[Any]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    # While a run goes on ----------------------------------------------------------------------------------------

    def lead_failed(self, code_name: str) -> None:
        """A lead has failed: it is told with others after a while, by the rules that tell at once."""
        for rule in self.integration.notify:
            if rule.send == "at_once" and rule.concerns(code(code_name, self.codes)):
                self._new_since.setdefault(rule.name, self.now())

    def tick(self) -> None:
        """Send, beside the run, what has been gathered for long enough."""
        if not self._new_since:
            return
        for rule in self.integration.notify:
            since = self._new_since.get(rule.name)
            busy = rule.name in self._sending and not self._sending[rule.name].done()
            if since is None or busy or self.now() - since < GATHERED:
                continue
            del self._new_since[rule.name]
            self._pool = self._pool or ThreadPoolExecutor(max_workers=1, thread_name_prefix="notify")
            self._sending[rule.name] = self._pool.submit(self._tell, rule)

    def run_finished(self) -> None:
        """Send what is due at the end of a run."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            for sent in self._sending.values():
                sent.result()
        self.tell()

    # Telling ----------------------------------------------------------------------------------------------------

    def tell(self, rules: tuple[NotifyRule, ...] | None = None, *, early: bool = False) -> list[str]:
        """Send what is due by the rules; returns the names of those that told something. `early`: due or not."""
        return [rule.name for rule in (self.integration.notify if rules is None else rules)
                if self._tell(rule, early=early)]  # fmt: skip

    def due(self, rule: NotifyRule, *, early: bool = False) -> Message | None:
        """The message that would be sent now; None where nothing is due or new."""
        news = self._news(rule, early=early)
        return compose(news) if news else None

    def _tell(self, rule: NotifyRule, *, early: bool = False) -> bool:
        news = self._news(rule, early=early)
        if news is None:
            self._forget_stop(rule)
            return False
        try:
            refused = _send(self.integration, rule, compose(news))
        except EngineError as error:
            self.note(f"notify {rule.name}: {error.what}; it is told with the next run, or by `engine notify`")
            return False
        self.store.notified.record(self.integration.name, rule.name, news.told)
        if refused:
            self.note(f"notify {rule.name}: the mail server refused {', '.join(refused)}")
        return True

    def _news(self, rule: NotifyRule, *, early: bool) -> News | None:
        """What is to be told by a rule now, where there is anything new and its time has come."""
        news = gather(self.store, self.integration.name, rule, self.codes, self.now())
        return news if news.worth_telling and (early or rule.due(news.since, news.at)) else None

    def _forget_stop(self, rule: NotifyRule) -> None:
        """Where runs get through again, the same stop will be news."""
        told = self.store.notified.last(self.integration.name, rule.name)
        last = self.store.runs.last(self.integration.name)
        if told.stop and last is not None and last.status == "done":
            self.store.notified.record(self.integration.name, rule.name, replace(told, stop=""))


def try_out(integration: Integration, rule: NotifyRule, now: float) -> list[str]:
    """Send a message that only shows that a rule reaches people; returns who was refused. Raises EngineError."""
    return _send(integration, rule, trial(integration.name, rule, now))


def _send(integration: Integration, rule: NotifyRule, message: Message) -> list[str]:
    """Send a message by the rule's channel; returns whom the mail server refused, where it took others."""
    at = f"notify.{integration.notify.index(rule)}.{rule.channel}"

    def resolved(config: Mapping[str, Any], secrets: Sequence[str], where: str) -> dict[str, Any]:
        return resolve(config, secrets, integration.folder, where=where, place=integration.place)

    config = resolved(rule.config, SECRETS[rule.channel], at)
    if rule.channel == "email":
        return mail.send(message, config)
    secret = [name for name in rule.headers if is_secret_header(name)]
    webhook.post(message, config, resolved(rule.headers, secret, f"{at}.headers"))
    return []
