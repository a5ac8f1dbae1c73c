// SPDX-License-Identifier: Apache-2.0

// Package stackdriver drops figures.
package stackdriver

import (
	monitoring "cloud.google.com/go/monitoring/apiv3"
	"github.com/armon/go-metrics"
)

type Config struct {
	LabelExtractor, Bucketer       interface{}
	ProjectID, Location, Namespace string
	DebugLogs                      bool
}

func NewSink(*monitoring.MetricClient, *Config) metrics.MetricSink { return &metrics.BlackholeSink{} }
