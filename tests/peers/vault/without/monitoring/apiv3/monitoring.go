// SPDX-License-Identifier: Apache-2.0

// Package monitoring sends no figures anywhere.
package monitoring

import (
	"context"
	"errors"

	"google.golang.org/api/option"
)

type MetricClient struct{}

func NewMetricClient(context.Context, ...option.ClientOption) (*MetricClient, error) {
	return nil, errors.New("this build sends no figures")
}
