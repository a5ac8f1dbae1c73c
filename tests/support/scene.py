# SPDX-License-Identifier: Apache-2.0
"""A small company for tests and pictures of the web console: four flows over three connections. The ERP fails now and then,
the CRM lets nobody in, the warehouse is down, and the returns are paused."""
import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

from support.program import Project, free_port

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples/quickstart"

CONFIG = """\
version: 1
server: {{ listen: 127.0.0.1:{port} }}
admin: {{ listen: 127.0.0.1:{admin}, tokens: [ {{ name: board, role: viewer, secret: "${{env:VIEWER_TOKEN}}" }} ] }}
store: {{ path: ./data, reserve: 100MB }}
egress: {{ allow_private: true }}
connections:
  erp: {{ type: http, url: "http://127.0.0.1:{erp}", timeout: 5s, limits: {{ concurrency: 8, rate: 40/s }} }}
  crm: {{ type: http, url: "http://127.0.0.1:{crm}", timeout: 2s, limits: {{ concurrency: 4, rate: 20/s }} }}
  warehouse: {{ type: http, url: "http://127.0.0.1:{warehouse}", timeout: 2s, limits: {{ concurrency: 4 }} }}
mappings:
  shop-order-to-erp-order: {{ jsonata: mappings/order.jsonata }}
flows:
  orders-to-erp:
    from: {{ webhook: {{ path: /hooks/shop, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    order_by: body.customer.id
    steps: [ {{ map: shop-order-to-erp-order }} ]
    to: {{ connection: erp, post: /orders, idempotency_header: Idempotency-Key }}
    retry: {{ attempts: 4, backoff: 200ms..5s, jitter: full }}
    sla: {{ owner: erp-team, success: 97%, delay_p95: 1m }}
  customers-to-crm:
    from: {{ webhook: {{ path: /hooks/customers, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    order_by: body.customer.id
    to: {{ connection: crm, post: /customers, idempotency_header: Idempotency-Key }}
    sla: {{ owner: sales-ops, success: 99%, delay_p95: 5m }}
  stock-to-warehouse:
    from: {{ webhook: {{ path: /hooks/stock, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    to: {{ connection: warehouse, post: /stock }}
  returns-to-erp:
    from: {{ webhook: {{ path: /hooks/returns, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    to: {{ connection: erp, post: /returns }}
"""
# One flow with personal data in it: a directory is asked about each customer, the CRM keeps the orders under ids of its own.
DESK = """\
version: 1
server: {{ listen: 127.0.0.1:{port} }}
admin: {{ listen: 127.0.0.1:{admin}, tokens: [ {{ name: board, role: viewer, secret: "${{env:VIEWER_TOKEN}}" }} ] }}
store: {{ path: ./data, reserve: 100MB }}
egress: {{ allow_private: true }}
connections:
  crm: {{ type: http, url: "http://127.0.0.1:{crm}", timeout: 2s, limits: {{ concurrency: 4 }} }}
  directory: {{ type: http, url: "http://127.0.0.1:{warehouse}", timeout: 2s }}
models: {{ crm-order: crm-order.schema.json }}
mappings:
  shop-order-to-crm-order: {{ to: crm-order, jsonata: mappings/order.jsonata }}
flows:
  orders-to-crm:
    from: {{ webhook: {{ path: /hooks/shop, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}
    order_by: body.customer.id
    steps:
      - lookup: {{ connection: directory, get: "/people/{{body.customer.id}}", as: person, cache: 10m }}
    to:
      connection: crm
      post: /orders
      map: shop-order-to-crm-order
      xref: {{ model: order, from: shop, id: body.name }}
    retry: {{ attempts: 4, backoff: 200ms..5s, jitter: full }}
    on_dead: {{ key: skip }}
"""
DESK_MODEL = {"type": "object", "properties": {
    "customerName": {"type": "string", "pii": True}, "email": {"type": "string", "pii": True},
    "shipTo": {"type": "object", "properties": {"name": {"type": "string", "pii": True}, "street": {"type": "string", "pii": True}}}}}
