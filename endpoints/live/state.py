"""The typed state of requests that follow the event log."""

from starlette.requests import Request
from starlette.websockets import WebSocket

from endpoints.live.connections import Connections
from endpoints.live.hub import Hub
from endpoints.live.origins import Origins
from endpoints.live.sessions import ClientSessions
from endpoints.transfer.state import TransferState


class LiveState(TransferState):
    hub: Hub
    client_sessions: ClientSessions
    connections: Connections
    origins: Origins


LiveRequest = Request[LiveState]
LiveSocket = WebSocket[LiveState]
