// SPDX-License-Identifier: Apache-2.0

// Package kms is the key service that refuses.
package kms

import (
	"context"
	"errors"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

var errNone = errors.New("this build has no key services of clouds")

type None struct{}

func (*None) Type(context.Context) (wrapping.WrapperType, error) { return "", errNone }
func (*None) KeyId(context.Context) (string, error)              { return "", errNone }
func (*None) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errNone
}
func (*None) Encrypt(context.Context, []byte, ...wrapping.Option) (*wrapping.BlobInfo, error) {
	return nil, errNone
}
func (*None) Decrypt(context.Context, *wrapping.BlobInfo, ...wrapping.Option) ([]byte, error) {
	return nil, errNone
}
