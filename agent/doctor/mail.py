"""The mail server: it greets us, speaks the TLS that is set, and takes our login."""

import smtplib
import ssl

from agent.conversation.config import SmtpConfig

from .finding import Finding, error, ok

_SECONDS = 3.0


def tried(mail: SmtpConfig) -> Finding:
    """No e-mail is sent."""
    place = f"the mail server {mail.host}:{mail.port}"
    try:
        with _connected(mail) as server:
            server.ehlo()
            if mail.security == "starttls":
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if mail.username:
                server.login(mail.username, mail.password)
    except smtplib.SMTPAuthenticationError as failure:
        return error(
            f"{place} refuses our login: {failure.smtp_code}",
            "OFFHOOK_SMTP_KEY",
            "Write the password, or the key, that this server gave out.",
        )
    except smtplib.SMTPNotSupportedError:
        return error(
            f"{place} knows no STARTTLS, or no login",
            "OFFHOOK_SMTP_SECURITY",
            "Write OFFHOOK_SMTP_SECURITY=none for a server on this machine, or tls.",
        )
    except ssl.SSLCertVerificationError as failure:
        return error(
            f"the certificate of {place}: {failure.verify_message}",
            "OFFHOOK_SMTP_HOST",
            "Name the host as its certificate does.",
        )
    except ssl.SSLError:
        return error(
            f"{place} does not begin with TLS",
            "OFFHOOK_SMTP_SECURITY",
            "Write OFFHOOK_SMTP_SECURITY=starttls, as a rule with port 587.",
        )
    except (TimeoutError, smtplib.SMTPServerDisconnected):
        return error(
            f"{place} does not answer, or waits for TLS from the first byte",
            "OFFHOOK_SMTP_SECURITY",
            "Write OFFHOOK_SMTP_SECURITY=tls, as a rule with port 465.",
        )
    except (OSError, smtplib.SMTPException) as failure:
        return error(
            f"{place} does not answer: {failure}",
            "OFFHOOK_SMTP_HOST",
            "Start it, or correct its address.",
        )
    return ok(f"{place} takes us")


def _connected(mail: SmtpConfig) -> smtplib.SMTP:
    if mail.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=_SECONDS, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=_SECONDS)
