// SPDX-License-Identifier: Apache-2.0

// Package discover finds no other nodes: the test's Vault is one.
package discover

import (
	"errors"
	"log"
)

type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

type Discover struct{}
type Option func(*Discover) error

var Providers = map[string]Provider{}

func New(...Option) (*Discover, error)         { return &Discover{}, nil }
func WithProviders(map[string]Provider) Option { return func(*Discover) error { return nil } }
func (*Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("this build finds no other nodes")
}
