"""For Docker Compose: everything on one machine, PostgreSQL included."""

import json

from forecourt.deploy.site import Site


def compose(site: Site) -> str:
    """The text of ./compose.yaml, for the image of the Dockerfile beside it."""
    worker = json.dumps(site.worker.split(" "))
    return f"""\
# docker compose up -d --build. The database's password stands in .env: POSTGRES_PASSWORD=...
# The pages need somebody who may sign in: docker compose run --rm web web user add NAME --role admin
name: {site.name}

x-forecourt: &forecourt
  image: {site.name}
  build: .
  init: true
  restart: unless-stopped
  environment: &environment
    FORECOURT_DATABASE_URL: postgresql://forecourt:${{POSTGRES_PASSWORD:?set it in .env}}@postgres:5432/forecourt
    FORECOURT_WEB_HOST: 0.0.0.0
  volumes:
    - files:/var/lib/forecourt
  depends_on:
    migrate:
      condition: service_completed_successfully

services:
  postgres:
    image: postgres:18
    restart: unless-stopped
    environment:
      POSTGRES_USER: forecourt
      POSTGRES_PASSWORD: ${{POSTGRES_PASSWORD:?set it in .env}}
      POSTGRES_DB: forecourt
    volumes:
      - database:/var/lib/postgresql
    healthcheck:
      test: ["CMD", "pg_isready", "--username", "forecourt"]
      interval: 5s
      retries: 12
    stop_grace_period: 1m

  migrate:
    <<: *forecourt
    command: ["db", "migrate"]
    restart: "no"
    depends_on:
      postgres:
        condition: service_healthy

  worker:
    <<: *forecourt
    command: {worker}
    # The longest job may take {site.ladder.job:.0f} s, the worker waits {site.ladder.shutdown:.0f} s for it: this must be longer.
    stop_grace_period: {site.ladder.stop:.0f}s

  clock:
    <<: *forecourt
    command: ["schedule", "work"]

  web:
    <<: *forecourt
    command: ["web"]
    ports:
      - "127.0.0.1:{site.web_port}:8000"
    environment:
      <<: *environment
      FORECOURT_WEB_PORT: "8000"

volumes:
  database:
  files:
"""