# A night on which all goes wrong: a flow or connection for each reason why something waits, or does not.
TROUBLE = """\
version: 1
server: {{ listen: 127.0.0.1:{port} }}
admin: {{ listen: 127.0.0.1:{admin}, tokens: [ {{ name: board, role: viewer, secret: "${{env:VIEWER_TOKEN}}" }} ] }}
store: {{ path: ./data, reserve: 100MB }}
egress: {{ allow_private: true }}
connections:
  erp: {{ type: http, url: "http://127.0.0.1:{erp}", timeout: 5s, limits: {{ concurrency: 4 }} }}
  crm: {{ type: http, url: "http://127.0.0.1:{crm}", timeout: 2s }}
  warehouse: {{ type: http, url: "http://127.0.0.1:{warehouse}", timeout: 2s, limits: {{ concurrency: 4 }} }}
  courier: {{ type: http, url: "http://127.0.0.1:{erp}", timeout: 2s, limits: {{ quotas: [ {{ name: parcels, amount: 5, per: 24h }} ] }} }}
  books: {{ type: http, url: "http://127.0.0.1:{erp}", timeout: 2s }}
  books-2: {{ type: http, url: "http://localhost:{erp}", timeout: 2s }}
flows:
  orders-to-erp:
    from: {hook}
    order_by: body.customer.id
    to: {{ connection: erp, post: /orders, idempotency_header: Idempotency-Key }}
    retry: {{ attempts: 4, backoff: 200ms..5s, jitter: full }}
    on_dead: {{ key: block }}
    sla: {{ owner: erp-team, success: 97%, delay_p95: 1m }}
  customers-to-crm: {{ from: {hook}, order_by: body.customer.id, to: {{ connection: crm, post: /customers }} }}
  stock-to-warehouse: {{ from: {hook}, to: {{ connection: warehouse, post: /stock }} }}
  parcels-to-courier: {{ from: {hook}, to: {{ connection: courier, post: /parcels }} }}
  returns-to-erp: {{ from: {hook}, to: {{ connection: erp, post: /returns }} }}
  invoices-to-erp:
    from: {hook}
    steps: [ {{ map: {{ jsonata: "$error('the invoice has no tax code: ' & $string(id))" }} }} ]
    to: {{ connection: erp, post: /invoices }}
    on_dead: {{ trip_in_a_row: 3 }}
  bookings-to-books: {{ from: {hook}, to: {{ connection: books, post: /bookings }} }}
  offers-to-books: {{ from: {hook}, to: {{ connection: books, post: /offers }} }}
  letters-to-books: {{ from: {hook}, to: {{ connection: books, post: /letters }} }}
"""
VIEWER = "a-viewer-of-the-tests-000000000000"


