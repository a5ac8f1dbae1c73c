// SPDX-License-Identifier: Apache-2.0
module github.com/hashicorp/go-discover

go 1.20
