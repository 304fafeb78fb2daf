"""A mail server in memory, on loopback: just what a client needs to hand in a mail."""

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class FakeSmtp:
    refuses: bool = False
    silent: bool = False
    """Takes the connection and says nothing."""
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "FakeSmtp":
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if self.silent:
                await reader.read()
                return
            writer.write(b"220 fake\r\n")
            while line := await reader.readline():
                for answer in await self._answer(line.decode().strip(), reader):
                    writer.write(f"{answer}\r\n".encode())
        finally:
            writer.close()

    async def _answer(self, line: str, reader: asyncio.StreamReader) -> list[str]:
        command, _, rest = line.partition(" ")
        match command.upper():
            case "EHLO":
                return ["250-fake", "250-SMTPUTF8", "250 AUTH PLAIN"]
            case "AUTH":
                self.logins.append(rest)
                return ["235 welcome"]
            case "MAIL":
                self.senders.append(rest)
                return ["250 ok"]
            case "RCPT":
                self.recipients.append(rest)
                return ["550 nobody of that name"] if self.refuses else ["250 ok"]
            case "DATA":
                return ["354 go on"]
            case "QUIT":
                return ["221 bye"]
            case "RSET":
                return ["250 ok"]
            case _:
                mail = line.encode() + b"\r\n" + await reader.readuntil(b"\r\n.\r\n")
                parsed = message_from_bytes(mail[:-3], policy=policy.SMTP)
                self.mails.append(parsed)
                return ["250 taken"]