class Scene(Project):
    def __init__(self, folder, config=CONFIG):
        super().__init__(folder, config=None)
        self.admin_port, self.crm_port, self.warehouse_port = free_port(), free_port(), free_port()
        self.env["VIEWER_TOKEN"] = VIEWER
        shutil.copytree(QUICKSTART / "mappings", self.folder / "mappings")
        self.write("tieline.yaml", config.format(port=self.port, admin=self.admin_port, erp=self.erp_port, crm=self.crm_port,
                                                 warehouse=self.warehouse_port))

    @classmethod
    def desk(cls, folder, orders=60):
        scene = cls(folder, DESK)
        scene.write("crm-order.schema.json", json.dumps(DESK_MODEL))
        scene.begin(crm=("--fail", "10", "--status", "422"), warehouse=("--items", "1"))
        scene.send("orders-to-crm", orders)
        scene.wait(lambda: scene.counts()["dead"] > 0 and sum(scene.counts()[s] for s in ("queued", "retrying", "running")) == 0)
        return scene

    @classmethod
    def trouble(cls, folder):
        hook = iter('{{ webhook: {{ path: /hooks/%d, verify: {{ shopify: {{ secret: "${{env:SHOP_SECRET}}" }} }} }} }}' % n for n in range(20))
        scene = cls(folder, re.sub(r"\{hook\}", lambda _: next(hook), TROUBLE))
        scene.begin(erp=("--fail", "12", "--status", "422"))
        held = {"returns-to-erp": "flows", "books": "connections"}
        for name, kind in held.items():
            scene.post(f"/v1/{kind}/{name}/pause", {"reason": "stock-taking until Monday"})
        for flow, n in (("orders-to-erp", 80), ("customers-to-crm", 30), ("stock-to-warehouse", 30), ("parcels-to-courier", 9), ("returns-to-erp", 8),
                        ("invoices-to-erp", 12), ("bookings-to-books", 4), ("offers-to-books", 3), ("letters-to-books", 2)):
            scene.send(flow, n)
        one = {"ids": [scene.get("/v1/events?flow=returns-to-erp&limit=1")["events"][0]["id"]]}
        scene.post("/v1/jobs", {"action": "hold", "filter": one, "last": scene.post("/v1/plan", {"action": "hold", "filter": one})["last"],
                                "reason": "the customer wants another address"})
        scene.wait(lambda: scene.held() >= {"flow_tripped", "quota", "breaker", "connection_auth"})
        config = scene.folder / "tieline.yaml"
        text = config.read_text().replace(f'books: {{ type: http, url: "http://127.0.0.1:{scene.erp_port}"', f'books: {{ type: http, url: "http://localhost:{scene.erp_port}"')
        text = text.replace("{ connection: books, post: /offers }", "{ connection: books-2, post: /offers }")
        config.write_text("\n".join(line for line in text.splitlines() if "letters-to-books" not in line) + "\n")
        scene.post("/v1/reload", {"reason": "the books have moved"})
        scene.post("/v1/connections/books/resume", {"reason": "the move is done"})
        scene.wait(lambda: scene.held() >= {"flow_tripped", "quota", "breaker", "connection_auth", "identity_changed", "target_changed", "flow_removed"})
        return scene

    def held(self):
        s = self.status()
        return {x["held"] for x in s["flows"] + s["connections"]}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.admin_port}/"

    @property
    def token(self):
        return (self.folder / "data/admin.token").read_text().strip()

    def begin(self, erp=("--fail", "10"), crm=("--status", "401"), warehouse=("--status", "503")):
        for name, port, how in (("crm", self.crm_port, crm), ("warehouse", self.warehouse_port, warehouse)):
            self.start(name, "sim", "http", "--port", port, "--quiet", *how)
        self.serve("--delay", "5", "--jitter", "10", *erp)
        return self

    def control(self, port, **options):
        """Change how a simulator behaves."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}/__control", data=json.dumps(options).encode(),
                                         headers={"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).read()

    def orders(self, n):
        return subprocess.run([QUICKSTART / "orders", str(n)], check=True, capture_output=True).stdout

    def send(self, flow, n, **options):
        """The first n orders of the shop to a flow's webhook."""
        path = self.folder / f"{flow}.ndjson"
        path.write_bytes(self.orders(n))
        more = [w for name, value in options.items() for w in (f"--{name}", value)]
        return self.ok("send", "--config", "tieline.yaml", "--flow", flow, "--lines", "--file", path, "--json", *more).json

    def busy(self):
        """Something of everything: delivered, retrying, dead, held and paused."""
        self.send("orders-to-erp", 400, duplicate=5, malformed=3)
        for flow in ("customers-to-crm", "stock-to-warehouse", "returns-to-erp"):
            if flow == "returns-to-erp":
                self.post("/v1/flows/returns-to-erp/pause", {"why": "stock-taking until Monday", "reason": "stock-taking until Monday"})
            self.send(flow, 60)

    def post(self, path, body):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        c.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        answer = c.getresponse()
        text = answer.read()
        assert answer.status in (200, 201, 202), text
        return json.loads(text)


def modules():
    """playwright-core and axe-core in build/peers/console, by npm with our lockfile."""
    here, there = ROOT / "tests/peers/console", ROOT / "build/peers/console"
    there.mkdir(parents=True, exist_ok=True)
    lock = (here / "package-lock.json").read_bytes()
    mark = there / "installed-lock.json"
    if not mark.exists() or mark.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(here / name, there / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=there, check=True, capture_output=True)
        mark.write_bytes(lock)
    return there / "node_modules"


def browse(script, scene, *args, timeout=120, **env):
    """Run a script of tests/peers/console against the scene's console; what it printed."""
    done = subprocess.run(["node", str(ROOT / "tests/peers/console" / script), *args], capture_output=True, timeout=timeout, text=True,
                          env={**os.environ, "CONSOLE_URL": scene.url, "CONSOLE_TOKEN": scene.token, "VIEWER_TOKEN": VIEWER,
                               "CHROMIUM": shutil.which("chromium") or "", "CONSOLE_MODULES": str(modules()),
                               "ERP": f"http://127.0.0.1:{scene.erp_port}", "CRM": f"http://127.0.0.1:{scene.crm_port}",
                               "WAREHOUSE": f"http://127.0.0.1:{scene.warehouse_port}", **env})
    assert done.returncode == 0, f"{script} {args}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    return done.stdout
