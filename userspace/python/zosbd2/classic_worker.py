# SPDX-License-Identifier: LGPL-2.1-or-later
"""One thread's share of serving in the classic protocol: a request a call."""

from __future__ import annotations

import errno

from .abi import Operation
from .endpoint import Endpoint
from .exchange import Exchange
from .handler import carry_out
from .messages import Answer, Gone, Request
from .worker import Ending, Service

_NOTHING = Answer(Operation.NO_RESPONSE)


class ClassicWorker:
    """Serves through a block device or a session, which all threads of a server share."""

    def __init__(self, endpoint: Endpoint, handle: int) -> None:
        self._endpoint = endpoint
        self._exchange = Exchange(endpoint, handle)

    def serve(self, service: Service) -> Ending:
        """As Worker.serve()."""
        try:
            return self._serve(service)
        except FileNotFoundError:
            return self._gone()  # this thread came too late for its message

    def close(self) -> None:
        """There is nothing: the endpoint is the server's."""

    def _serve(self, service: Service) -> Ending:
        exchange = self._exchange
        answer = _NOTHING
        while not (answer is _NOTHING and service.is_stopping()):
            exchange.put(answer)
            try:
                exchange.transact()
            except InterruptedError:
                if exchange.interruption().answer_taken:
                    answer = _NOTHING
                continue
            match exchange.take():
                case Request() as request:
                    answer = request.answer_in_place(_run(service, request, exchange.data))
                case Gone():
                    return self._gone()
                case _:
                    # Also when somebody begins to take over: the next call waits for what
                    # becomes of that.
                    answer = _NOTHING
        return "stopped"

    def _gone(self) -> Ending:
        """The device is gone for this server: destroyed, or another's."""
        try:
            self._endpoint.ping()
        except OSError:
            return "destroyed"
        return "taken over"


def _run(service: Service, request: Request, data: memoryview) -> int:
    """Have the handler do it.  Returns 0 or a negative errno."""
    try:
        carry_out(service.calls, request, data)
    except OSError as error:
        return -(error.errno or errno.EIO)
    except Exception as failure:
        service.note_failure(failure)
        return -errno.EIO
    return 0
