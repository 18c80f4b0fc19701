# The service alone; MONGODB_URL sets its database. Built in one stage, and run in another one without root.
FROM python:3.11.14-slim-bookworm AS build
RUN python -m venv /srv/venv
COPY requirements.txt .
RUN /srv/venv/bin/pip install --no-cache-dir --disable-pip-version-check --requirement requirements.txt

FROM python:3.11.14-slim-bookworm
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/pos
COPY --from=build /srv/venv /srv/venv
COPY asgi.py ./
COPY app ./app
COPY endpoints ./endpoints
COPY repositories ./repositories
COPY schemas ./schemas
COPY services ./services
USER 10001:10001
EXPOSE 8000
# Checks the process and not its database, since a restart would not repair the database.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '8000') + '/livez', timeout=3)"]
STOPSIGNAL SIGTERM
# `exec` makes uvicorn receive the signals; the shell expands the two variables.
CMD ["sh", "-c", "exec uvicorn asgi:app --host 0.0.0.0 --port ${PORT:-8000} --http app.server.http_protocol:JsonHttpProtocol --workers ${WEB_CONCURRENCY:-1} --no-proxy-headers --ws app.server.websocket_protocol:SocketProtocol --ws-max-size 65536 --ws-ping-interval 20 --ws-ping-timeout 20 --ws-per-message-deflate false --timeout-graceful-shutdown 8 --timeout-keep-alive 95 --no-server-header --lifespan on --log-config app/observability/logging.json --no-access-log"]
