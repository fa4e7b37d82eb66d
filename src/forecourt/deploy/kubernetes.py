"""For Kubernetes: plain manifests, for `kubectl apply -f` or as the base of a kustomization."""

import json

from forecourt.deploy.site import Site

WEB = """\
          ports:
            - name: http
              containerPort: 8000
          startupProbe:
            httpGet: {path: /livez, port: http}
            failureThreshold: 30
            periodSeconds: 2
          livenessProbe:
            httpGet: {path: /livez, port: http}
          readinessProbe:
            httpGet: {path: /readyz, port: http}
"""


def kubernetes(site: Site) -> str:
    """A ConfigMap, three Deployments, and a Service for the pages. Secrets are not made here."""
    given = {
        name: value
        for name, value in site.settings.items()
        if name not in ("FORECOURT_VAR", "FORECOURT_HOST", "FORECOURT_WEB_PORT")
    } | {"FORECOURT_WEB_HOST": "0.0.0.0", "FORECOURT_WEB_PORT": "8000"}  # noqa: S104 - a pod's own address
    settings = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in sorted(given.items()))
    return f"""\
# kubectl create secret generic {site.name}-secrets --from-literal=FORECOURT_DATABASE_URL=postgresql://...
# kubectl apply -f this file. Then somebody who may see the pages:
# kubectl exec -it deploy/{site.name}-web -- forecourt web user add NAME --role admin
apiVersion: v1
kind: ConfigMap
metadata:
  name: {site.name}-settings
data:
{settings}\
---
# The longest job may take {site.ladder.job:.0f} s, a worker waits {site.ladder.shutdown:.0f} s for it, and Kubernetes longer.
{_deployment(site, "worker", site.worker.split(" "), replicas=2, stop=site.ladder.stop)}\
---
# Two clocks share the work: each due time is claimed once, whoever is first.
{_deployment(site, "clock", ["schedule", "work"], replicas=2, stop=30)}\
---
{_deployment(site, "web", ["web"], replicas=1, stop=30, more=WEB)}\
---
apiVersion: v1
kind: Service
metadata:
  name: {site.name}-web
spec:
  selector: {{app: {site.name}, role: web}}
  ports:
    - name: http
      port: 80
      targetPort: http
"""


def _deployment(site: Site, role: str, arguments: list[str], *, replicas: int, stop: float, more: str = "") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {site.name}-{role}
  labels: {{app: {site.name}, role: {role}}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {site.name}, role: {role}}}
  template:
    metadata:
      labels: {{app: {site.name}, role: {role}}}
    spec:
      terminationGracePeriodSeconds: {stop:.0f}
      # Else a Service by the name of forecourt-web would set FORECOURT_WEB_PORT.
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        fsGroup: 10001
      initContainers:
        # Safe in every pod at once: the first migrates, the others wait and find it done.
        - name: migrate
          image: {site.name}:latest
          args: ["db", "migrate"]
          envFrom: &settings
            - configMapRef: {{name: {site.name}-settings}}
            - secretRef: {{name: {site.name}-secrets}}
          volumeMounts: &files
            - {{name: files, mountPath: /var/lib/forecourt}}
      containers:
        - name: {role}
          image: {site.name}:latest
          args: {json.dumps(arguments)}
          envFrom: *settings
          volumeMounts: *files
          resources:
            requests: {{cpu: 250m, memory: 256Mi}}
{more}\
      volumes:
        # Photos, uploads and archives lie here: pods that must see each other's need a claim that many can mount.
        - name: files
          emptyDir: {{}}
"""
