// SPDX-License-Identifier: Apache-2.0

// Package azurekeyvault stands where a cloud's key service would be: the test's Vault has no automatic unsealing.
package azurekeyvault

import "tieline.dev/tests/peers/vault/without/kms"

func NewWrapper() *kms.None { return &kms.None{} }
