"""The route table: every address of the service.

They are looked through in this order, fixed names before the ids that they could be taken for.
"""

from typing import Final

from starlette.routing import BaseRoute, Route, WebSocketRoute

from endpoints import (
    accounts,
    audit,
    board,
    customers,
    documentation,
    estimates,
    events,
    links,
    messages,
    orders,
    paper,
    public,
    reports,
    service,
    settings,
    setup,
    sign_in,
    tickets,
    whatsapp_webhook,
)
from endpoints.assets import WithoutSlash
from endpoints.guard import guarded
from endpoints.live import ANYWHERE, LiveUpdates, no_such_socket

_TABLE: Final[list[BaseRoute]] = [
    Route("/api/orders/create-sale", orders.SaleCreation),
    Route("/api/estimates/create", estimates.EstimateCreation),
    Route("/api/estimates/{estimate_id}/convert-to-order", estimates.EstimateConversion),
    Route("/", service.Welcome),
    Route("/health", service.Health),
    Route("/livez", service.Liveness),
    Route("/readyz", service.Readiness),
    Route("/metrics", service.Metrics),
    Route("/api/", service.ApiRoot),
    Route("/api/health", service.Health),
    Route("/api/version", service.Version),
    Route("/api/setup", setup.Setup),
    Route("/api/websocket/status", service.WebSocketStatus),
    Route("/api/estimates/all", estimates.EstimateList),
    Route("/api/estimates/pending", estimates.PendingEstimates),
    Route("/api/estimates/converted", estimates.ConvertedEstimates),
    Route("/api/estimates/number/{estimate_number}", estimates.EstimateByNumber),
    Route("/api/estimates/{estimate_id}", estimates.Estimate),
    Route("/api/orders/all", orders.TransactionList),
    Route("/api/orders/separate", orders.SeparateLists),
    Route("/api/orders/orders-only", orders.OrderList),
    Route("/api/orders/number/{sale_number}", orders.OrderByNumber),
    Route("/api/orders/{order_id}", orders.Order),
    Route("/api/orders/{order_id}/status", orders.OrderStatus),
    Route("/api/reports/today", reports.Today),
    Route("/api/reports/date-range", reports.DateRange),
    Route("/api/reports/monthly/{year}/{month}", reports.Monthly),
    Route("/api/reports/staff-performance", reports.StaffPerformance),
    Route("/api/reports/estimates-only", reports.EstimatesOnly),
    Route("/api/reports/orders-only", reports.OrdersOnly),
    Route("/api/estimates/{estimate_id}/pdf", paper.EstimatePaper),
    Route("/api/estimates/{estimate_id}/link", links.EstimateLinks),
    Route("/api/orders/{order_id}/pdf", paper.OrderPaper),
    Route("/api/orders/{order_id}/link", links.OrderLinks),
    Route("/api/messages", messages.Messages),
    Route("/api/whatsapp/send", messages.TextMessage),
    Route("/api/whatsapp/sms/send", messages.TextMessage),
    Route("/api/whatsapp/send-estimate-pdf", messages.UploadedMessage),
    Route("/api/whatsapp/webhook", whatsapp_webhook.Webhook),
    Route("/api/estimates/{estimate_id}/send", messages.EstimateMessage),
    Route("/api/orders/{order_id}/send", messages.OrderMessage),
    Route("/api/links/{link_id}", links.Link),
    Route("/d/{token}.pdf", public.PublicPaper),
    Route("/d/{token}", public.PublicPage),
    Route("/static/estimates/{token}.pdf", public.PublicPaper),
    Route("/api/reports/stores", reports.StoreComparison),
    Route("/api/auth/login", sign_in.Login),
    Route("/api/auth/refresh", sign_in.Refresh),
    Route("/api/auth/pin", sign_in.PinLogin),
    Route("/api/auth/logout", sign_in.Logout),
    Route("/api/auth/profile", sign_in.Profile),
    Route("/api/auth/password", sign_in.Password),
    Route("/api/users", accounts.UserList),
    Route("/api/users/{user_id}", accounts.User),
    Route("/api/devices", accounts.DeviceList),
    Route("/api/devices/{device_id}", accounts.Device),
    Route("/board", board.Page),
    Route("/board/{file}", board.PageAsset),
    Route("/api/board", board.Figures),
    Route("/api/audit", audit.Audit),
    Route("/api/customers", customers.CustomerList),
    Route("/api/customers/create", customers.CustomerCreation),
    Route("/api/customers/{customer_id}", customers.Customer),
    Route("/api/settings", settings.Settings),
    Route("/api/events", events.Events),
    Route("/api/events/stream", events.EventStream),
    Route("/api/ws-ticket", tickets.Tickets),
    Route("/openapi.json", documentation.OpenApi),
    Route("/asyncapi.json", documentation.AsyncApi),
    Route("/docs", documentation.Docs),
    Route("/docs/{asset}", documentation.DocsAsset),
    WebSocketRoute("/ws", LiveUpdates),
    WebSocketRoute(ANYWHERE, no_such_socket),
]

#: As they are served: each behind its guard.
ROUTES: Final = guarded(_TABLE)

#: Pages, as some type their address. They lead to the page, whoever asks, and are no part of the API.
SLASHED: Final = [Route(f"{page}/", WithoutSlash) for page in ("/board", "/docs")]
