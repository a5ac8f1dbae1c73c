// SPDX-License-Identifier: Apache-2.0

// Package option is what remains of a client that is not there.
package option

type ClientOption interface{}

func WithUserAgent(string) ClientOption { return nil }
