// SPDX-License-Identifier: Apache-2.0
module tieline.dev/tests/peers/vault/without/kms

go 1.20
