// SPDX-License-Identifier: Apache-2.0
module github.com/hashicorp/go-kms-wrapping/wrappers/gcpckms/v2

go 1.20
