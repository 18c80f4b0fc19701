"""The access log: one line for each request."""

from app.middleware.observation import RequestRecord
from app.observability.line_writer import LineWriter
from endpoints.http.request_id import request_id


class AccessLog(LineWriter):
    """Observe requests, and write the method, route, status, milliseconds and request id of each."""

    def __call__(self, record: RequestRecord) -> None:
        event, fields = "request", {"method": record.method, "route": record.route, "status": record.status}
        if not self.is_json:
            event, fields = f"{record.method} {record.route} {record.status}", {}
        timing = {"ms": round(record.ended * 1000, 2), "request_id": request_id.get()}
        self.write(event, {**fields, **timing}, "error" if record.is_fault else "info")
