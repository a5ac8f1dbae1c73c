// SPDX-License-Identifier: Apache-2.0

// Package cloudsqlconn has no cloud to connect to: the test's database is local.
package cloudsqlconn

type Option struct{}

func WithIAMAuthN() Option                { return Option{} }
func WithCredentialsJSON(b []byte) Option { return Option{} }
