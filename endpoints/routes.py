"""The route table: every path of the service, and the roles that may use each method (HEAD as GET).

Routes are matched in this order: literal paths before those with parameters.
"""

from typing import Final

from starlette.routing import BaseRoute, Route, WebSocketRoute

from endpoints import auditing, customers, documentation, printing, shop, status
from endpoints.accounts import setup, sign_in, tickets, users
from endpoints.accounts.guard import route
from endpoints.accounts.permissions import ALL, ANYONE, DEVICES, OWNERS, OWNERS_IN_PERSON, PEOPLE, READERS, SELLERS
from endpoints.live import event_log
from endpoints.live.websocket import ANYWHERE, LiveUpdates, reject_unknown_path
from endpoints.messaging import messages, whatsapp_webhook
from endpoints.reporting import board, reports
from endpoints.sales import estimates, orders
from endpoints.sharing import links, public_documents
from endpoints.transfer.assets import WithoutSlash

ROUTES: Final[list[BaseRoute]] = [
    route("/api/orders/create-sale", orders.SaleCreation, POST=SELLERS),
    route("/api/estimates/create", estimates.EstimateCreation, POST=SELLERS),
    route("/api/estimates/{estimate_id}/convert-to-order", estimates.EstimateConversion, POST=SELLERS),
    route("/", status.Welcome, GET=ANYONE),
    route("/health", status.Health, GET=ANYONE),
    route("/livez", status.Liveness, GET=ANYONE),
    route("/readyz", status.Readiness, GET=ANYONE),
    route("/metrics", status.Metrics, GET=READERS),
    route("/api/", status.ApiRoot, GET=ANYONE),
    route("/api/health", status.Health, GET=ANYONE),
    route("/api/version", status.Version, GET=ANYONE),
    route("/api/setup", setup.Setup, GET=ANYONE, POST=ANYONE),
    route("/api/websocket/status", status.WebSocketStatus, GET=ALL),
    route("/api/estimates/all", estimates.EstimateList, GET=ALL),
    route("/api/estimates/pending", estimates.PendingEstimates, GET=ALL),
    route("/api/estimates/converted", estimates.ConvertedEstimates, GET=ALL),
    route("/api/estimates/number/{estimate_number}", estimates.EstimateByNumber, GET=ALL),
    route("/api/estimates/{estimate_id}", estimates.Estimate, GET=ALL, PUT=SELLERS, DELETE=OWNERS),
    route("/api/orders/all", orders.TransactionList, GET=ALL),
    route("/api/orders/separate", orders.SeparateLists, GET=ALL),
    route("/api/orders/orders-only", orders.OrderList, GET=ALL),
    route("/api/orders/number/{sale_number}", orders.OrderByNumber, GET=ALL),
    route("/api/orders/{order_id}", orders.Order, GET=ALL, DELETE=OWNERS),
    route("/api/orders/{order_id}/status", orders.OrderStatus, PUT=SELLERS),
    route("/api/reports/today", reports.Today, GET=ALL),
    route("/api/reports/date-range", reports.DateRange, GET=READERS),
    route("/api/reports/monthly/{year}/{month}", reports.Monthly, GET=READERS),
    route("/api/reports/staff-performance", reports.StaffPerformance, GET=READERS),
    route("/api/reports/estimates-only", reports.EstimatesOnly, GET=READERS),
    route("/api/reports/orders-only", reports.OrdersOnly, GET=READERS),
    route("/api/estimates/{estimate_id}/pdf", printing.DocumentPdf, GET=ALL),
    route("/api/estimates/{estimate_id}/link", links.DocumentLinks, GET=ALL, POST=SELLERS),
    route("/api/orders/{order_id}/pdf", printing.DocumentPdf, GET=ALL),
    route("/api/orders/{order_id}/link", links.DocumentLinks, GET=ALL, POST=SELLERS),
    route("/api/messages", messages.Messages, GET=READERS),
    route("/api/whatsapp/send", messages.TextMessage, POST=SELLERS),
    route("/api/whatsapp/sms/send", messages.TextMessage, POST=SELLERS),
    route("/api/whatsapp/send-estimate-pdf", messages.UploadedMessage, POST=SELLERS),
    route("/api/whatsapp/webhook", whatsapp_webhook.Webhook, GET=ANYONE, POST=ANYONE, takes_any_query=True),
    route("/api/estimates/{estimate_id}/send", messages.DocumentMessage, POST=SELLERS),
    route("/api/orders/{order_id}/send", messages.DocumentMessage, POST=SELLERS),
    route("/api/links/{link_id}", links.Link, DELETE=SELLERS),
    route("/d/{token}.pdf", public_documents.PublicPdf, GET=ANYONE),
    route("/d/{token}", public_documents.PublicPage, GET=ANYONE),
    route("/static/estimates/{token}.pdf", public_documents.PublicPdf, GET=ANYONE),
    route("/api/reports/stores", reports.StoreComparison, GET=OWNERS),
    route("/api/auth/login", sign_in.Login, POST=ANYONE),
    route("/api/auth/refresh", sign_in.Refresh, POST=ANYONE),
    route("/api/auth/pin", sign_in.PinLogin, POST=DEVICES),
    route("/api/auth/logout", sign_in.Logout, POST=PEOPLE),
    route("/api/auth/profile", sign_in.Profile, GET=ALL),
    route("/api/auth/password", sign_in.Password, POST=PEOPLE),
    route("/api/users", users.UserList, GET=OWNERS_IN_PERSON, POST=OWNERS_IN_PERSON),
    route("/api/users/{user_id}", users.User, GET=OWNERS_IN_PERSON, PUT=OWNERS_IN_PERSON, DELETE=OWNERS_IN_PERSON),
    route("/api/devices", users.DeviceList, GET=OWNERS_IN_PERSON, POST=OWNERS_IN_PERSON),
    route("/api/devices/{device_id}", users.Device, DELETE=OWNERS_IN_PERSON),
    route("/board", board.Page, GET=ANYONE),
    route("/board/{file}", board.PageAsset, GET=ANYONE),
    route("/api/board", board.Figures, GET=READERS),
    route("/api/audit", auditing.AuditLog, GET=OWNERS),
    route("/api/customers", customers.CustomerList, GET=ALL),
    route("/api/customers/create", customers.CustomerCreation, POST=SELLERS),
    route("/api/customers/{customer_id}", customers.Customer, PUT=SELLERS, DELETE=SELLERS),
    route("/api/settings", shop.Settings, GET=ALL, PUT=OWNERS),
    route("/api/events", event_log.Events, GET=ALL),
    route("/api/events/stream", event_log.EventStream, GET=ALL, takes_tickets=True),
    route("/api/ws-ticket", tickets.Tickets, POST=ALL),
    route("/openapi.json", documentation.OpenApi, GET=ANYONE),
    route("/asyncapi.json", documentation.AsyncApi, GET=ANYONE),
    route("/docs", documentation.Docs, GET=ANYONE),
    route("/docs/{asset}", documentation.DocsAsset, GET=ANYONE),
    WebSocketRoute("/ws", LiveUpdates),
    WebSocketRoute(ANYWHERE, reject_unknown_path),
]


#: Paths of pages with a trailing slash: redirected for every client, and no part of the API.
SLASHED: Final = [Route(f"{page}/", WithoutSlash) for page in ("/board", "/docs")]
