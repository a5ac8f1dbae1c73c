// SPDX-License-Identifier: Apache-2.0

// Package k8s finds no pods.
package k8s

import (
	"errors"
	"log"
)

type Provider struct{}

func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("this build asks no cluster")
}
func (*Provider) Help() string { return "" }
