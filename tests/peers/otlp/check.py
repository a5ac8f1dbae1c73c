# SPDX-License-Identifier: Apache-2.0
"""Reads {"traces": [...], "metrics": [...]}, the bodies that a collector got, with OpenTelemetry's own messages, which refuse a
field that they do not know; prints what they found."""
import base64
import json
import sys

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def with_bytes(body):
    """OTLP's JSON has ids in hex, protobuf's own mapping has base64."""
    for r in body["resourceSpans"]:
        for c in r["scopeSpans"]:
            for s in c["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in s:
                        s[name] = base64.b64encode(bytes.fromhex(s[name])).decode()
    return body


got = json.load(sys.stdin)
spans, metrics = [], {}
for body in got["traces"]:
    for r in ParseDict(with_bytes(body), ExportTraceServiceRequest()).resource_spans:
        spans += [s for c in r.scope_spans for s in c.spans]
for body in got["metrics"]:
    for r in ParseDict(body, ExportMetricsServiceRequest()).resource_metrics:
        metrics.update({m.name: m for c in r.scope_metrics for m in c.metrics})
json.dump({"spans": [{"name": s.name, "trace": len(s.trace_id), "id": len(s.span_id), "error": s.status.code,
                      "ns": s.end_time_unix_nano - s.start_time_unix_nano} for s in spans],
           "metrics": {name: m.WhichOneof("data") for name, m in metrics.items()},
           "calls": sum(p.count for p in metrics["tieline_call_duration_seconds"].histogram.data_points)}, sys.stdout)
