# SPDX-License-Identifier: MIT
"""What was ordered and what was acknowledged, written down outside the guest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Self

from vmtest.scenarios.oracle.orders import PROMISES, Order, Verb


class Journal:
    """The orders in the order they were given, and which of them were acknowledged.

    With a path, each is a line of JSON in that file before the order is given, or as soon as the
    acknowledgement has come.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.orders: list[Order] = []
        self.done: set[int] = set()
        self._file: IO[str] | None = path.open("w", buffering=1) if path is not None else None

    @classmethod
    def load(cls, path: Path) -> Self:
        """What another journal has written."""
        journal = cls()
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if "done" in record:
                journal.acknowledge(record["done"])
            else:
                journal.intend([Order(**{**record, "verb": Verb(record["verb"])})])
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def promises(self) -> int:
        """How many acknowledgements were promises."""
        return sum(order.verb in PROMISES and order.number in self.done for order in self.orders)

    def intend(self, orders: Iterable[Order]) -> None:
        """These are about to be given."""
        for order in orders:
            self._write(asdict(order))
            self.orders.append(order)

    def acknowledge(self, number: int) -> None:
        """The guest says that it has carried out an order."""
        self._write({"done": number})
        self.done.add(number)

    def _write(self, record: dict[str, object]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(record) + "\n")
