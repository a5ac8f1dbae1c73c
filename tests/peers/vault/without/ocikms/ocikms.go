// SPDX-License-Identifier: Apache-2.0

// Package ocikms stands where a cloud's key service would be: the test's Vault has no automatic unsealing.
package ocikms

import "tieline.dev/tests/peers/vault/without/kms"

func NewWrapper() *kms.None { return &kms.None{} }

const KmsConfigKeyId, KmsConfigCryptoEndpoint, KmsConfigManagementEndpoint = "key_id", "crypto_endpoint", "management_endpoint"
