"""For nginx: the pages behind it."""

from urllib.parse import urlsplit

from forecourt.deploy.site import Site
from forecourt.settings import settings


def nginx(site: Site) -> str:
    """The text of /etc/nginx/sites-available/NAME."""
    name = urlsplit(settings().base_url).hostname or "localhost"
    return f"""\
# nginx: save as /etc/nginx/sites-available/{site.name}. Its server_name must be the host of FORECOURT_BASE_URL.
server {{
    listen 80;
    server_name {name};

    location / {{
        proxy_pass http://127.0.0.1:{site.web_port};
        # The pages refuse other names than their own, and actions from other origins.
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_read_timeout 75s;
    }}
}}
"""
