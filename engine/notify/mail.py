"""Messages as email, over SMTP with TLS."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from engine.errors import RetryLater
from engine.notify.message import Message
from engine.redaction import redact

#: Seconds for each step of the conversation with the mail server.
TIMEOUT = 10.0
PORTS = {"starttls": 587, "tls": 465, "none": 25}


def send(message: Message, config: Mapping[str, Any]) -> list[str]:
    """Send a message to everybody in `config["to"]`; returns those whom the server refused, where it took others.

    Raises RetryLater where it was not taken for anybody.
    """
    mail = _mail(message, config)
    security = config.get("security", "starttls")
    host, port = str(config["host"]), int(config.get("port", PORTS[security]))
    try:
        with _connected(host, port, security) as server:
            if config.get("username"):
                server.login(str(config["username"]), str(config.get("password", "")))
            return sorted(server.send_message(mail))
    except (OSError, smtplib.SMTPException, ValueError) as error:  # also a host or an address that none can be
        raise RetryLater(f"the mail server {host}:{port} did not take it: {_reason(error)}") from error


def _connected(host: str, port: int, security: str) -> smtplib.SMTP:
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    if security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
    return server


def _mail(message: Message, config: Mapping[str, Any]) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(message.subject.split())  # a line break would end the header
    mail["From"] = str(config["from"])
    mail["To"] = ", ".join(config["to"])
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.data["at"], UTC))
    # The same for a message that is sent again because it was not known to have arrived: mail programs show it once.
    domain = str(config["from"]).rpartition("@")[2].strip("> ")
    mail["Message-ID"] = f"<{sha256(message.key.encode()).hexdigest()[:32]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + "\n")
    return mail


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "every recipient was refused"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return redact(f"{error.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}")
    return redact(str(error)) or type(error).__name__
