"""Plays cases of the suite, one connection each, and says which failed. Exit code 1 if any did."""

import collections
import json
import pathlib
import re
import sys
import time
import traceback

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet import reactor

folder, address, wanted = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
sys.path.insert(0, str(folder))
import cases  # noqa: E402

# The longest case may take 480 s.
PATIENCE_S = 520
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}


def name_of(case):
    return case.__name__.removeprefix("Case").replace("_", ".")


def chosen():
    patterns = [re.compile(pattern.replace(".", r"\.").replace("*", ".*")) for pattern in wanted]
    found = {name_of(case): case for case in cases.Cases}
    names = [name for name in found if any(pattern.fullmatch(name) for pattern in patterns)]
    return [(name, found[name]) for name in sorted(names, key=lambda name: [int(part) for part in name.split(".")])]


class Fuzzer(WebSocketClientProtocol):
    """What the suite's own client is to a case, without its reports."""

    def connectionMade(self):
        self.connectionWasOpen, self.createWirelog, self.broken = False, False, False
        self.rxFrameStats, self.txFrameStats = collections.Counter(), collections.Counter()
        self.case, self.began = self.factory.case(self), time.monotonic()
        super().connectionMade()

    def enableWirelog(self, _):
        pass

    def logRxOctets(self, _):
        pass

    def logTxOctets(self, *_):
        pass

    def logRxFrame(self, header, _):
        self.rxFrameStats[header.opcode] += 1

    def logTxFrame(self, header, *_):
        self.txFrameStats[header.opcode] += 1

    def later(self, delay, do):
        reactor.callLater(delay, lambda: do() if self.state != WebSocketProtocol.STATE_CLOSED else None)

    def continueLater(self, delay, do, _=None):
        self.later(delay, lambda: self.tried(do))

    def killAfter(self, delay):
        self.later(delay, lambda: self._fail_connection())

    def closeAfter(self, delay):
        self.later(delay, self.sendClose)

    def sendClose(self, code=None, reason=None):
        super().sendClose(code, reason.decode() if isinstance(reason, bytes) else reason)

    def tried(self, do):
        try:
            do()
        except Exception:
            traceback.print_exc()
            self.broken = True
            self.dropConnection(True)

    def onOpen(self):
        self.connectionWasOpen = True
        self.later(PATIENCE_S, lambda: self.dropConnection(True))
        self.tried(self.case.onOpen)

    def onPong(self, payload):
        self.tried(lambda: self.case.onPong(payload))

    def onMessage(self, payload, binary):
        self.tried(lambda: self.case.onMessage(payload, binary))

    def onClose(self, clean, code, reason):
        self.case.onClose(clean, code, reason)

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.case.onConnectionLost(self.failedByMe)
        if self.broken:
            # Whatever it makes of that: it has not looked at what it was to look at.
            self.case.behavior = "BROKEN CASE"
        self.factory.done(self.case, time.monotonic() - self.began)


class Run(WebSocketClientFactory):
    protocol = Fuzzer

    def __init__(self):
        super().__init__(address)
        self.logOctets, self.logFrames = True, True
        self.setProtocolOptions(failByDrop=False)
        self.waiting, self.results = chosen(), {}
        if not self.waiting:
            sys.exit(f"no case is called {wanted}")
        self.wanted = len(self.waiting)
        self.go_on()

    def go_on(self):
        if self.waiting:
            self.name, self.case = self.waiting.pop(0)
            return True
        return False

    def done(self, case, seconds):
        found = {"behavior": case.behavior, "close": case.behaviorClose, "seconds": round(seconds, 3)}
        if not {case.behavior, case.behaviorClose} <= FINE:
            found |= {"why": case.result, "why_close": case.resultClose}
        self.results[self.name] = found
        print(self.name, *found.values(), flush=True)

    def clientConnectionLost(self, connector, _):
        connector.connect() if self.go_on() else reactor.stop()

    def clientConnectionFailed(self, _, reason):
        print("cannot connect:", reason.getErrorMessage())
        reactor.stop()


run = Run()
connectWS(run)
reactor.run()
(folder / "results.json").write_text(json.dumps(run.results, indent=1))
failed = [name for name, found in run.results.items() if "why" in found]
print(f"{len(run.results)} of {run.wanted} cases played:", dict(collections.Counter(found["behavior"] for found in run.results.values())))
print(f"{len(failed)} failed", *failed)
sys.exit(bool(failed) or len(run.results) < run.wanted)
